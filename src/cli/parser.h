// From the words of a command line to the setters of a command.
//
// --name value, --name=value, -k value, -k3, -k=3; letters of switches may stand together (-qv). A
// switch takes --name=false. What begins with '-' is an option, but for "-" itself and negative
// numbers; after "--" nothing is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/config.h"
#include "cli/environment.h"
#include "kedge/result.h"

namespace kedge::cli {

// What the words say, before anything is set.
struct Parsed {
  // By name, without the dashes; of a switch one value, "true" where none was typed.
  std::map<std::string, std::vector<std::string>> options;
  std::vector<std::string> arguments;
  bool help = false;  // then nothing after the word that asked for it was looked at
};

// kInvalid: an unknown option (with the nearest one), a missing value, one value too many.
Result<Parsed> parse_words(const std::vector<Option>& options,
                           const std::vector<std::string>& words);

// Calls the setters: the words go before the environment (KEDGE_...; empty counts as none), which
// goes before the configuration. kInvalid names where a bad value came from.
Status apply_options(const std::vector<Option>& options, const Parsed& parsed,
                     const Environment& environment, const Config& config);
// kInvalid: too few or too many, with the name of the first that is missing.
Status apply_arguments(const Command& command, const std::vector<std::string>& arguments);

// kInvalid, with the line: a key that is no option of any of these commands, an option that may not
// be configured, a value that its option does not take. The setters are called.
Status check_config(const std::vector<Option>& options, const Config& config);

// KEDGE_MAX_OBJECT_SIZE for max-object-size.
std::string variable_name(const std::string& option);

// The candidate that a mistyped word is nearest to; "": none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace kedge::cli
