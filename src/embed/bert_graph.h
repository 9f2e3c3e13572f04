// The BERT encoder as an OpenVINO graph, built from its weights, with pooling and normalisation.
//
//   inputs   input_ids       i32 [rows, columns]
//            attention_mask  i32 [rows, columns], 1 for a token, 0 for padding
//   output   sentence        f32 [rows, hidden]
//
// Only built with OpenVINO; its exceptions leave these functions, and end in openvino_model.cc.
#pragma once

#include <memory>

#include "base/result.h"
#include "embed/model_files.h"
#include "embed/safetensors.h"

namespace ov {
class Model;
}

namespace kedge {

// `owner` keeps the bytes of the tensors alive: f32 weights are used where they lie.
// kCorrupt: a tensor is missing, or its shape is not what config.json says.
Result<std::shared_ptr<ov::Model>> build_bert_graph(const ModelFiles& files,
                                                    const Safetensors& weights,
                                                    const std::shared_ptr<void>& owner);

// An ONNX model with the same inputs (and token_type_ids if it takes them) and, in place of its
// output of token vectors, the pooled and normalised one. An output of rank 2 is taken as pooled.
// kUnsupported: inputs or outputs of another kind.
Result<std::shared_ptr<ov::Model>> add_pooling(const ModelFiles& files,
                                               const std::shared_ptr<ov::Model>& model);

}  // namespace kedge
