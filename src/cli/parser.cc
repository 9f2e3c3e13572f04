#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

constexpr int kMaxWords = 1 << 20;  // of one command line

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

// An option that nobody knows, in the words of this program.
Error unknown_option(const std::string& word, const std::vector<Option>& options) {
  std::vector<std::string> names = {"--help"};
  for (const Option& option : options) names.push_back("--" + option.name);
  const std::string meant = nearest(word.substr(0, word.find('=')), names);
  return {Code::kInvalid, "unknown option " + visible(word) +
                              (meant.empty() ? "" : ": did you mean " + meant + "?")};
}

std::string flags_of(const Option& option) {
  std::string flags;
  for (const char letter : option.letters) flags += std::string("-") + letter + ",";
  return flags + "--" + option.name;
}

}  // namespace

Result<Parsed> parse_words(const std::vector<Option>& options,
                           const std::vector<std::string>& words) {
  CLI::App app;
  app.set_help_flag("");
  Parsed parsed;
  app.add_flag("-h,--help", parsed.help);
  // Values are kept as they were typed: CLI11 would cut "[a,b]" into pieces where several fit.
  std::vector<CLI::Option*> known;
  for (const Option& option : options) {
    if (option.value.empty()) {
      known.push_back(app.add_flag(flags_of(option)));
      continue;
    }
    CLI::Option* added =
        app.add_option(flags_of(option), [](const CLI::results_t&) { return true; });
    added->expected(1)->allow_extra_args(false);
    if (option.repeats) added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    if (option.takes_all) added->expected(1, kMaxWords);
    known.push_back(added);
  }
  app.allow_extras();
  try {
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::Error& error) {
    return {Code::kInvalid, visible(error.what())};
  }
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (known[i]->count() == 0) continue;
    const std::vector<std::string> values =
        options[i].value.empty() ? std::vector<std::string>{"true"} : known[i]->results();
    parsed.options.emplace(options[i].name, values);
  }
  for (const std::string& word : app.remaining()) {
    if (word.size() > 1 && word[0] == '-') return unknown_option(word, options);
    parsed.arguments.push_back(word);
  }
  return parsed;
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
      done = set_checked(option, configured->second, config.path + ": " + option.name);
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
