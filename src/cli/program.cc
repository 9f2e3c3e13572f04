#include "cli/program.h"

#include <algorithm>
#include <utility>

#include "cli/commands.h"
#include "cli/config.h"
#include "cli/help.h"
#include "cli/parser.h"
#include "cli/terminal_text.h"

namespace kedge::cli {

std::vector<Command> all_commands() {
  return {sync_command(),       search_command(),      similar_command(),       get_command(),
          status_command(),     verify_command(),      warm_command(),          gc_command(),
          history_command(),    rollback_command(),    pin_add_command(),       pin_list_command(),
          pin_remove_command(), source_list_command(), source_remove_command(), drop_command(),
          import_command(),     compact_command(),     bench_ann_command(),     doctor_command(),
          completion_command(), help_command(),        version_command()};
}

namespace {

// Takes the one or two words of the command's name off the front.
const Command* find_command(const std::vector<Command>& commands, std::vector<std::string>& words) {
  for (const std::size_t count : {std::size_t{2}, std::size_t{1}}) {
    if (words.size() < count) continue;
    const std::string name = count == 2 ? words[0] + " " + words[1] : words[0];
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const Command& command) { return command.name == name; });
    if (found == commands.end()) continue;
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count));
    return &*found;
  }
  return nullptr;
}

int usage(Runtime& runtime, const Error& error, const std::string& hint) {
  report_error(runtime.console, false, error, hint);
  return kExitUsage;
}

bool is_group(const std::string& word, const std::vector<Command>& commands) {
  return std::any_of(commands.begin(), commands.end(),
                     [&](const Command& command) { return command.name.starts_with(word + " "); });
}

int unknown_command(Runtime& runtime, const std::vector<Command>& commands,
                    const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.name);
  if (is_group(words[0], commands)) {
    runtime.console.err(group_help(words[0], commands, runtime.console.err_stream.width));
    return kExitUsage;
  }
  const std::string near = nearest(words[0], names);
  return usage(
      runtime, {Code::kInvalid, "there is no command '" + visible(words[0]) + "'"},
      near.empty() ? "`kedge --help` lists the commands" : "did you mean `kedge " + near + "`?");
}

// One configuration is for all commands: every key and value is looked at, whatever command runs.
Status check_whole_config(const Config& config) {
  const std::vector<Command> commands = all_commands();  // the setters write into these
  Settings settings;
  std::vector<Option> options = common_options(&settings);
  for (const Command& command : commands)
    options.insert(options.end(), command.options.begin(), command.options.end());
  Status done = check_config(options, config);
  StoreSettings store;
  for (const Config& table : config.stores)
    if (done.ok()) done = check_config(store_options(&store), table);
  return done;
}

// The tables [[store]]. What was typed goes before them, as before everything that is configured.
Status take_stores(const Parsed& parsed, const Config& config, Settings& settings) {
  for (const Config& table : config.stores) {
    StoreSettings store;
    Status done = apply_options(store_options(&store), parsed, Environment{}, table);
    if (!done.ok()) return done;
    settings.stores.push_back(std::move(store));
  }
  return {};
}

int run_command(Runtime& runtime, const Command& command, const std::vector<std::string>& words) {
  Settings settings;
  const std::vector<Option> common =
      command.opens_index ? common_options(&settings) : std::vector<Option>();
  std::vector<Option> options = command.options;
  options.insert(options.end(), common.begin(), common.end());
  const std::string hint = "`kedge " + command.name + " --help` explains it";
  const Result<Parsed> parsed = parse_words(options, words);
  if (!parsed.ok()) return usage(runtime, parsed.error(), hint);
  if (parsed->help) {
    runtime.console.out(command_help(command, common, runtime.console.out_stream.width));
    return runtime.console.flush() ? kExitDone : kExitFailed;
  }
  const auto named = parsed->options.find("config");
  const std::string config_path =
      named == parsed->options.end() || named->second.empty() ? "" : named->second.back();
  // What needs no index needs no configuration: a broken one must not stand before the help.
  const Result<Config> config =
      command.opens_index ? load_config(runtime.environment, config_path) : Config{};
  if (!config.ok()) return usage(runtime, config.error(), "");
  Status status = check_whole_config(*config);
  if (!status.ok()) return usage(runtime, status.error(), "docs/cli.md has the names and values");
  status = apply_options(options, *parsed, runtime.environment, *config);
  if (status.ok()) status = take_stores(*parsed, *config, settings);
  if (status.ok()) status = apply_arguments(command, parsed->arguments);
  if (!status.ok()) return usage(runtime, status.error(), hint);
  Session session(runtime, settings);
  const Result<int> code = command.run(session);
  session.progress().erase();
  if (!code.ok()) {
    report_error(runtime.console, settings.json, code.error(), "");
    return code.code() == Code::kInvalid ? kExitUsage : kExitFailed;
  }
  if (!runtime.console.flush()) {
    report_error(runtime.console, false, {Code::kExhausted, "standard output could not be written"},
                 "");
    return kExitFailed;
  }
  return *code;
}

}  // namespace

int run_program(Runtime& runtime, std::vector<std::string> words) {
  const std::vector<Command> commands = all_commands();
  if (words.empty()) {
    runtime.console.err(program_help(commands, runtime.console.err_stream.width));
    return kExitUsage;
  }
  if (words[0] == "--help" || words[0] == "-h") words[0] = "help";
  if (words[0] == "--version") words[0] = "version";
  // `kedge pin --help` is `kedge help pin`.
  const bool asked = words.size() == 2 && (words[1] == "--help" || words[1] == "-h");
  if (asked && is_group(words[0], commands)) words = {"help", words[0]};
  const Command* command = find_command(commands, words);
  if (command == nullptr) return unknown_command(runtime, commands, words);
  return run_command(runtime, *command, words);
}

}  // namespace kedge::cli
