// The configuration: one TOML file whose keys are the names of the options, and whose tables
// [[store]] say how s3:// URLs are reached.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/environment.h"
#include "kedge/result.h"

namespace kedge::cli {

struct ConfigValue {
  enum class Kind { kWord, kFlag, kList };  // a text or number; true or false; a list of words
  Kind kind = Kind::kWord;
  std::vector<std::string> values;
  std::size_t line = 0;
};

struct Config {
  std::string path;  // "": there is none
  std::map<std::string, ConfigValue> values;
  std::vector<Config> stores;  // the tables [[store]], in order
  // "FILE, line 3: name", for messages.
  [[nodiscard]] std::string place(const std::string& name) const;
};

inline constexpr std::size_t kMaxConfigStores = 256;

// kInvalid names line and key: bad TOML, another table, a date, a list of anything but texts and
// numbers.
Result<Config> parse_config(std::string_view toml, const std::string& path);

// Reads the file named `path`, or the first of $KEDGE_CONFIG, ./kedge.toml and
// ~/.config/kedge/config.toml that exists. One that was named must exist.
Result<Config> load_config(const Environment& environment, const std::string& path);

}  // namespace kedge::cli
