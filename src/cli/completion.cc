#include "cli/completion.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "cli/commands.h"
#include "cli/session.h"

namespace kedge::cli {
namespace {

// A text as one word of any of the shells; `quote` is how its quote is written inside quotes.
std::string quoted(std::string_view text, std::string_view quote) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += quote;
    } else {
      out += c;
    }
  }
  return out + "'";
}
std::string sh(std::string_view text) { return quoted(text, "'\\''"); }
std::string fish(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '\\' ? "\\\\" : std::string(1, c);
  return quoted(escaped, "\\'");
}

// `text` with a backslash before each of `special`.
std::string escaped(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : std::string(between)) + word;
  return out;
}

// A name that is typed first: of a command, or of a group of them with the second words.
struct First {
  std::string name, summary;
  std::vector<const Command*> group;  // empty: a command
};

std::vector<First> first_words(const std::vector<Command>& commands) {
  std::vector<First> out;
  for (const Command& command : commands) {
    const std::size_t space = command.name.find(' ');
    if (space == std::string::npos) {
      out.push_back({command.name, command.summary, {}});
      continue;
    }
    const std::string name = command.name.substr(0, space);
    if (out.empty() || out.back().name != name) out.push_back({name, "", {}});
    First& first = out.back();
    first.group.push_back(&command);
    first.summary += (first.summary.empty() ? "" : ", ") + command.name.substr(space + 1);
  }
  return out;
}

std::string second_word(const Command& command) {
  return command.name.substr(command.name.find(' ') + 1);
}

std::vector<const Option*> shown_options(const Command& command) {
  std::vector<const Option*> out;
  for (const Option& option : command.options)
    if (!option.hidden) out.push_back(&option);
  return out;
}

// Its spellings, the long one last.
std::vector<std::string> flags_of(const Option& option) {
  std::vector<std::string> flags;
  for (const char letter : option.letters) flags.push_back(std::string("-") + letter);
  flags.push_back("--" + option.name);
  return flags;
}

// ---- bash

std::string_view bash_kind(Offer offer) {
  switch (offer) {
    case Offer::kFiles:
      return "files";
    case Offer::kFolders:
      return "folders";
    case Offer::kNothing:
      break;
  }
  return "nothing";
}

// The branch of one command: its options, what its arguments are, and what follows an option.
std::string bash_branch(const Command& command) {
  std::vector<std::string> options;
  std::vector<std::pair<std::string, std::vector<std::string>>> kinds;  // what is set, for which
  for (const Option* option : shown_options(command)) {
    const std::vector<std::string> flags = flags_of(*option);
    options.push_back(flags.back());
    if (option->value.empty()) continue;
    const std::string kind = option->choices.empty()
                                 ? "kind=" + std::string(bash_kind(option->offer))
                                 : "kind=words words=" + sh(join(option->choices, " "));
    auto known = std::find_if(kinds.begin(), kinds.end(),
                              [&](const auto& one) { return one.first == kind; });
    if (known == kinds.end()) known = kinds.insert(kinds.end(), {kind, {}});
    known->second.insert(known->second.end(), flags.begin(), flags.end());
  }
  options.push_back("--help");
  std::string out = "    " + sh(command.name) + ")\n      options=" + sh(join(options, " ")) + "\n";
  if (!command.arguments.empty()) {
    const Argument& argument = command.arguments.front();
    if (!argument.choices.empty()) {
      out += "      kind=words words=" + sh(join(argument.choices, " ")) + "\n";
    } else if (argument.offer != Offer::kNothing) {
      out += "      kind=" + std::string(bash_kind(argument.offer)) + "\n";
    }
  }
  if (!kinds.empty()) {
    out += "      case \"$previous\" in\n";
    for (const auto& [kind, flags] : kinds)
      out += "        " + join(flags, "|") + ") " + kind + " options='' ;;\n";
    out += "      esac\n";
  }
  return out + "      ;;\n";
}

constexpr std::string_view kBashBegin = R"(# bash completion for kedge. In ~/.bashrc:
#   source <(kedge completion bash)
_kedge() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous='' command="${COMP_WORDS[1]}"
  local options='' kind=nothing words='' from=2 typed='' i
  COMPREPLY=()
  (( COMP_CWORD > 0 )) && previous="${COMP_WORDS[COMP_CWORD - 1]}"
  # --mode=d arrives as three words where '=' breaks words, else as one.
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $previous == '=' ]]; then
    previous="${COMP_WORDS[COMP_CWORD - 2]}"
  elif [[ $current == --*=* ]]; then
    previous="${current%%=*}" typed="${current%%=*}=" current="${current#*=}"
  fi
)";

constexpr std::string_view kBashEnd = R"(  # After -- nothing is an option.
  for (( i = from; i < COMP_CWORD; ++i )); do
    [[ ${COMP_WORDS[i]} == -- ]] && options='' && break
  done
  if [[ $current == -* && -n $options ]]; then
    kind=words words="$options"
  fi
  case "$kind" in
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
    files) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    folders) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
  esac
  [[ $kind == f* ]] && compopt -o filenames 2>/dev/null
  [[ -n $typed ]] && COMPREPLY=("${COMPREPLY[@]/#/$typed}")
  return 0
}
complete -F _kedge kedge
)";

// ---- zsh

// An action of _arguments.
std::string zsh_action(const std::vector<std::string>& choices, Offer offer) {
  if (!choices.empty()) return "(" + join(choices, " ") + ")";
  switch (offer) {
    case Offer::kFiles:
      return "_files";
    case Offer::kFolders:
      return "_files -/";
    case Offer::kNothing:
      break;
  }
  return " ";
}

// What is completed after an option is spelled, for one of its spellings.
std::string zsh_option(const Option& option, const std::string& flag) {
  std::string spec = option.repeats ? "*" : "";
  spec += flag;
  if (!option.value.empty()) spec += flag.starts_with("--") ? "=" : "+";
  spec += "[" + escaped(option.help, "[]\\") + "]";
  if (!option.value.empty())
    spec += ":" + escaped(option.value, ":\\") + ":" + zsh_action(option.choices, option.offer);
  return sh(spec);
}

std::string zsh_branch(const Command& command) {
  std::string out = "    (" + sh(command.name) + ")\n      _arguments -s -S";
  const auto add = [&](const std::string& spec) { out += " \\\n        " + spec; };
  for (const Option* option : shown_options(command))
    for (const std::string& flag : flags_of(*option)) add(zsh_option(*option, flag));
  add("'-h[explain the command]'");
  add("'--help[explain the command]'");
  for (const Argument& argument : command.arguments) {
    const std::string count = argument.most > 1 ? "*" : "";
    add(sh(count + ":" + escaped(argument.name, ":\\") + ":" +
           zsh_action(argument.choices, argument.offer)));
  }
  return out + "\n      ;;\n";
}

// name:summary, as _describe takes it.
std::string zsh_described(const std::string& name, const std::string& summary) {
  return sh(escaped(name, ":\\") + ":" + escaped(summary, ":\\"));
}

// ---- fish

std::string fish_values(const std::vector<std::string>& choices, Offer offer) {
  if (!choices.empty()) return " -x -a " + fish(join(choices, " "));
  switch (offer) {
    case Offer::kFiles:
      return " -r -F";
    case Offer::kFolders:
      return " -x -a '(__fish_complete_directories)'";
    case Offer::kNothing:
      break;
  }
  return " -x";
}

std::string fish_branch(const Command& command) {
  const std::string here = "complete -c kedge -n '__kedge_is " + command.name + "'";
  std::string out;
  for (const Option* option : shown_options(command)) {
    out += here;
    for (const char letter : option->letters) out += std::string(" -s ") + letter;
    out += " -l " + option->name;
    if (!option->value.empty()) out += fish_values(option->choices, option->offer);
    out += " -d " + fish(option->help) + "\n";
  }
  out += here + " -s h -l help -d 'explain the command'\n";
  if (!command.arguments.empty()) {
    const Argument& argument = command.arguments.front();
    if (argument.offer == Offer::kFiles) {
      out += here + " -F\n";
    } else if (!argument.choices.empty() || argument.offer != Offer::kNothing) {
      // Not -x: that would be asked of an option's value.
      out += here + fish_values(argument.choices, argument.offer).substr(3) + "\n";
    }
  }
  return out;
}

constexpr std::string_view kFishBegin =
    R"(# fish completion for kedge. In ~/.config/fish/config.fish:
#   kedge completion fish | source
function __kedge_is
    set -l words (commandline -opc)
    set -e words[1]
    set -l wanted (count $argv)
    test (count $words) -ge $wanted; and test "$words[1..$wanted]" = "$argv"
end
function __kedge_next
    set -l words (commandline -opc)
    set -e words[1]
    test "$words" = "$argv"
end
complete -c kedge -f
)";

// Every command with all the options that it takes. They are to be shown, and set nothing.
std::vector<Command> complete_commands() {
  std::vector<Command> commands = all_commands();
  Settings settings;
  const std::vector<Option> common = common_options(&settings);
  std::set<std::string> names;
  for (Command& command : commands) {
    if (command.opens_index)
      command.options.insert(command.options.end(), common.begin(), common.end());
    for (Option& option : command.options) option.set = nullptr;
    for (Argument& argument : command.arguments) argument.set = nullptr;
    names.insert(command.name.substr(0, command.name.find(' ')));
  }
  for (Command& command : commands)
    if (command.name == "help") command.arguments.front().choices = {names.begin(), names.end()};
  return commands;
}

}  // namespace

std::string bash_completion(const std::vector<Command>& commands) {
  std::string out{kBashBegin};
  std::vector<std::string> names;
  std::string groups;
  for (const First& first : first_words(commands)) {
    names.push_back(first.name);
    if (first.group.empty()) continue;
    std::vector<std::string> seconds;
    for (const Command* command : first.group) seconds.push_back(second_word(*command));
    groups += "    " + first.name + ") words=" + sh(join(seconds, " ")) + " from=3 ;;\n";
  }
  out +=
      "  (( COMP_CWORD == 1 )) && kind=words words=" + sh(join(names, " ") + " --help --version") +
      " command=''\n";
  out += "  case \"$command\" in\n" + groups + "  esac\n";
  out +=
      "  if (( from == 3 )); then\n"
      "    (( COMP_CWORD == 2 )) && kind=words command=''\n"
      "    (( COMP_CWORD > 2 )) && words='' command=\"$command ${COMP_WORDS[2]}\"\n"
      "  fi\n"
      "  case \"$command\" in\n";
  for (const Command& command : commands) out += bash_branch(command);
  return out + "  esac\n" + std::string(kBashEnd);
}

std::string zsh_completion(const std::vector<Command>& commands) {
  std::string out =
      "#compdef kedge\n"
      "# zsh completion for kedge. In ~/.zshrc, after compinit:\n"
      "#   source <(kedge completion zsh)\n"
      "_kedge() {\n"
      "  local command=$words[2]\n"
      "  local -a names\n"
      "  if (( CURRENT == 2 )); then\n"
      "    names=(\n";
  std::string groups;
  for (const First& first : first_words(commands)) {
    out += "      " + zsh_described(first.name, first.summary) + "\n";
    if (first.group.empty()) continue;
    groups += "    (" + first.name + ")\n      names=(\n";
    for (const Command* command : first.group)
      groups += "        " + zsh_described(second_word(*command), command->summary) + "\n";
    groups += "      )\n      ;;\n";
  }
  out +=
      "    )\n"
      "    _describe -t commands command names\n"
      "    return\n"
      "  fi\n"
      "  case $command in\n" +
      groups +
      "  esac\n"
      "  if (( $#names )); then\n"
      "    if (( CURRENT == 3 )); then\n"
      "      _describe -t commands command names\n"
      "      return\n"
      "    fi\n"
      "    command=\"$command $words[3]\"\n"
      "    shift words\n"
      "    (( CURRENT-- ))\n"
      "  fi\n"
      "  # _arguments counts from the word before the first argument.\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $command in\n";
  for (const Command& command : commands) out += zsh_branch(command);
  return out +
         "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _kedge ]]; then\n"
         "  _kedge \"$@\"\n"
         "else\n"
         "  compdef _kedge kedge\n"
         "fi\n";
}

std::string fish_completion(const std::vector<Command>& commands) {
  std::string out{kFishBegin};
  for (const First& first : first_words(commands)) {
    out += "complete -c kedge -n '__kedge_next' -a " + first.name + " -d " + fish(first.summary) +
           "\n";
    for (const Command* command : first.group) {
      out += "complete -c kedge -n '__kedge_next " + first.name + "' -a " + second_word(*command) +
             " -d " + fish(command->summary) + "\n";
    }
  }
  for (const Command& command : commands) out += fish_branch(command);
  return out;
}

Command completion_command() {
  auto shell = std::make_shared<std::string>();
  Command out;
  out.name = "completion";
  out.summary = "the script that makes a shell complete kedge's words";
  out.examples = {"source <(kedge completion bash)", "source <(kedge completion zsh)",
                  "kedge completion fish | source"};
  out.arguments = {{.name = "SHELL",
                    .help = "bash, zsh or fish",
                    .set = into(shell.get()),
                    .choices = {"bash", "zsh", "fish"}}};
  out.opens_index = false;
  out.run = [shell](Session& session) -> Result<int> {
    const std::vector<Command> commands = complete_commands();
    session.print(*shell == "bash"  ? bash_completion(commands)
                  : *shell == "zsh" ? zsh_completion(commands)
                                    : fish_completion(commands));
    return kExitDone;
  };
  return out;
}

}  // namespace kedge::cli
