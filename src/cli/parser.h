// From the words of a command line to the setters of a command.
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
  std::map<std::string, std::vector<std::string>> options;  // by name; a switch has no values
  std::vector<std::string> arguments;
  bool help = false;
};

// kInvalid: an unknown option (with the nearest one), a missing or surplus value.
Result<Parsed> parse_words(const std::vector<Option>& options,
                           const std::vector<std::string>& words);

// Calls the setters: the words go before the environment (KEDGE_...), which goes before the
// configuration. kInvalid names where a bad value came from.
Status apply_options(const std::vector<Option>& options, const Parsed& parsed,
                     const Environment& environment, const Config& config);
// kInvalid: too few or too many, with the name of the first that is missing.
Status apply_arguments(const Command& command, const std::vector<std::string>& arguments);

// KEDGE_MAX_OBJECT_SIZE for max-object-size.
std::string variable_name(const std::string& option);

// The candidate that a mistyped word is nearest to; "": none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace kedge::cli
