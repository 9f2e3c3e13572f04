// The rules of the tokenizer on a vocabulary small enough to see why. That a real model's ids are
// those of the reference is tests/embed/test_tokenizer_parity.py.
#include "embed/wordpiece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kedge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The ids are the line numbers: 0 [PAD], 1 [UNK], 2 [CLS], 3 [SEP], 4 [MASK], 5 un, 6 ##aff, ...
constexpr std::string_view kVocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\nunaffected\ne\n##e\n.\n\xE6\x97\xA5\n"
    "i\n##\xCC\x87\n\xC3\xA9\n";

WordPiece small(WordPieceOptions options = {}) {
  return std::move(WordPiece::make(std::string(kVocabulary), options)).value();
}

std::vector<std::int32_t> ids(std::string_view text, std::size_t max_tokens = 64,
                              WordPieceOptions options = {}) {
  return std::move(small(options).encode(text, max_tokens)).value();
}

TEST(WordPiece, CutsWordsIntoTheLongestPieces) {
  const struct {
    const char* why;
    std::string_view text;
    std::vector<std::int32_t> expected;
  } cases[] = {
      {"nothing", "", {2, 3}},
      {"pieces", "unaffable", {2, 5, 6, 7, 3}},
      {"the longest first", "unaffected", {2, 8, 3}},
      {"one bad place spoils the word", "unaffz", {2, 1, 3}},
      {"case and accents", "\xC3\x89", {2, 9, 3}},
      {"punctuation stands alone", "un.un", {2, 5, 11, 5, 3}},
      {"ideographs stand alone",
       "e\xE6\x97\xA5"
       "e",
       {2, 9, 12, 9, 3}},
      {"all white space splits",
       "un\xE3\x80\x80"
       "e\t e",
       {2, 5, 9, 9, 3}},
      {"controls vanish",
       std::string_view("u\0n\v \xE2\x80\x8B\xEF\xBF\xBD"
                        "e",
                        12),
       {2, 5, 9, 3}},
      {"special tokens are found in the text", "e[SEP]e[MASK][unk]", {2, 9, 3, 9, 4, 1, 1, 1, 3}},
      {"a dotted capital I", "\xC4\xB0", {2, 13, 3}},
  };
  for (const auto& c : cases) EXPECT_EQ(ids(c.text), c.expected) << c.why;
}

TEST(WordPiece, KeepsCaseAndAccentsWhenTold) {
  const WordPieceOptions cased = {.lower_case = false, .strip_accents = false};
  EXPECT_THAT(ids("\xC3\xA9 E e", 64, cased), ElementsAre(2, 15, 1, 9, 3));
  const WordPieceOptions lower = {.lower_case = true, .strip_accents = false};
  EXPECT_THAT(ids("\xC3\x89 \xC4\xB0", 64, lower), ElementsAre(2, 15, 13, 14, 3));
}

TEST(WordPiece, AWordOverTheLimitIsUnknown) {
  const std::string longest(WordPiece::kMaxWordCharacters, 'e');
  EXPECT_EQ(small().count(longest), WordPiece::kMaxWordCharacters);
  EXPECT_EQ(small().count(longest + "e"), 1U);
  EXPECT_EQ(small().count(longest + "e un"), 2U);
}

TEST(WordPiece, CutsAtTheLimitAndCountsAll) {
  EXPECT_THAT(ids("un e e", 2), ElementsAre(2, 3));
  EXPECT_THAT(ids("unaffable", 4), ElementsAre(2, 5, 6, 3));
  EXPECT_EQ(small().count("unaffable e [SEP]"), 5U);
}

TEST(WordPiece, RefusesWhatIsNotUtf8AtItsOffset) {
  const struct {
    std::string_view text;
    const char* offset;
  } cases[] = {{"un \xFF", "byte 3"},
               {"\xC0\x80", "byte 0"},            // overlong
               {"e\xED\xA0\x80", "byte 1"},       // a surrogate
               {"ee\xF4\x90\x80\x80", "byte 2"},  // over U+10FFFF
               {"12345678e\xE6\x97", "byte 9"},   // cut short
               {"e\xE6\x97"
                "e",
                "byte 1"},
               // Past the cut too: whether a text is refused must not depend on its tokens.
               {"e e e e e e e e e e \x80", "byte 20"}};
  for (const auto& c : cases) {
    const auto result = small().encode(c.text, 4);
    ASSERT_FALSE(result.ok()) << c.offset;
    EXPECT_EQ(result.code(), Code::kInvalid);
    EXPECT_THAT(result.error().message, HasSubstr(c.offset));
  }
  EXPECT_EQ(small().count("un \xFF\xFE e"), 2U);
}

TEST(WordPiece, RefusesABrokenVocabulary) {
  const struct {
    std::string text;
    const char* message;
  } cases[] = {{"", "no token [PAD]"},
               {"[PAD]\n[UNK]\n[CLS]\n", "no token [SEP]"},
               {"[PAD]\n\xFF\n", "not UTF-8 at byte 6"},
               {"[PAD]\n" + std::string(WordPiece::kMaxTokenBytes + 1, 'x'), "line 2 is too long"},
               {std::string(WordPiece::kMaxTokens, '\n'), "tokens"}};
  for (const auto& c : cases) {
    const auto result = WordPiece::make(c.text, {});
    ASSERT_FALSE(result.ok()) << c.message;
    EXPECT_EQ(result.code(), Code::kCorrupt);
    EXPECT_THAT(result.error().message, HasSubstr(c.message));
  }
}

TEST(WordPiece, ReadsLinesAsTheReferenceDoes) {
  const auto made = WordPiece::make("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\ne\r\ne", {});
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->size(), 6U);
  EXPECT_THAT(made->encode("e", 8).value(), ElementsAre(2, 5, 3));  // of equal lines the last
}

// A word, a run of marks and a text of special tokens, each a megabyte: what is not linear in one
// of them does not end.
TEST(WordPiece, HugeWordsAndRunsEnd) {
  const std::size_t million = 1'000'000;
  EXPECT_EQ(small().count(std::string(million, 'e')), 1U);
  std::string marks = "e";
  // Both have a combining class and are not stripped, so they are sorted.
  while (marks.size() < million) marks += "\xF0\x9D\x85\xA5\xE3\x80\xAE";
  EXPECT_EQ(small().count(marks), 1U);
  std::string special;
  while (special.size() < million) special += "[MASK";
  EXPECT_EQ(small().count(special), 2 * special.size() / 5);
}

}  // namespace
}  // namespace kedge
