#include "api/environment.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <mutex>
#include <thread>
#include <utility>

#include "api/model_locator.h"
#include "api/open_store.h"
#include "api/variable.h"
#include "base/errno_text.h"
#include "base/strings.h"

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

// As the XDG specification has it: a relative path is ignored. "" where there is no home.
std::string default_disk_cache() {
  const std::string cache = variable("XDG_CACHE_HOME");
  if (cache.starts_with('/')) return cache + "/kedge/blocks";
  const std::string home = variable("HOME");
  return home.empty() ? std::string() : home + "/.cache/kedge/blocks";
}

Result<std::unique_ptr<DiskCache>> open_disk_cache(const std::string& folder,
                                                   std::uint64_t max_bytes, Random& random,
                                                   Clock& clock, Executor& executor, Log& log) {
  const std::string chosen = folder.empty() ? default_disk_cache() : folder;
  if (chosen.empty() || chosen == "off" || max_bytes == 0) return std::unique_ptr<DiskCache>();
  std::unique_ptr<BlockFiles> files = KEDGE_TRY(open_block_files(chosen, random));
  return std::make_unique<DiskCache>(std::move(files), max_bytes, clock, executor, log);
}

Status make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return {Code::kDenied, str_cat("scratch folder ", printable(path), ": ", errno_text(errno))};
    }
    if (at == std::string::npos) return {};
  }
}

// An opener, and what it stands on.
struct Opening {
  Opening(const ClientEnvironment& environment, const std::vector<StoreSettings>& stores,
          AwsEnvironment aws)
      : executor(environment.executor),
        log(environment.log),
        opener(stores, std::move(aws), {*environment.clock, *environment.random, *executor, *log}) {
  }

  std::shared_ptr<Executor> executor;
  std::shared_ptr<Log> log;
  StoreOpener opener;
};

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
  AwsEnvironment aws = process_environment();
  if (options.on_prompt) aws.prompt = options.on_prompt;
  const auto kept = std::make_shared<Opening>(out, options.stores, std::move(aws));
  const bool read_only = options.read_only;
  out.open_index_store = [kept, read_only](const std::string& url) {
    return kept->opener.open_index(url, read_only);
  };
  out.open_source_store = [kept](const SourceLocation& location) {
    NamedKeys named = named_keys(location.scope);
    const SourceStoreOptions source{.hidden = location.scope.hidden,
                                    .gitignore = location.scope.gitignore,
                                    .index = location.index_folder,
                                    .cache = location.cache_folder,
                                    .named = std::move(named.keys),
                                    .only_named = named.all};
    return kept->opener.open_source(location.uri, source);
  };
  out.find_source = [kept](const std::string& source) { return kept->opener.find_source(source); };
  out.credentials_of = [kept](const std::string& url, Deadline deadline) {
    return kept->opener.credentials_of(url, deadline);
  };
  out.policy_place = [kept](const std::string& url) { return kept->opener.policy_place(url); };
  out.endpoint_of = [kept](const std::string& url) { return kept->opener.endpoint_of(url); };
  out.open_disk_cache = [kept, random = out.random, clock = out.clock, folder = options.disk_cache,
                         max_bytes = options.disk_cache_bytes] {
    return open_disk_cache(folder, max_bytes, *random, *clock, *kept->executor, *kept->log);
  };
  const std::string model = options.model;
  out.open_embedder = [model, threads](const std::optional<Space>& space) {
    return open_embedder(model, space, threads);
  };
  return out;
}

}  // namespace kedge
