#include "cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>

#include "cli/session.h"
#include "cli/terminal_text.h"
#include "cli/units.h"

namespace kedge::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

class FakeConsole final : public Console {
 public:
  void out(std::string_view text) override { out_text += text; }
  void err(std::string_view text) override { err_text += text; }
  Result<std::string> read_all(std::size_t) override { return std::string(); }
  std::string read_line() override { return ""; }
  bool flush() override { return true; }
  // What was written to standard error since the last call.
  std::string taken() { return std::exchange(err_text, ""); }

  std::string out_text, err_text;
};

Progress half_done() {
  Progress progress;
  progress.phase = "indexing";
  progress.source = "file:///docs/";
  progress.listed = 2000;
  progress.objects = 2000;
  progress.objects_done = 1000;
  progress.bytes = 4 << 20;
  progress.bytes_done = 2 << 20;
  progress.chunks_embedded = 3000;
  progress.chunks_from_cache = 1000;
  return progress;
}

TEST(ProgressLine, SaysHowFarHowFastAndHowLong) {
  const Pace pace = {.seconds = 10, .objects = 1000, .chunks = 4000, .bytes = 2 << 20};
  EXPECT_EQ(progress_line(half_done(), pace, 200),
            "indexing  ██████████░░░░░░░░░░  50 %  1,000/2,000 objects  100 objects/s  "
            "400 chunks/s  2.0 MiB of 4.0 MiB  10.0 s left");
  Progress listing;
  listing.phase = "listing";
  listing.listed = 1;
  EXPECT_EQ(progress_line(listing, {}, 80), "listing  1 object listed");
}

// A rate of the first moments would be nonsense, and so would be the time left.
TEST(ProgressLine, GuessesNothingEarly) {
  const std::string line = progress_line(half_done(), {.seconds = 0.5, .objects = 9}, 200);
  EXPECT_THAT(line, Not(HasSubstr("/s")));
  EXPECT_THAT(line, Not(HasSubstr("left")));
  const Pace slow_start = {.seconds = 4.9, .objects = 1, .chunks = 1, .bytes = 1};
  EXPECT_THAT(progress_line(half_done(), slow_start, 200), Not(HasSubstr("left")));
  Progress done = half_done();
  done.objects_done = done.objects;
  done.bytes_done = done.bytes + 5;  // objects may grow meanwhile
  const std::string full = progress_line(done, {.seconds = 5, .objects = 9, .bytes = 9}, 200);
  EXPECT_THAT(full, HasSubstr("100 %"));
  EXPECT_THAT(full, Not(HasSubstr("left")));
}

// What matters least goes first, and nothing ever wraps: a wrapped line cannot be redrawn.
TEST(ProgressLine, FitsEveryWidth) {
  const Pace pace = {.seconds = 10, .objects = 1000, .chunks = 4000, .bytes = 2 << 20};
  for (std::size_t width = 1; width < 140; ++width)
    EXPECT_LE(display_width(progress_line(half_done(), pace, width)), width);
  EXPECT_EQ(progress_line(half_done(), pace, 40), "indexing  50 %  1,000/2,000 objects");
  Progress hostile = half_done();
  hostile.phase = "\x1b[2J";
  EXPECT_THAT(progress_line(hostile, pace, 100), HasSubstr("\\x1b[2J"));
}

class DisplayTest : public testing::Test {
 protected:
  ProgressDisplay display(bool quiet = false) {
    return {console_, [this] { return now_; }, quiet};
  }
  FakeConsole console_;
  double now_ = 100;
};

TEST_F(DisplayTest, RedrawsATerminalsLineAtMostTenTimesASecond) {
  console_.err_stream = {.terminal = true, .redraws = true, .width = 80};
  ProgressDisplay display = this->display();
  Progress progress = half_done();
  display.update(progress);
  EXPECT_EQ(console_.taken(), "");  // a command that ends at once shows nothing
  now_ += 1.5 * kRedrawSeconds;
  display.update(progress);
  const std::string first = console_.taken();
  EXPECT_EQ(first.front(), '\r');
  EXPECT_THAT(first, Not(HasSubstr("\n")));
  EXPECT_LT(display_width(first.substr(1)), 80U) << "the last column stays free";
  now_ += kRedrawSeconds / 2;
  display.update(progress);
  EXPECT_EQ(console_.taken(), "");
  // A shorter line covers the longer one.
  progress.phase = "proving";
  progress.objects = 0;
  now_ += 1.5 * kRedrawSeconds;
  display.update(progress);
  EXPECT_EQ(display_width(console_.taken()), display_width(first));
  // A message stands on a line of its own.
  display.message("kedge: warning: a word");
  const std::string said = console_.taken();
  EXPECT_TRUE(said.starts_with("\r ")) << said;
  EXPECT_TRUE(said.ends_with("\rkedge: warning: a word\n")) << said;
  display.erase();
  EXPECT_EQ(console_.taken(), "") << "there is nothing left to erase";
}

TEST_F(DisplayTest, WritesLinesNowAndThenWhereNothingCanBeRedrawn) {
  console_.err_stream = {.width = 100};
  ProgressDisplay display = this->display();
  for (int i = 0; i < 100; ++i) {
    now_ += kLineSeconds / 20;
    Progress progress = half_done();
    progress.objects_done = 1000 + static_cast<std::uint64_t>(i);
    display.update(progress);
  }
  const std::string lines = console_.taken();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 5);
  EXPECT_THAT(lines, Not(HasSubstr("\r")));
  // 20 updates a line, each of one object in half a second.
  EXPECT_THAT(lines, HasSubstr("2.0 objects/s"));
  EXPECT_THAT(lines, Not(HasSubstr("\x1b")));
}

// A rate counts from where the phase began, of the next source too, whose counters restart.
TEST_F(DisplayTest, EveryPhaseHasItsOwnPace) {
  console_.err_stream = {.width = 200};
  ProgressDisplay display = this->display();
  Progress progress = half_done();
  progress.phase = "comparing";
  now_ += 1000;
  display.update(progress);
  console_.taken();
  progress.phase = "indexing";
  progress.source = "file:///other/";
  progress.objects_done = 10;
  display.update(progress);
  now_ += 10;
  progress.objects_done = 60;
  display.update(progress);
  EXPECT_THAT(console_.taken(), HasSubstr("5.0 objects/s"));
  progress.objects_done = 5;  // less than at the beginning of the phase
  now_ += 10;
  display.update(progress);
  EXPECT_THAT(console_.taken(), HasSubstr(" 0 objects/s"));
}

TEST_F(DisplayTest, QuietMeansQuiet) {
  console_.err_stream = {.terminal = true, .redraws = true, .width = 80};
  ProgressDisplay display = this->display(true);
  now_ += 100;
  display.update(half_done());
  EXPECT_EQ(console_.taken(), "");
  display.message("a warning is said anyway");
  EXPECT_EQ(console_.taken(), "a warning is said anyway\n");
}

// NO_COLOR, TERM=dumb and a pipe forbid colours; only TERM=dumb and a pipe forbid redrawing.
TEST(Stream, FollowsTheEnvironment) {
  const struct {
    bool terminal;
    std::map<std::string, std::string> variables;
    bool redraws, colour;
  } cases[] = {{true, {{"TERM", "xterm"}}, true, true},
               {true, {{"TERM", "xterm"}, {"NO_COLOR", "1"}}, true, false},
               {true, {{"TERM", "xterm"}, {"NO_COLOR", ""}}, true, true},  // as no-color.org says
               {true, {{"TERM", "dumb"}}, false, false},
               {true, {}, false, false},
               {false, {{"TERM", "xterm"}}, false, false}};
  for (const auto& c : cases) {
    const Stream stream = make_stream(c.terminal, 80, {c.variables, {}});
    EXPECT_EQ(stream.terminal, c.terminal);
    EXPECT_EQ(stream.redraws, c.redraws) << testing::PrintToString(c.variables);
    EXPECT_EQ(stream.colour, c.colour) << testing::PrintToString(c.variables);
  }
  const struct {
    std::size_t columns;
    const char* variable;
    std::size_t width;
  } widths[] = {{0, "", 100},  {80, "", 80}, {80, "120", 120}, {80, "wide", 80},
                {80, "0", 80}, {3, "", 40},  {80, "5", 40},    {9999, "", 400}};
  for (const auto& c : widths)
    EXPECT_EQ(make_stream(true, c.columns, {{{"COLUMNS", c.variable}}, {}}).width, c.width)
        << c.columns << " " << c.variable;
  for (const auto& sequence : {bold, dim, red, green, yellow, plain}) {
    EXPECT_EQ(sequence(false), "");
    EXPECT_THAT(std::string(sequence(true)), testing::StartsWith("\x1b["));
  }
}

TEST(Units, ReadAndWrite) {
  const struct {
    const char* text;
    std::uint64_t bytes;
  } sizes[] = {{"0", 0},
               {"4096", 4096},
               {"1k", 1024},
               {"64MiB", 64 << 20},
               {"1.5 GB", 1500000000},
               {"500K", 512000},
               {"1KB", 1000},
               {"2gib", 2ULL << 30},
               {"7b", 7}};
  for (const auto& c : sizes) {
    const Result<std::uint64_t> parsed = parse_size(c.text);
    ASSERT_TRUE(parsed.ok()) << c.text;
    EXPECT_EQ(*parsed, c.bytes) << c.text;
  }
  for (const char* text : {"", "-1", "1x", "k", "1e3", "inf", "nan", "1..2", "99999999T", " 1"})
    EXPECT_FALSE(parse_size(text).ok()) << text;
  const std::pair<double, const char*> times[] = {
      {-1, "0.000 s"},      {0.0421, "0.042 s"}, {0.5, "0.50 s"},     {3.14, "3.1 s"},
      {59.96, "1 min 0 s"}, {125, "2 min 5 s"},  {4800, "1 h 20 min"}};
  for (const auto& [seconds, text] : times) EXPECT_EQ(format_seconds(seconds), text);
  const std::pair<std::uint64_t, const char*> bytes[] = {{0, "0 B"},
                                                         {1023, "1023 B"},
                                                         {1024, "1.0 KiB"},
                                                         {1048575, "1.0 MiB"},
                                                         {UINT64_MAX, "16.0 EiB"}};
  for (const auto& [size, text] : bytes) EXPECT_EQ(format_bytes(size), text);
  const std::pair<const char*, double> durations[] = {{"90", 90},   {"90s", 90},     {"15m", 900},
                                                      {"1h", 3600}, {"7d", 604'800}, {"0", 0}};
  for (const auto& [text, seconds] : durations) {
    const Result<double> parsed = parse_duration(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, seconds) << text;
  }
  for (const char* text : {"", "m", "1.5h", "-1", "1w", "1 h", "1hm", "words"})
    EXPECT_FALSE(parse_duration(text).ok()) << text;
  const std::pair<double, const char*> prices[] = {{0, "0.00 USD"},
                                                   {1.234, "1.23 USD"},
                                                   {0.0123, "0.012 USD"},
                                                   {0.0000052, "0.0000052 USD"},
                                                   {1e-12, "0.000000000 USD"}};
  for (const auto& [usd, text] : prices) EXPECT_EQ(format_usd(usd), text);
  EXPECT_EQ(to_seconds("2025-03-01T10:20:30.123456Z"), "2025-03-01T10:20:30Z");
  EXPECT_EQ(to_seconds("2025-03-01T10:20:30Z"), "2025-03-01T10:20:30Z");
  EXPECT_EQ(to_seconds(""), "");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(plural(1, "match", "matches") + ", " + plural(2, "match", "matches"),
            "1 match, 2 matches");
}

}  // namespace
}  // namespace kedge::cli
