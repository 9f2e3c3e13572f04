#include "cli/manual.h"

#include "cli/help.h"
#include "cli/parser.h"

namespace kedge::cli {
namespace {

constexpr std::string_view kBegin = R"(# The command line

This page is what `kedge help --markdown` prints; a test compares the two. `kedge COMMAND --help` shows the same on a
terminal.

`kedge COMMAND [arguments] [options]`. Options stand anywhere after the command, as `--name value` or `--name=value`; a
switch is turned off by `--name=false`. After `--` nothing is an option.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong usage: an option, an argument, the environment or the configuration |
| 3 | done, but drift, withheld deletes or a partial result |
| 4 | stopped by Ctrl-C or SIGTERM: what was finished is committed, and the same command goes on |
| 130 | stopped at once, by a second signal |

With `--json` standard output is one JSON document, for errors `{"error": {"code", "message", "hint"}}`; progress and
remarks go to standard error.

## Configuration

An option that has a variable below can be set in three places, in this order: on the command line, in the environment
(an empty variable counts as none), in the configuration file. The file is TOML, its keys are the options' names. A value is written as on the command line, as a text or a number; a switch is `true` or `false`; an option that may
be repeated takes a list (in the environment: one value). The first place that has an option decides: lists are not joined.
Relative paths begin at the current folder.

```toml
index = "s3-mirror/.kedge"
exclude = ["*.tmp", "drafts/"]
max-object-size = "16MiB"
results = 5

[[store]]
url = "s3://raw-data/handbook"
profile = "reader"

[[store]]
url = "s3://indexes"
endpoint-url = "https://objects.example.org"
sse = "aws:kms"
```

A table `[[store]]` says how one bucket, or a prefix of it, is reached, so that the index and its sources may lie in different
accounts and clouds. Its keys are `url` and the options from `endpoint-url` to `kms-key-id` below. It is for that URL and
what lies below it; of several the longest counts, alone. What was typed on the command line goes before it, and what it
leaves open is taken from the environment and the rest of the file.

The file is the one that `--config` or `KEDGE_CONFIG` names (`KEDGE_CONFIG=` says: none), else `kedge.toml` in the current
folder, else `kedge/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`. A key that no command knows, and a value that its
option does not take, are refused with file and line, whatever command runs.

## Completion of words

`source <(kedge completion bash)`, the same for zsh, and `kedge completion fish | source` for fish.

)";

// A text in a cell of a table.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("|*_<\\`").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// Code in a cell of a table: only the bar is special there.
std::string code(const std::string& text) {
  std::string out = "`";
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out + "`";
}

std::string rows_of(const std::vector<Option>& options) {
  std::string out;
  for (const Option& option : options) {
    if (option.hidden) continue;
    out += "| " + code(term_of(option)) + " | " + cell(meaning_of(option)) + " | ";
    if (option.configurable) out += code(variable_name(option.name));
    out += " |\n";
  }
  return out;
}

std::string section(const Command& command) {
  std::string out = "\n## kedge " + command.name + "\n\n" + cell(command.summary) + ".";
  if (!command.details.empty()) out += " " + cell(command.details);
  out += "\n\n```\n" + usage(command) + "\n```\n";
  if (!command.arguments.empty()) out += "\n| argument | meaning |\n|---|---|\n";
  for (const Argument& argument : command.arguments)
    out += "| " + code(argument.name) + " | " + cell(argument.help) + " |\n";
  const std::string rows = rows_of(command.options);
  if (!rows.empty()) out += "\n| option | meaning | variable |\n|---|---|---|\n" + rows;
  out += "\n```\n";
  for (const std::string& example : command.examples) out += example + "\n";
  return out + "```\n";
}

// The anchor of a heading "kedge NAME".
std::string anchor(const std::string& name) {
  std::string out = "#kedge-" + name;
  for (char& c : out)
    if (c == ' ') c = '-';
  return out;
}

}  // namespace

std::string manual(const std::vector<Command>& commands, const std::vector<Option>& common) {
  std::string out{kBegin};
  out += "## Commands\n\n| command | what it does |\n|---|---|\n";
  for (const Command& command : commands) {
    out += "| [" + command.name + "](" + anchor(command.name) + ") | " + cell(command.summary) +
           " |\n";
  }
  out += "\n## Options of every command that opens an index\n\n";
  out += "| option | meaning | variable |\n|---|---|---|\n" + rows_of(common);
  for (const Command& command : commands) out += section(command);
  return out;
}

}  // namespace kedge::cli
