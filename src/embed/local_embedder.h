// An embedder on this machine: WordPiece in front of a TextModel.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "embed/embedder.h"
#include "embed/model_files.h"
#include "embed/text_model.h"

namespace kedge {

// Reads the model's description and vocabulary; the weights follow with the first call that embeds.
Result<std::unique_ptr<Embedder>> open_local_embedder(const std::string& folder,
                                                      std::size_t threads);

// The model of the folder on OpenVINO, with f32 inference. kUnsupported: this build has none.
Result<std::unique_ptr<TextModel>> load_openvino_model(const ModelFiles& files,
                                                       std::size_t threads);

// Tokens computed in one batch, padding included: bounds the memory of one inference.
inline constexpr std::size_t kMaxBatchTokens = 4096;
inline constexpr std::size_t kMaxBatchRows = 32;

}  // namespace kedge
