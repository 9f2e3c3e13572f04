// What a command is: declared once, as data. The parser, the help, the completion, the environment
// and the configuration all read these tables, so that they cannot disagree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kedge/result.h"

namespace kedge::cli {

class Session;

using Setter = std::function<Status(const std::vector<std::string>&)>;

// What a shell offers where a value or an argument is typed and there are no choices to offer.
enum class Offer : std::uint8_t { kNothing, kFiles, kFolders };

// One option: --max-object-size, KEDGE_MAX_OBJECT_SIZE, max-object-size in the configuration.
struct Option {
  std::string name;
  std::string value;  // what the help calls its value: "SIZE"; "": a switch
  std::string help;
  Setter set;  // takes the values; a switch gets "true" or "false"
  std::vector<std::string> choices = {};
  bool repeats = false;
  bool takes_all = false;  // "--not a b c": every word up to the next option
  // Whether the environment and the configuration may set it: never for what acts once.
  bool configurable = true;
  std::string letters = "";  // "k": -k too
  Offer offer = Offer::kNothing;
  bool hidden = false;     // for those who work on Kedge: in no help and no completion
  std::string alone = "";  // its value where it stands at the end, or before another option
};

struct Argument {
  std::string name;  // "SOURCE"
  std::string help;
  std::size_t least = 1, most = 1;
  Setter set;
  std::vector<std::string> choices = {};
  Offer offer = Offer::kNothing;
};
inline constexpr std::size_t kMaxArguments = 1'000'000;

struct Command {
  std::string name;     // "sync", "pin add"
  std::string summary;  // one line
  std::string details;  // a paragraph, or ""
  std::vector<std::string> examples;
  std::vector<Argument> arguments;
  std::vector<Option> options;
  bool opens_index = true;  // takes the common options, --index first; else only its own
  std::function<Result<int>(Session&)> run{};  // the exit code
};

// ---- setters of common kinds; the targets outlive the command
Setter into(std::string* target);
Setter into(std::vector<std::string>* target);
Setter into(std::optional<std::vector<std::string>>* target);
Setter into(bool* target);
Setter into(std::optional<bool>* target, bool value_when_set);
Setter number_into(std::uint64_t* target, std::uint64_t most);
Setter number_into(std::optional<std::uint64_t>* target, std::uint64_t most);
Setter number_into(std::uint32_t* target);
Setter size_into(std::uint64_t* target);
Setter size_into(std::optional<std::uint64_t>* target);
Setter seconds_into(double* target);
Setter share_into(double* target);     // above 0, at most 1
Setter duration_into(double* target);  // "15m", "1h", "90": seconds

Option make_switch(std::string name, std::string help, Setter set, bool configurable = true);

}  // namespace kedge::cli
