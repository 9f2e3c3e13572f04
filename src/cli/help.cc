#include "cli/help.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "cli/commands.h"
#include "cli/layout.h"
#include "cli/manual.h"
#include "cli/session.h"
#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

constexpr std::size_t kWidestHelp = 100;
constexpr std::size_t kWidestTerm = 30;

using Terms = std::vector<std::pair<std::string, std::string>>;

// Terms on the left, what they mean wrapped on the right.
std::string definitions(const Terms& terms, std::size_t width) {
  std::size_t left = 0;
  for (const auto& [term, text] : terms)
    if (term.size() <= kWidestTerm) left = std::max(left, term.size());
  std::string out;
  const std::string indent(left + 4, ' ');
  for (const auto& [term, text] : terms) {
    std::string line = "  " + term;
    if (term.size() > left) {
      out += line + "\n";
      line.clear();
    }
    line.resize(indent.size(), ' ');
    for (const std::string& piece : wrap(text, width - std::min(width, indent.size()))) {
      out += line + piece + "\n";
      line = indent;
    }
  }
  return out;
}

Terms terms_of(const std::vector<Option>& options) {
  Terms terms;
  for (const Option& option : options)
    if (!option.hidden) terms.emplace_back(term_of(option), meaning_of(option));
  return terms;
}

std::string paragraph(const std::string& text, std::size_t width) {
  std::string out;
  for (const std::string& line : wrap(text, width)) out += line + "\n";
  return out;
}

}  // namespace

std::string term_of(const Option& option) {
  std::string term;
  for (const char letter : option.letters) term += std::string("-") + letter + ", ";
  term += "--" + option.name;
  if (option.value.empty()) return term;
  std::string value = option.value;
  for (const std::string& choice : option.choices)
    value = &choice == &option.choices.front() ? choice : value + "|" + choice;
  return term + " " + value + (option.takes_all ? "..." : "");
}

std::string meaning_of(const Option& option) {
  return option.help + (option.repeats && !option.takes_all ? " (may be repeated)" : "");
}

std::string usage(const Command& command) {
  std::string out = "kedge " + command.name;
  for (const Argument& argument : command.arguments) {
    const std::string name = argument.name + (argument.most > 1 ? "..." : "");
    out += argument.least == 0 ? " [" + name + "]" : " " + name;
  }
  return out + " [options]";
}

std::string program_help(const std::vector<Command>& commands, std::size_t width) {
  width = std::min(width, kWidestHelp);
  std::string out =
      "kedge keeps a vector index over the objects of a bucket or folder, answers questions with\n"
      "references to them, and fetches the raw data only while it is still what was indexed.\n\n"
      "usage: kedge COMMAND [arguments] [options]\n\n";
  Terms terms;
  for (const Command& command : commands) terms.emplace_back(command.name, command.summary);
  out += definitions(terms, width);
  out +=
      "\nexamples:\n"
      "  kedge sync ./docs\n"
      "  kedge search \"how long is parental leave?\"\n"
      "  kedge get handbook/leave.md\n"
      "  kedge verify\n"
      "\n`kedge COMMAND --help` explains a command; `source <(kedge completion bash)` completes "
      "words\n"
      "in bash (zsh, fish). Options can be set in the environment and in kedge.toml too.\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but drift, withheld deletes or a "
      "partial\n"
      "result, 4 stopped by a signal, what is finished is committed.\n";
  return out;
}

std::string command_help(const Command& command, const std::vector<Option>& common,
                         std::size_t width) {
  width = std::min(width, kWidestHelp);
  std::string out = "usage: " + usage(command) + "\n\n" + paragraph(command.summary, width);
  if (!command.details.empty()) out += "\n" + paragraph(command.details, width);
  if (!command.arguments.empty()) {
    Terms terms;
    for (const Argument& argument : command.arguments)
      terms.emplace_back(argument.name, argument.help);
    out += "\narguments:\n" + definitions(terms, width);
  }
  if (!command.options.empty())
    out += "\noptions:\n" + definitions(terms_of(command.options), width);
  Terms terms = terms_of(common);
  terms.emplace_back("-h, --help", "this text");
  out += (common.empty() ? "\n" : "\ncommon options:\n") + definitions(terms, width);
  out += "\nexamples:\n";
  for (const std::string& example : command.examples) out += "  " + example + "\n";
  return out;
}

std::string group_help(const std::string& group, const std::vector<Command>& commands,
                       std::size_t width) {
  Terms terms;
  for (const Command& command : commands)
    if (command.name.starts_with(group + " ")) terms.emplace_back(command.name, command.summary);
  if (terms.empty()) return "";
  return "usage: kedge " + group + " COMMAND\n\n" +
         definitions(terms, std::min(width, kWidestHelp));
}

namespace {

struct Asked {
  std::vector<std::string> words;
  bool markdown = false;
};

Result<int> run(Session& session, const Asked& asked) {
  const std::vector<Command> commands = all_commands();
  const std::size_t width = session.console().out_stream.width;
  Settings settings;
  const std::vector<Option> common = common_options(&settings);
  if (asked.markdown) {
    session.print(manual(commands, common));
    return kExitDone;
  }
  if (asked.words.empty()) {
    session.print(program_help(commands, width));
    return kExitDone;
  }
  std::string name = asked.words.front();
  if (asked.words.size() > 1) name += " " + asked.words[1];
  for (const Command& command : commands) {
    if (command.name == name) {
      session.print(
          command_help(command, command.opens_index ? common : std::vector<Option>(), width));
      return kExitDone;
    }
  }
  const std::string group = group_help(name, commands, width);
  if (group.empty()) return Error{Code::kInvalid, "there is no command '" + visible(name) + "'"};
  session.print(group);
  return kExitDone;
}

}  // namespace

Command help_command() {
  auto asked = std::make_shared<Asked>();
  Command out;
  out.name = "help";
  out.summary = "the commands, or one of them";
  out.examples = {"kedge help", "kedge help sync", "kedge help pin add"};
  out.arguments = {{.name = "COMMAND",
                    .help = "what to explain; all commands, if none is named",
                    .least = 0,
                    .most = 2,
                    .set = into(&asked->words)}};
  Option markdown = make_switch("markdown", "docs/cli.md", into(&asked->markdown), false);
  markdown.hidden = true;
  out.options = {std::move(markdown)};
  out.opens_index = false;
  out.run = [asked](Session& session) { return run(session, *asked); };
  return out;
}

}  // namespace kedge::cli
