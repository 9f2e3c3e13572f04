// The configuration: one TOML file whose keys are the names of the options.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/environment.h"
#include "kedge/result.h"

namespace kedge::cli {

struct Config {
  std::string path;  // "": there is none
  std::map<std::string, std::vector<std::string>> values;
};

// kInvalid names line and key: bad TOML, a table, a date, an array of anything but plain values.
Result<Config> parse_config(std::string_view toml, const std::string& path);

// Reads the file named `path`, or the first of $KEDGE_CONFIG, ./kedge.toml and
// ~/.config/kedge/config.toml that exists. One that was named must exist.
Result<Config> load_config(const Environment& environment, const std::string& path);

}  // namespace kedge::cli
