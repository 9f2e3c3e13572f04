// One run of one command: its settings, its streams, its client.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/console.h"
#include "cli/environment.h"
#include "cli/progress.h"
#include "kedge/client.h"

namespace kedge::cli {

// Exit codes; 130 is cli/interrupt.h.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitDiffers = 3;  // done, but drift, withheld deletes or a partial result
inline constexpr int kExitStopped = 4;  // by a signal; what was finished is committed

// What comes from outside the program.
struct Runtime {
  Environment environment;
  Console& console;
  std::function<Result<std::unique_ptr<Client>>(ClientOptions)> open_client;
  std::function<double()> seconds;  // monotonic
};

// The options that every command has which opens an index.
struct Settings {
  std::string index, config, model, cache, scratch, disk_cache;
  std::uint64_t memory_bytes = ClientOptions{}.memory_bytes;
  std::uint64_t disk_cache_bytes = ClientOptions{}.disk_cache_bytes;
  std::uint32_t threads = 0;
  double timeout_seconds = 0;
  bool json = false, quiet = false, verbose = false, debug = false;
  StoreSettings store;                // for every s3:// URL
  std::vector<StoreSettings> stores;  // for those that [[store]] tables name
};
std::vector<Option> common_options(Settings* settings);
// Those of a table [[store]]: the url, and how it is reached.
std::vector<Option> store_options(StoreSettings* settings);

// --presign, of what can print links.
Option presign_option(double* seconds);

enum class Access { kRead, kWrite };

class Session {
 public:
  // Both outlive it.
  Session(Runtime& runtime, const Settings& settings);

  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const Environment& environment() const { return runtime_.environment; }
  [[nodiscard]] bool json() const { return settings_.json; }
  Console& console() { return runtime_.console; }
  ProgressDisplay& progress() { return progress_; }

  // The index that the settings name, or the one that is found (cli/find_index.h). kInvalid: it
  // would be a guess, the index synced last, and is to be written to (docs/adr/0007).
  Result<std::string> index(Access access);
  // Opens index(access). The client lives as long as the session.
  Result<Client*> client(Access access);
  // Opens index(kRead) so that it can be written to: for tries that leave nothing behind.
  Result<Client*> trying_client();
  // Opens this index, and makes it if there is none.
  Result<Client*> creating_client(const std::string& index);

  // A result, on standard output.
  void print(std::string_view text) { console().out(text); }
  // A remark for a person, on standard error: nothing with --quiet.
  void note(std::string_view line);
  // A warning, on standard error, always.
  void warn(std::string_view line);
  // "kedge WORDS", with the --index that means this session's index from the current folder.
  [[nodiscard]] std::string command(const std::string& words) const;
  // Says that the command was used wrongly; returns the exit code.
  int usage_error(const std::string& message);

 private:
  Result<Client*> open(const std::string& index, Access access, bool create);

  Runtime& runtime_;
  const Settings& settings_;
  ProgressDisplay progress_;
  std::string index_option_;  // " --index X", or "" if it is found without
  std::unique_ptr<Client> client_;
};

// Writes an error as a person or a program reads it; an empty hint is chosen by the error's code.
void report_error(Console& console, bool json, const Error& error, std::string hint);

}  // namespace kedge::cli
