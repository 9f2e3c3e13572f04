// The door to models: a folder of a BERT model, or the embedder of tests.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "embed/embedder.h"

namespace kedge {

struct ModelOptions {
  std::size_t threads = 0;          // 0: every core this process may use
  std::size_t batch_tokens = 1024;  // at once on each core: see LocalEmbedderOptions
  // In place of what the model's files say, which for E5 is nothing ("query: ", "passage: ").
  std::optional<std::string> query_prefix;
  std::optional<std::string> document_prefix;
};

inline constexpr std::size_t kMaxModelThreads = 256;

// `name`: a folder (embed/model_files.h), or "test:DIMENSION[:GATE]" (embed/test_embedder.h). The
// weights of a folder are hashed for the space, but loaded only by the first text to embed. `clock`
// must outlive the result. kInvalid; and what read_model_files, WordPiece::make and model_revision
// say.
Result<std::unique_ptr<Embedder>> open_model(const std::string& name, const ModelOptions& options,
                                             Clock& clock = system_clock());

}  // namespace kedge
