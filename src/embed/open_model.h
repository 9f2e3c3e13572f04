// The door to models: a folder of a BERT model, or the embedder of tests.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"
#include "embed/embedder.h"

namespace kedge {

struct ModelOptions {
  std::size_t threads = 0;  // 0: all cores
};

// `name`: a folder, or "test:64". The weights of a folder are loaded by the first embed call:
// counting tokens and asking for the space need none. kNotFound: a file is missing, by name, and
// how to get it. kUnsupported: another family of models, or a build without OpenVINO.
Result<std::unique_ptr<Embedder>> open_model(const std::string& name, const ModelOptions& options);

}  // namespace kedge
