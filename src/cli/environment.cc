#include "cli/environment.h"

#include <unistd.h>

#include <string_view>
#include <system_error>

namespace kedge::cli {

std::optional<std::string> Environment::variable(const std::string& name) const {
  const auto found = variables.find(name);
  if (found == variables.end()) return std::nullopt;
  return found->second;
}

std::filesystem::path Environment::xdg_folder(const std::string& name,
                                              const std::string& below_home) const {
  // The XDG specification: a relative path is invalid and ignored.
  std::filesystem::path named = variable(name).value_or("");
  if (named.is_absolute()) return named;
  const std::filesystem::path home = variable("HOME").value_or("");
  return home.empty() ? home : home / below_home;
}

std::filesystem::path Environment::state_folder() const {
  const auto base = xdg_folder("XDG_STATE_HOME", ".local/state");
  return base.empty() ? base : base / "kedge";
}

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  std::error_code ignored;  // a deleted current folder: relative paths then fail by themselves
  environment.folder = std::filesystem::current_path(ignored);
  return environment;
}

}  // namespace kedge::cli
