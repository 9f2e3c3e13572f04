#include "cli/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

using testing::ElementsAre;

// Keys and snippets come from a bucket that others write to: none of their bytes may steer a
// terminal, and what was there is still told.
TEST(TerminalText, HostileBytesAreWrittenOut) {
  const struct {
    std::string_view text;
    const char* visible;
  } cases[] = {
      {"plain/key.md", "plain/key.md"},
      {"\x1b[31mred", "\\x1b[31mred"},
      {"\x1b]0;title\x07", "\\x1b]0;title\\x07"},
      {"a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"},
      {std::string_view("nul\0x", 5), "nul\\x00x"},
      {"\x7f", "\\x7f"},
      {"\u009b31m", "\\x9b31m"},            // the one-character CSI
      {"\u202etxt.exe", "\\u202etxt.exe"},  // right-to-left override
      {"\u2066x\u2069", "\\u2066x\\u2069"},
      {"\u2028", "\\u2028"},
      {"zero\u200bwidth", "zero\\u200bwidth"},
      {"\ufeffmark", "\\ufeffmark"},
      {"\ue000", "\\ue000"},          // private use: any glyph
      {"\U000e0041", "\\U000e0041"},  // an invisible tag
      {"\xff\xfe", "\\xff\\xfe"},
      {"\xc3(", "\\xc3("},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // a surrogate in UTF-8
      {"cut\xe2\x82", "cut\\xe2\\x82"},
      {"\u0645\u200c\u0646", "\u0645\u200c\u0646"},  // a joiner that Persian needs
      {"日本 é ñ", "日本 é ñ"},
  };
  for (const auto& c : cases) EXPECT_EQ(visible(c.text), c.visible);
  EXPECT_EQ(visible_flowing("a\n\t b\u2028c\x1b"), "a   b c\\x1b");
  EXPECT_EQ(visible_lines("a\n\tb\r\x1b"), "a\n\tb\\x0d\\x1b");
}

// The same for bytes of any kind: what is shown holds no control character and is UTF-8.
TEST(TerminalText, NothingGetsThrough) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string_view pieces[] = {"\x1b[", "\x9b", "\u202e", "\u2028", "a", "日", "\n", "\xf0"};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::uint64_t i = random() % 12; i > 0; --i) {
      if (random() % 2 == 0) {
        text += pieces[random() % std::size(pieces)];
      } else {
        text += static_cast<char>(random());
      }
    }
    for (const std::string& shown : {visible(text), visible_flowing(text)}) {
      EXPECT_TRUE(is_plain_text(shown)) << visible(text);
      EXPECT_EQ(shown.find_first_of("\n\t\r"), std::string::npos);
      EXPECT_EQ(shown.find("\u202e"), std::string::npos);
      EXPECT_EQ(shown.find("\u2028"), std::string::npos);
      const std::size_t width = random() % 30;
      const std::string cut = shorten(shown, width);
      EXPECT_LE(display_width(cut), width) << shown;
      EXPECT_TRUE(is_utf8(cut)) << shown;
    }
    EXPECT_TRUE(is_utf8(replace_invalid(text)));
  }
}

TEST(TerminalText, WidthsAreColumns) {
  const struct {
    const char* text;
    std::size_t width;
  } cases[] = {{"", 0},
               {"abc", 3},
               {"日本", 4},
               {"ｆｕｌｌ", 8},
               {"é", 1},
               {"e\u0301", 1},
               {"\u0645\u200c\u0646", 2},
               {"🚢", 2},
               {"\xff", 1},
               {"…", 1}};
  for (const auto& c : cases) EXPECT_EQ(display_width(c.text), c.width) << c.text;
}

TEST(TerminalText, ShortensTheMiddle) {
  const struct {
    const char* text;
    std::size_t width;
    const char* expected;
  } cases[] = {{"handbook/leave.md", 17, "handbook/leave.md"},
               {"handbook/leave.md", 10, "han…ave.md"},
               {"handbook", 2, ".."},
               {"handbook", 0, ""},
               {"日本日本日本日本", 9, "日…本日本"}};
  for (const auto& c : cases) EXPECT_EQ(shorten(c.text, c.width), c.expected) << c.text;
}

// Commands are shown to be copied.
TEST(TerminalText, QuotesForAShell) {
  const std::pair<const char*, const char*> cases[] = {{"docs/.kedge", "docs/.kedge"},
                                                       {"my docs", "'my docs'"},
                                                       {"it's", "'it'\\''s'"},
                                                       {"$(x)", "'$(x)'"},
                                                       {"", "''"},
                                                       {"日本", "日本"},
                                                       {"a\nb", "'a\\x0ab'"},
                                                       {"s3://b/p", "s3://b/p"}};
  for (const auto& [text, word] : cases) EXPECT_EQ(quote(text), word);
}

TEST(TerminalText, OnlyPlainTextGoesToATerminalAsItIs) {
  EXPECT_TRUE(is_plain_text("a line\n\tand é\r\n"));
  for (const char* text : {"\x1b[2J", "bell\x07", "\xff", "\u009b", "\x7f"}) {
    EXPECT_FALSE(is_plain_text(text)) << visible(text);
  }
}

// Columns line up by what a terminal shows, not by bytes.
TEST(Layout, TablesAlign) {
  Table table({{.title = "key", .flexible = true},
               {.title = "n", .align = Table::Align::kRight},
               {.title = ""}});
  table.add({"日本.md", "5", "ok"});
  table.add({"a.md", "1,000", ""});
  EXPECT_EQ(table.render(100),
            "key          n\n"
            "日本.md      5  ok\n"
            "a.md     1,000\n");
  EXPECT_EQ(table.render(100, "  ").substr(0, 5), "  key");
}

TEST(Layout, TheFlexibleColumnGivesWay) {
  Table table({{.title = "kind"}, {.title = "key", .flexible = true}, {.title = "what"}});
  table.add({"changed", "a/very/long/way/to/the/key-of-an-object.md", "884 bytes"});
  for (std::size_t width = 28; width < 70; ++width) {
    const std::string out = table.render(width);
    for (std::size_t at = 0; at < out.size();) {
      const std::size_t end = out.find('\n', at);
      EXPECT_LE(display_width(out.substr(at, end - at)), width);
      at = end + 1;
    }
    EXPECT_THAT(out, testing::HasSubstr("884 bytes"));
  }
  // Narrower than what must be seen: it is seen anyway.
  EXPECT_THAT(table.render(5), testing::HasSubstr("884 bytes"));
}

TEST(Layout, WrapsBetweenWords) {
  EXPECT_THAT(wrap("one two  three", 9), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap("abcdefghijkl", 8), ElementsAre("abcdefgh", "ijkl"));
  EXPECT_THAT(wrap("日本日本日本", 8), ElementsAre("日本日本", "日本"));
  EXPECT_THAT(wrap("", 20), ElementsAre());
}

// The sentence that answers is seen, marked, and within the room that there is.
TEST(Layout, ExcerptsShowTheBestPart) {
  const std::string text = "First words stand here. The pump is reset so. Last words follow it.";
  const std::pair<std::size_t, std::size_t> best = {24, 45};
  EXPECT_THAT(excerpt(text, best, 80, 3, {"«", "»"}),
              ElementsAre("First words stand here. «The pump is reset so.» Last words follow it."));
  EXPECT_THAT(excerpt(text, best, 30, 1, {"«", "»"}),
              ElementsAre("…«The pump is reset so.» Last…"));
  // The part ends where a line ends: it is closed there, once.
  EXPECT_THAT(excerpt("one two three four", {0, 7}, 14, 3, {"<", ">"}),
              ElementsAre("<one two>", "three four"));
  EXPECT_THAT(excerpt("one two three four", {4, 13}, 14, 3, {"<", ">"}),
              ElementsAre("one <two", "three> four"));
  EXPECT_THAT(excerpt(text, {500, 900}, 80, 3, {"«", "»"}),
              ElementsAre(text));  // a range of another text marks nothing
  EXPECT_THAT(excerpt("a \x1b[31m b", {2, 7}, 80, 3, {"<", ">"}), ElementsAre("a <\\x1b[31m> b"));
  EXPECT_THAT(excerpt("", {0, 0}, 80, 3, {"«", "»"}), ElementsAre());
}

TEST(Layout, ExcerptsFitAnyWidth) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string_view words[] = {"a",       "anchor", "日本語", "mooring-hook-of-length",
                                    "\x1b[0m", "\n"};
  for (int round = 0; round < 1000; ++round) {
    std::string text;
    for (std::uint64_t i = random() % 40; i > 0; --i)
      text += std::string(words[random() % std::size(words)]) + " ";
    const std::size_t begin = random() % (text.size() + 2);
    const std::size_t width = 20 + random() % 60, lines = 1 + random() % 4;
    const auto out = excerpt(text, {begin, begin + random() % 30}, width, lines, {"«", "»"});
    EXPECT_LE(out.size(), lines);
    std::string all;
    for (const std::string& line : out) {
      EXPECT_LE(display_width(line), width) << line;
      all += line + "\n";
    }
    // At most one part is marked, and what is opened is closed.
    const std::size_t open = all.find("«"), close = all.find("»");
    EXPECT_EQ(open == std::string::npos, close == std::string::npos) << all;
    EXPECT_EQ(open, all.rfind("«")) << all;
    EXPECT_EQ(close, all.rfind("»")) << all;
  }
}

// A bill is shown only where somebody gets one, and never as more than it is: about.
TEST(Layout, UsageIsShownWhereItCosts) {
  StoreUsage index, source;
  index.reads = 2;
  EXPECT_EQ(usage_line("requests", index, source), "");
  index.billed = true;
  index.swaps = 1;
  index.creates = 2;
  source.lists = 1234;
  index.cost_usd = 0.0000158;
  source.cost_usd = 0.00617;
  EXPECT_EQ(usage_line("requests", index, source),
            "requests: 2 GET, 1,234 LIST, 3 PUT; about 0.0062 USD\n");
  source.hedges = 3;
  EXPECT_EQ(usage_line("requests", index, source),
            "requests: 2 GET, 1,234 LIST, 3 PUT, 3 sent twice; about 0.0062 USD\n");
  EXPECT_EQ(usage_line("x", StoreUsage{.billed = true}, {}), "x: none; about 0.00 USD\n");
}

}  // namespace
}  // namespace kedge::cli
