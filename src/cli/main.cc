#include <chrono>
#include <cstdint>
#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/program.h"

namespace {

constexpr std::uint64_t kLittleMemory = 256ULL << 20;

// From now on large pieces go back to the system as soon as they are let go, instead of waiting for
// others that may fit in their place: less memory, more page faults. glibc raises the first of
// these with what is let go unless it is set.
void return_large_pieces() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  using kedge::cli::Environment;
  using kedge::cli::process_environment;
  using kedge::cli::Runtime;
  using kedge::cli::StandardConsole;
  const Environment environment = process_environment();
  StandardConsole console(environment);
  Runtime runtime{.environment = environment,
                  .console = console,
                  .open_client =
                      [](kedge::ClientOptions options) {
                        if (options.memory_bytes < kLittleMemory) return_large_pieces();
                        return kedge::Client::open(std::move(options));
                      },
                  .seconds =
                      [] {
                        const auto now = std::chrono::steady_clock::now().time_since_epoch();
                        return std::chrono::duration<double>(now).count();
                      }};
  return kedge::cli::run_program(runtime, {argv + 1, argv + argc});
}
