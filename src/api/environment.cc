#include "api/environment.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "api/model_locator.h"
#include "api/variable.h"
#include "base/strings.h"
#include "api/open_store.h"

namespace kedge {
namespace {

class CallbackLog final : public Log {
 public:
  explicit CallbackLog(std::function<void(MessageLevel, std::string_view)> call)
      : call_(std::move(call)) {}
  void write(LogLevel level, std::string_view message) override {
    if (!call_) return;
    const std::lock_guard lock(mutex_);
    switch (level) {
      case LogLevel::kDebug:
        return call_(MessageLevel::kDebug, message);
      case LogLevel::kInfo:
        return call_(MessageLevel::kInfo, message);
      case LogLevel::kWarning:
        return call_(MessageLevel::kWarning, message);
      case LogLevel::kError:
        return call_(MessageLevel::kError, message);
    }
  }

 private:
  std::mutex mutex_;
  std::function<void(MessageLevel, std::string_view)> call_;
};

// $XDG_STATE_HOME/kedge, else ~/.local/state/kedge, else a folder of /tmp that is this user's.
std::string default_scratch_folder() {
  const std::string state = variable("XDG_STATE_HOME");
  if (!state.empty()) return state + "/kedge";
  const std::string home = variable("HOME");
  if (!home.empty()) return home + "/.local/state/kedge";
  return str_cat("/tmp/kedge-", getuid());
}

Status make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return {Code::kDenied,
              str_cat("scratch folder ", printable(path), ": ", std::strerror(errno))};
    }
    if (at == std::string::npos) return {};
  }
}

}  // namespace

Result<ClientEnvironment> make_environment(const ClientOptions& options) {
  ClientEnvironment out;
  out.clock = &system_clock();
  out.random = &system_random();
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t threads = options.threads == 0 ? cores : options.threads;
  out.executor = make_thread_pool(threads);
  out.log = std::make_shared<CallbackLog>(options.on_message);
  out.scratch_folder =
      options.scratch_folder.empty() ? default_scratch_folder() : options.scratch_folder;
  KEDGE_TRY(make_folders(out.scratch_folder));
  Executor& executor = *out.executor;
  const bool read_only = options.read_only;
  out.open_index_store =
      [&executor, read_only](const std::string& url) -> Result<std::unique_ptr<ObjectStore>> {
    return open_index_store(url, system_clock(), system_random(), executor, read_only);
  };
  out.open_source_store =
      [&executor](const SourceLocation& location) -> Result<std::unique_ptr<ObjectStore>> {
    NamedKeys named = named_keys(location.scope);
    const SourceStoreOptions source{.hidden = location.scope.hidden,
                                    .gitignore = location.scope.gitignore,
                                    .index = location.index_folder,
                                    .named = std::move(named.keys),
                                    .only_named = named.all};
    return open_source_store(location.uri, system_clock(), executor, source);
  };
  out.find_source = [](const std::string& source) { return find_source_place(source); };
  const std::string model = options.model;
  out.open_embedder = [model, threads](const std::optional<Space>& space) {
    return open_embedder(model, space, threads);
  };
  return out;
}

}  // namespace kedge
