// The inputs whose rows all have one size: .npy, .fvecs, .bvecs (ingest/vector_input.h).
#pragma once

#include <memory>

#include "ingest/input_file.h"
#include "ingest/vector_input.h"

namespace kedge {

Result<std::unique_ptr<VectorInput>> open_npy(InputFile file);
// `bytes`: rows of u1 (.bvecs), not f4 (.fvecs).
Result<std::unique_ptr<VectorInput>> open_vecs(InputFile file, bool bytes);

}  // namespace kedge
