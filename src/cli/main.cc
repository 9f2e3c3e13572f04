#include <chrono>

#include "cli/program.h"

int main(int argc, char** argv) {
  using kedge::cli::Environment;
  using kedge::cli::process_environment;
  using kedge::cli::Runtime;
  using kedge::cli::StandardConsole;
  const Environment environment = process_environment();
  StandardConsole console(environment);
  Runtime runtime{
      .environment = environment,
      .console = console,
      .open_client =
          [](kedge::ClientOptions options) { return kedge::Client::open(std::move(options)); },
      .seconds =
          [] {
            const auto now = std::chrono::steady_clock::now().time_since_epoch();
            return std::chrono::duration<double>(now).count();
          }};
  return kedge::cli::run_program(runtime, {argv + 1, argv + argc});
}
