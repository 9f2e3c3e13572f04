// A TextModel that runs on OpenVINO, on the CPU, in f32 on every machine.
#pragma once

#include <memory>

#include "base/result.h"
#include "embed/model_files.h"
#include "embed/text_model.h"

namespace kedge {

// Loads the weights and compiles the network for `threads` cores (one text batch a core at once).
// kUnsupported: this program was built without OpenVINO, or the model is of a kind it does not run.
// kCorrupt: the weights do not fit config.json.
Result<std::unique_ptr<TextModel>> open_openvino_model(const ModelFiles& files,
                                                       std::size_t threads);

}  // namespace kedge
