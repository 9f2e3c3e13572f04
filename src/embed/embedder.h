// Turns texts into vectors of one space.
//
// Threads: any method, from any thread; a call uses the cores it was given when made.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/space.h"

namespace kedge {

// What a caller pays for: printed after every run, and asserted in tests ("no model call").
struct EmbedUsage {
  std::uint64_t calls = 0;   // batches given to the model
  std::uint64_t inputs = 0;  // texts
  std::uint64_t tokens = 0;  // without padding
  double seconds = 0;        // spent in the model
};

class Embedder {
 public:
  virtual ~Embedder() = default;
  [[nodiscard]] virtual const Space& space() const = 0;

  // Tokens of a text alone, special tokens not counted. The budget of a chunk is space().max_tokens
  // less special_tokens().
  virtual std::size_t count_tokens(std::string_view text) = 0;
  [[nodiscard]] virtual std::size_t special_tokens() const = 0;

  // Row-major, texts.size() x dimension, in the order given, f32, normalised if the space says so.
  // Prefixes of the space are added here. Inputs longer than max_tokens are cut. Batches are formed
  // inside, sorted by length; memory stays bounded whatever the number of texts. kInvalid: a text
  // is not UTF-8. kUnavailable, kExhausted: from the model.
  virtual Result<std::vector<float>> embed_documents(std::span<const std::string> texts) = 0;
  virtual Result<std::vector<float>> embed_queries(std::span<const std::string> texts) = 0;

  // The exact model input of a document: what input_hash is taken over (with the space's id).
  [[nodiscard]] virtual std::string document_input(std::string_view text) const = 0;
  [[nodiscard]] virtual EmbedUsage usage() const = 0;
};

// How many texts the pipeline gives to one embed_documents call: what a kill can cost at most.
inline constexpr std::size_t kEmbedBatch = 64;

}  // namespace kedge
