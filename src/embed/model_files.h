// What a folder of a sentence embedding model says: the files that Hugging Face and
// sentence-transformers write, checked.
//
//   config.json                        the network
//   model.safetensors or model.onnx    its weights; with model.onnx the network is that file
//   vocab.txt, tokenizer_config.json   the tokenizer (WordPiece)
//   modules.json, 1_Pooling/config.json, sentence_bert_config.json,
//   config_sentence_transformers.json  pooling, normalisation, longest input, prefixes; optional
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "embed/wordpiece.h"
#include "format/space.h"

namespace kedge {

enum class Pooling { kMean, kCls };

// The shape of a BERT encoder.
struct BertShape {
  std::uint32_t hidden = 0;
  std::uint32_t layers = 0;
  std::uint32_t heads = 0;
  std::uint32_t intermediate = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t positions = 0;
  std::uint32_t token_types = 0;
  double epsilon = 0;      // of layer normalisation
  bool tanh_gelu = false;  // the approximation ("gelu_new"), else the exact gelu
};

struct ModelFiles {
  std::string folder;
  std::string name;  // for the space: see read_model_files
  std::string weights_path;
  bool onnx = false;
  BertShape shape;  // with onnx only hidden, vocabulary and positions count
  Pooling pooling = Pooling::kMean;
  bool normalise = true;
  Metric metric = Metric::kCosine;
  std::uint32_t max_tokens = 0;
  std::string query_prefix;
  std::string document_prefix;
  WordPieceOptions tokenizer;

  [[nodiscard]] std::string vocabulary_path() const;
};

inline constexpr std::size_t kMaxModelJsonBytes = std::size_t{1} << 20;
inline constexpr std::uint32_t kMaxModelLayers = 256;
inline constexpr std::uint32_t kMaxModelWidth = 65'536;  // hidden, intermediate, heads
inline constexpr std::uint32_t kMaxModelTokens = 65'536;

// Reads the small files, none of the weights.
// The name is the title of README.md ("# all-MiniLM-L6-v2") if it can be one, else the last part of
// _name_or_path of config.json, else of the folder: it belongs to the space, and should not change
// when a folder moves.
// kNotFound: a file is missing, with what to do about it. kUnsupported: by name what Kedge does not
// compute (model type, pooling, module, activation). kCorrupt: not what these files look like.
Result<ModelFiles> read_model_files(const std::string& folder);

// 16 hexadecimal digits that change with everything that changes vectors and that the space does
// not already name: of SHA-256 over the numbers of the shape, the tokenizer's options, and the
// XXH3-128 of each MiB of vocab.txt and of the weights, in order. Reads the weights once, in
// pieces.
Result<std::string> model_revision(const ModelFiles& files);

}  // namespace kedge
