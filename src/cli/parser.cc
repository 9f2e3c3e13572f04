#include "cli/parser.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <optional>
#include <utility>

#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

// kInvalid: a value that is not among the choices, if there are any.
Status check_choices(const std::vector<std::string>& choices,
                     const std::vector<std::string>& values, const std::string& where) {
  for (const std::string& value : values) {
    if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end())
      continue;
    std::string message = where + ": '" + visible(value) + "' is not";
    if (choices.size() > 1) message += " one of";
    for (const std::string& choice : choices) message += " " + choice;
    return {Code::kInvalid, message};
  }
  return {};
}

Status set_checked(const Option& option, const std::vector<std::string>& values,
                   const std::string& where) {
  if (!option.value.empty()) {
    Status chosen = check_choices(option.choices, values, where);
    if (!chosen.ok()) return chosen;
  }
  Status done = option.set(values);
  if (!done.ok()) return {done.code(), where + ": " + visible(done.error().message)};
  return done;
}

// Whether a word is an option, known or not: "-5" and "-.5" are numbers, "-" is standard input.
bool is_option(const std::string& word) {
  if (word.size() < 2 || word[0] != '-') return false;
  const std::size_t digit = word[1] == '.' ? 2 : 1;
  return digit >= word.size() || std::isdigit(static_cast<unsigned char>(word[digit])) == 0;
}

// An option that nobody knows, in the words of this program.
Error unknown_option(const std::string& word, const std::vector<Option>& options) {
  std::vector<std::string> names = {"--help"};
  for (const Option& option : options)
    if (!option.hidden) names.push_back("--" + option.name);
  const std::string name = word.substr(0, word.find('='));
  // "-group" was meant for "--group".
  std::string meant;
  if (name.size() > 2) meant = nearest(name.starts_with("--") ? name : "-" + name, names);
  return {Code::kInvalid, "unknown option " + visible(name) +
                              (meant.empty() ? "" : ": did you mean " + meant + "?")};
}

class WordReader {
 public:
  WordReader(const std::vector<Option>& options, const std::vector<std::string>& words)
      : options_(options), words_(words) {}

  Result<Parsed> read() {
    while (at_ < words_.size() && !parsed_.help) {
      const std::string& word = words_[at_++];
      Status done;
      if (word == "--") {
        parsed_.arguments.insert(parsed_.arguments.end(), words_.begin() + position(),
                                 words_.end());
        break;
      }
      if (!is_option(word)) {
        parsed_.arguments.push_back(word);
      } else if (word.starts_with("--")) {
        done = read_name(word);
      } else {
        done = read_letters(word);
      }
      if (!done.ok()) return done.error();
    }
    return std::move(parsed_);
  }

 private:
  [[nodiscard]] std::ptrdiff_t position() const { return static_cast<std::ptrdiff_t>(at_); }

  // "--name" or "--name=value".
  Status read_name(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    if (word == "--help") {
      parsed_.help = true;
      return {};
    }
    const auto option = std::find_if(options_.begin(), options_.end(),
                                     [&](const Option& known) { return known.name == name; });
    if (option == options_.end()) return unknown_option(word, options_);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = word.substr(equals + 1);
    return take(*option, "--" + name, std::move(value));
  }

  // "-k", "-k3", "-k=3", "-qv".
  Status read_letters(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const std::string flag = std::string("-") + word[i];
      if (word[i] == 'h') {
        parsed_.help = true;
        return {};
      }
      const auto option = std::find_if(options_.begin(), options_.end(), [&](const Option& known) {
        return known.letters.find(word[i]) != std::string::npos;
      });
      if (option == options_.end()) return unknown_option(i == 1 ? word : flag, options_);
      std::string rest = word.substr(i + 1);
      const bool equals = rest.starts_with('=');
      if (equals) rest.erase(0, 1);
      if (!option->value.empty() || equals)
        return take(*option, flag,
                    rest.empty() && !equals ? std::optional<std::string>() : std::move(rest));
      Status done = take(*option, flag, std::nullopt);
      if (!done.ok()) return done;
    }
    return {};
  }

  // `value`: what was written in the same word.
  Status take(const Option& option, const std::string& flag, std::optional<std::string> value) {
    std::vector<std::string> values;
    if (value) values.push_back(*std::move(value));
    if (option.value.empty()) {
      if (values.empty()) values.emplace_back("true");
      parsed_.options[option.name] = values;  // the last one counts
      return {};
    }
    const auto more = [&] { return at_ < words_.size() && !is_option(words_[at_]); };
    if (values.empty() && !more() && !option.alone.empty()) values.push_back(option.alone);
    if (values.empty() && !more()) {
      std::string message = flag + " needs a value: " + option.value;
      if (at_ < words_.size() && words_[at_] != "--")
        message += " (" + flag + "=" + visible(words_[at_]) + ", if that is meant)";
      return {Code::kInvalid, message};
    }
    if (values.empty()) values.push_back(words_[at_++]);
    while (option.takes_all && more()) values.push_back(words_[at_++]);
    std::vector<std::string>& known = parsed_.options[option.name];
    if (!known.empty() && !option.repeats)
      return {Code::kInvalid, flag + " is there twice, and takes one value"};
    known.insert(known.end(), values.begin(), values.end());
    return {};
  }

  const std::vector<Option>& options_;
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  Parsed parsed_;
};

// kInvalid: a value of a kind that the option has no use for.
Status check_kind(const Option& option, const ConfigValue& value, const std::string& where) {
  using Kind = ConfigValue::Kind;
  if (option.value.empty() != (value.kind == Kind::kFlag)) {
    return {Code::kInvalid,
            where + (option.value.empty() ? ": must be true or false, without quotes"
                                          : ": must be a text or a number: " + option.value)};
  }
  if (value.kind == Kind::kList && !option.repeats)
    return {Code::kInvalid, where + ": takes one value, not a list"};
  return {};
}

Status set_configured(const Option& option, const Config& config, const ConfigValue& value) {
  const std::string where = config.place(option.name);
  Status done = check_kind(option, value, where);
  return done.ok() ? set_checked(option, value.values, where) : done;
}

}  // namespace

Result<Parsed> parse_words(const std::vector<Option>& options,
                           const std::vector<std::string>& words) {
  return WordReader(options, words).read();
}

Status check_config(const std::vector<Option>& options, const Config& config) {
  std::vector<std::string> names;
  for (const Option& option : options)
    if (option.configurable) names.push_back(option.name);
  for (const auto& [name, value] : config.values) {
    bool known = false, configurable = false;
    for (const Option& option : options) {
      if (option.name != name || option.hidden) continue;
      known = true;
      if (!option.configurable) continue;
      configurable = true;
      Status done = set_configured(option, config, value);
      if (!done.ok()) return done;
    }
    if (configurable) continue;
    if (known) return {Code::kInvalid, config.place(name) + ": is for one run: not configured"};
    const std::string meant = nearest(name, names);
    return {Code::kInvalid, config.place(name) + ": no option has this name" +
                                (meant.empty() ? "" : ": did you mean " + meant + "?")};
  }
  return {};
}

std::string variable_name(const std::string& option) {
  std::string name = "KEDGE_";
  for (const char c : option)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Status apply_options(const std::vector<Option>& options, const Parsed& parsed,
                     const Environment& environment, const Config& config) {
  for (const Option& option : options) {
    const auto typed = parsed.options.find(option.name);
    const auto inherited = environment.variable(variable_name(option.name));
    const auto configured = config.values.find(option.name);
    Status done;
    if (typed != parsed.options.end()) {
      done = set_checked(option, typed->second, "--" + option.name);
    } else if (option.configurable && inherited && !inherited->empty()) {
      done = set_checked(option, {*inherited}, variable_name(option.name));
    } else if (option.configurable && configured != config.values.end()) {
      done = set_configured(option, config, configured->second);
    }
    if (!done.ok()) return done;
  }
  return {};
}

Status apply_arguments(const Command& command, const std::vector<std::string>& arguments) {
  std::size_t at = 0;
  for (const Argument& argument : command.arguments) {
    const std::size_t count = std::min(argument.most, arguments.size() - at);
    if (count < argument.least)
      return {Code::kInvalid, "missing " + argument.name + ": " + argument.help};
    const auto begin = arguments.begin() + static_cast<std::ptrdiff_t>(at);
    if (count > 0) {
      const std::vector<std::string> words{begin, begin + static_cast<std::ptrdiff_t>(count)};
      Status done = check_choices(argument.choices, words, argument.name);
      if (!done.ok()) return done;
      done = argument.set(words);
      if (!done.ok()) return {done.code(), argument.name + ": " + visible(done.error().message)};
    }
    at += count;
  }
  if (at == arguments.size()) return {};
  return {Code::kInvalid, "'" + visible(arguments[at]) + "' is an argument too many"};
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  // Further away is a guess, not a correction.
  std::size_t limit = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < limit) {
      best = candidate;
      limit = distance;
    }
  }
  return best;
}

}  // namespace kedge::cli
