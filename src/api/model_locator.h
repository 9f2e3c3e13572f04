// Where the model lies, in order: what the caller named; KEDGE_MODEL_DIR; share/kedge/model beside
// the program's folder (the package); the cache folder that ./dev setup fills.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "embed/embedder.h"

namespace kedge {

// `named`: a folder, "test:64", or "". `space`: of the index; an index made by the test embedder is
// opened with it. kNotFound: no model, with the places that were looked at.
Result<std::unique_ptr<Embedder>> open_embedder(const std::string& named,
                                                const std::optional<Space>& space,
                                                std::size_t threads);

}  // namespace kedge
