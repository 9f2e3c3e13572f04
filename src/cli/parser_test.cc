#include "cli/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/commands.h"
#include "cli/session.h"

namespace kedge::cli {
namespace {

using testing::ElementsAre;
using Words = std::vector<std::string>;

// One option of each kind, and what they set.
struct Target {
  std::uint64_t number = 0;
  std::string text, way;
  Words list, all;
  bool flag = false, loud = false;
};

std::vector<Option> options_of(Target* target) {
  return {
      {.name = "number",
       .value = "N",
       .help = "",
       .set = number_into(&target->number, 100),
       .letters = "n"},
      {.name = "text", .value = "TEXT", .help = "", .set = into(&target->text)},
      {.name = "way",
       .value = "WAY",
       .help = "",
       .set = into(&target->way),
       .choices = {"up", "down"}},
      {.name = "list", .value = "X", .help = "", .set = into(&target->list), .repeats = true},
      {.name = "all",
       .value = "X",
       .help = "",
       .set = into(&target->all),
       .repeats = true,
       .takes_all = true},
      {.name = "flag", .value = "", .help = "", .set = into(&target->flag), .letters = "f"},
      {.name = "loud", .value = "", .help = "", .set = into(&target->loud), .letters = "l"},
      {.name = "once", .value = "X", .help = "", .set = into(&target->text), .configurable = false},
  };
}

// Everything that a line of words leads to: "number=5 | a b", or the error's message.
std::string outcome(const Words& words, const Environment& environment = {},
                    const Config& config = {}) {
  Target target;
  const std::vector<Option> options = options_of(&target);
  const Result<Parsed> parsed = parse_words(options, words);
  if (!parsed.ok()) return parsed.error().message;
  if (parsed->help) return "help";
  const Status done = apply_options(options, *parsed, environment, config);
  if (!done.ok()) return done.error().message;
  std::string out;
  const auto join = [](const Words& list) {
    std::string text;
    for (const std::string& one : list) text += (text.empty() ? "" : ",") + one;
    return text;
  };
  if (target.number != 0) out += "number=" + std::to_string(target.number) + " ";
  if (!target.text.empty()) out += "text=" + target.text + " ";
  if (!target.way.empty()) out += "way=" + target.way + " ";
  if (!target.list.empty()) out += "list=" + join(target.list) + " ";
  if (!target.all.empty()) out += "all=" + join(target.all) + " ";
  if (target.flag) out += "flag ";
  if (target.loud) out += "loud ";
  return out + "|" + join(parsed->arguments);
}

// How a person may write options, and that what begins with a dash is not always one.
TEST(Parser, ReadsEachSpelling) {
  const struct {
    Words words;
    const char* expected;
  } cases[] = {
      {{}, "|"},
      {{"a", "b"}, "|a,b"},
      {{"--number", "5", "a"}, "number=5 |a"},
      {{"a", "--number=5"}, "number=5 |a"},
      {{"-n", "5"}, "number=5 |"},
      {{"-n5"}, "number=5 |"},
      {{"-n=5"}, "number=5 |"},
      {{"-fl"}, "flag loud |"},
      {{"-fn5", "a"}, "number=5 flag |a"},
      {{"-fn", "5"}, "number=5 flag |"},
      {{"--flag", "a"}, "flag |a"},
      {{"--flag=false"}, "|"},
      {{"--flag", "--flag=false"}, "|"},
      {{"-f=no"}, "|"},
      {{"--text=", "a"}, "|a"},
      {{"--text", ""}, "|"},
      {{"--text=--flag"}, "text=--flag |"},
      {{"--text=a=b"}, "text=a=b |"},
      {{"--list", "a", "--list=b", "c"}, "list=a,b |c"},
      {{"--list=[a,b]"}, "list=[a,b] |"},
      {{"--all", "a", "b", "--flag", "c"}, "all=a,b flag |c"},
      {{"--all", "a", "--", "b"}, "all=a |b"},
      {{"--all=a", "b"}, "all=a,b |"},
      {{"--", "-f", "--", "--number"}, "|-f,--,--number"},
      {{"--number", "5", "--"}, "number=5 |"},
      {{"-"}, "|-"},
      {{"--text", "-"}, "text=- |"},
      {{"-5", "-.5", "-1e9"}, "|-5,-.5,-1e9"},
      {{"--text", "-5"}, "text=-5 |"},
      {{"--help", "--nonsense"}, "help"},
      {{"a", "-h"}, "help"},
      {{"-fh"}, "help"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(outcome(c.words), c.expected) << testing::PrintToString(c.words);
  }
}

// A message names the option as it was typed and says what it wants.
TEST(Parser, RefusesWhatItDoesNotUnderstand) {
  const struct {
    Words words;
    const char* message;
  } cases[] = {
      {{"--numbre", "5"}, "unknown option --numbre: did you mean --number?"},
      {{"--numbre=5"}, "unknown option --numbre: did you mean --number?"},
      {{"--halp"}, "unknown option --halp: did you mean --help?"},
      {{"--zzzzzz"}, "unknown option --zzzzzz"},
      {{"-flag"}, "unknown option -a"},
      {{"-text"}, "unknown option -text: did you mean --text?"},
      {{"-z"}, "unknown option -z"},
      {{"-fz"}, "unknown option -z"},
      {{"-."}, "unknown option -."},
      {{"--bad\x1b[2J"}, "unknown option --bad\\x1b[2J"},
      {{"--number"}, "--number needs a value: N"},
      {{"-n"}, "-n needs a value: N"},
      {{"--text", "--"}, "--text needs a value: TEXT"},
      {{"--text", "--flag"}, "--text needs a value: TEXT (--text=--flag, if that is meant)"},
      {{"--all", "-f"}, "--all needs a value: X (--all=-f, if that is meant)"},
      {{"--number", "-5"}, "--number: '-5' is not a whole number"},
      {{"--number="}, "--number: '' is not a whole number"},
      {{"--number", "5x"}, "--number: '5x' is not a whole number"},
      {{"--number", "101"}, "--number: '101' is too large: at most 100"},
      {{"--number", "99999999999999999999"},
       "--number: '99999999999999999999' is not a whole number"},
      {{"--number", "1", "-n", "2"}, "-n is there twice, and takes one value"},
      {{"--way", "left"}, "--way: 'left' is not one of up down"},
      {{"--flag=perhaps"}, "--flag: 'perhaps' is neither true nor false"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(outcome(c.words), c.message) << testing::PrintToString(c.words);
  }
}

Config config_of(const std::string& toml) {
  Result<Config> config = parse_config(toml, "kedge.toml");
  EXPECT_TRUE(config.ok()) << config.error().message;
  return config.ok() ? *config : Config{};
}

// Words, then the environment, then the configuration: each as a whole, lists are not joined.
TEST(Parser, WordsGoBeforeTheEnvironmentAndThatBeforeTheConfiguration) {
  const Config config = config_of("number = 3\nlist = ['c', 'd']\nflag = true\nonce = 'x'\n");
  Environment environment;
  EXPECT_EQ(outcome({}, environment, config), "number=3 list=c,d flag |");
  environment.variables = {
      {"KEDGE_NUMBER", "2"}, {"KEDGE_LIST", "e"}, {"KEDGE_FLAG", "0"}, {"KEDGE_ONCE", "y"}};
  EXPECT_EQ(outcome({}, environment, config), "number=2 list=e |");
  EXPECT_EQ(outcome({"-n1", "--list=w", "--flag"}, environment, config), "number=1 list=w flag |");
  // Empty counts as unset, as scripts expect of NAME=.
  environment.variables = {{"KEDGE_NUMBER", ""}, {"KEDGE_FLAG", ""}};
  EXPECT_EQ(outcome({}, environment, config), "number=3 list=c,d flag |");
}

// `kedge search words --presign` is not to need its value.
TEST(Parser, AnOptionMayStandAlone) {
  const struct {
    Words words;
    const char* value;
  } cases[] = {{{"--for"}, "1h"},         {{"a", "--for"}, "1h"}, {{"--for", "--flag"}, "1h"},
               {{"--for", "5m"}, "5m"},   {{"--for=5m"}, "5m"},   {{"--for", "--", "5m"}, "1h"},
               {{"--for=", "--flag"}, ""}};
  for (const auto& c : cases) {
    bool flag = false;
    std::string value = "unset";
    const std::vector<Option> options = {
        {.name = "for", .value = "TIME", .help = "", .set = into(&value), .alone = "1h"},
        {.name = "flag", .value = "", .help = "", .set = into(&flag)}};
    const Result<Parsed> parsed = parse_words(options, c.words);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    ASSERT_TRUE(apply_options(options, *parsed, {}, {}).ok());
    EXPECT_EQ(value, c.value) << testing::PrintToString(c.words);
  }
}

// Two clouds in one file; and what is typed goes before both.
TEST(Config, TablesSayHowEachUrlIsReached) {
  const Config config = config_of(
      "profile = 'all'\n[[store]]\nurl = 's3://a'\nprofile = 'one'\nno-sign-request = true\n"
      "[[store]]\nurl = 's3://b'\nsse = 'aws:kms'\n");
  ASSERT_EQ(config.stores.size(), 2U);
  const auto read = [&](std::size_t table, const Words& words) {
    StoreSettings out;
    const std::vector<Option> options = store_options(&out);
    const Result<Parsed> parsed = parse_words(options, words);
    EXPECT_TRUE(parsed.ok());
    const Status done = apply_options(options, *parsed, {}, config.stores[table]);
    EXPECT_TRUE(done.ok());
    return out;
  };
  EXPECT_EQ(read(0, {}).url, "s3://a");
  EXPECT_EQ(read(0, {}).profile, "one");
  EXPECT_EQ(read(0, {}).no_sign, true);
  EXPECT_EQ(read(1, {}).profile, "");
  EXPECT_EQ(read(1, {}).sse, "aws:kms");
  EXPECT_EQ(read(1, {}).no_sign, std::nullopt);
  EXPECT_EQ(read(0, {"--profile", "typed"}).profile, "typed");
}

TEST(Parser, SaysWhereABadValueCameFrom) {
  Environment environment;
  environment.variables = {{"KEDGE_NUMBER", "many"}};
  EXPECT_EQ(outcome({}, environment), "KEDGE_NUMBER: 'many' is not a whole number");
  const Config config = config_of("\n\nway = 'left'\n");
  EXPECT_EQ(outcome({}, {}, config), "kedge.toml, line 3: way: 'left' is not one of up down");
}

std::string checked(const std::string& toml) {
  Target target;
  const Result<Config> config = parse_config(toml, "kedge.toml");
  if (!config.ok()) return config.error().message;
  const Status done = check_config(options_of(&target), *config);
  return done.ok() ? "" : done.error().message;
}

// A configuration that is silently not followed costs an afternoon.
TEST(Config, RefusesWithTheLine) {
  const struct {
    const char* toml;
    const char* message;
  } cases[] = {
      {"number = 5\nflag = false\nlist = []\nlist2 = 1\n",
       "kedge.toml, line 4: list2: no option has this name: did you mean list?"},
      {"zebra = 5", "kedge.toml, line 1: zebra: no option has this name"},
      {"\n\"number \" = 5",
       "kedge.toml, line 2: number : no option has this name: did you mean number?"},
      {"once = 'x'", "kedge.toml, line 1: once: is for one run: not configured"},
      {"number = true", "kedge.toml, line 1: number: must be a text or a number: N"},
      {"number = -5", "kedge.toml, line 1: number: '-5' is not a whole number"},
      {"number = 1.5", "kedge.toml, line 1: number: '1.5' is not a whole number"},
      {"number = [5]", "kedge.toml, line 1: number: takes one value, not a list"},
      {"flag = 1", "kedge.toml, line 1: flag: must be true or false, without quotes"},
      {"flag = 'true'", "kedge.toml, line 1: flag: must be true or false, without quotes"},
      {"list = ['a', true]",
       "kedge.toml, line 1: list: has an element that is no text and no "
       "number"},
      {"text = 1979-05-27",
       "kedge.toml, line 1: text: must be a text, a number, true, false, or "
       "a list of texts"},
      {"\n[text]\nx = 1",
       "kedge.toml, line 2: text: must be a text, a number, true, false, or a "
       "list of texts"},
      {"number = 5\nway = 'left'\n", "kedge.toml, line 2: way: 'left' is not one of up down"},
      {"[store]\nurl = 'x'\n", "kedge.toml, line 1: store: must be written as [[store]]"},
      {"store = [1]\n", "kedge.toml, line 1: store: must be written as [[store]]"},
      {"\n[[store]]\nregion = 'x'\n",
       "kedge.toml, line 2: store: needs a url, the part of s3:// that it is for"},
      {"", ""},
      {"number = '5'\ntext = 5\nlist = 'one'\n", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(checked(c.toml), c.message) << c.toml;
  for (const char* toml : {"a = ", "number = 1\nnumber = 2", "= 3", "x"}) {
    EXPECT_THAT(checked(toml), testing::StartsWith("kedge.toml, line ")) << toml;
  }
}

TEST(Parser, ArgumentsAreCounted) {
  Words first, rest;
  Command command;
  command.name = "test";
  command.arguments = {
      {.name = "ONE", .help = "the one", .set = into(&first), .choices = {"a", "b"}},
      {.name = "REST", .help = "", .least = 0, .most = 2, .set = into(&rest)}};
  const auto apply = [&](const Words& words) {
    const Status done = apply_arguments(command, words);
    return done.ok() ? std::string() : done.error().message;
  };
  EXPECT_EQ(apply({}), "missing ONE: the one");
  EXPECT_EQ(apply({"c"}), "ONE: 'c' is not one of a b");
  EXPECT_EQ(apply({"a"}), "");
  EXPECT_EQ(apply({"b", "x", "y"}), "");
  EXPECT_THAT(first, ElementsAre("b"));
  EXPECT_THAT(rest, ElementsAre("x", "y"));
  EXPECT_EQ(apply({"b", "x", "y", "z\n"}), "'z\\x0a' is an argument too many");
}

// One name means one thing: a configuration is read by every command, and a letter is one option.
TEST(Commands, NamesAreUnambiguous) {
  Settings settings;
  const std::vector<Option> common = common_options(&settings);
  std::map<std::string, bool> is_switch;
  for (const Command& command : all_commands()) {
    std::vector<Option> options = command.options;
    if (command.opens_index) options.insert(options.end(), common.begin(), common.end());
    std::string letters = "h";
    std::vector<std::string> names = {"help"};
    for (const Option& option : options) {
      EXPECT_FALSE(option.help.empty()) << command.name << " --" << option.name;
      EXPECT_THAT(names, testing::Not(testing::Contains(option.name))) << command.name;
      names.push_back(option.name);
      for (const char letter : option.letters) {
        EXPECT_EQ(letters.find(letter), std::string::npos) << command.name << " -" << letter;
        letters += letter;
      }
      if (!option.configurable) continue;
      const auto [at, fresh] = is_switch.emplace(option.name, option.value.empty());
      EXPECT_EQ(at->second, option.value.empty()) << command.name << " --" << option.name;
    }
    EXPECT_FALSE(command.examples.empty()) << command.name;
    for (const std::string& example : command.examples)
      EXPECT_THAT(example, testing::HasSubstr("kedge " + command.name.substr(0, 3))) << example;
  }
}

}  // namespace
}  // namespace kedge::cli
