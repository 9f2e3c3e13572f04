// What a process inherits, as a value: tests make their own.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace kedge::cli {

struct Environment {
  std::map<std::string, std::string> variables;
  std::filesystem::path folder;  // the current one

  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const;
  // $NAME, or the folder below the home folder that stands in for it; empty if there is neither.
  [[nodiscard]] std::filesystem::path xdg_folder(const std::string& name,
                                                 const std::string& below_home) const;
  // $XDG_STATE_HOME/kedge or ~/.local/state/kedge.
  [[nodiscard]] std::filesystem::path state_folder() const;
};

// Of this process.
Environment process_environment();

}  // namespace kedge::cli
