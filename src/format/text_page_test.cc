// The rules of a text page, each broken on its own.
#include <gtest/gtest.h>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

class TextPage : public testing::Test {
 protected:
  TextPage() {
    const auto built = test::build(test::small_objects(), test::kSmallDimension);
    directory_ = SegmentDirectory::parse(test::plane_bytes(built, Plane::kDirectory)).value();
    const ByteView bytes = test::page_bytes(built, directory_.text[0]);
    page_.assign(bytes.begin(), bytes.end());
    entries_ = parse_text_page(page_, 0, directory_).value();
  }
  Status parse(ByteView bytes, std::uint32_t first = 0) const {
    const auto parsed = parse_text_page(bytes, first, directory_);
    return parsed.ok() ? Status() : Status(parsed.error());
  }

  SegmentDirectory directory_;
  Bytes page_;
  std::vector<TextEntry> entries_;
};

TEST_F(TextPage, RefusesEachBrokenRule) {
  // Contexts: an empty one, then one of ten bytes at 25.
  test::expect_each_refused(page_,
                            {{0, 'X', 1, "wrong magic"},
                             {4, 0, 2, "version 0 is not known"},
                             {6, 1, 2, "reserved bytes are not zero at offset 6"},
                             {8, 2, 4, "bad number of chunks"},
                             {12, 256, 4, "another page than was asked for"},
                             {16, 4, 4, "more contexts than chunks"},
                             {20, 1, 4, "reserved bytes are not zero at offset 20"},
                             {25, 0, 1, "strings are not increasing"},
                             {25, 0xFF, 1, "string is cut short or too long"},
                             {page_.size() - 1, 1, 1, "padding is not zero"}},
                            [&](ByteView bytes) { return parse(bytes); });
  test::expect_corrupt(parse(page_, 256), "another page than was asked for");
}

TEST_F(TextPage, RefusesEachBrokenRuleOfAnEntry) {
  const struct {
    std::string_view message;
    std::function<void(TextEntry&)> change;
  } cases[] = {
      // Written modulo 2^64, such a length passes the end of what can be numbered.
      {"a range is out of range", [](TextEntry& e) { e.chunk.end = e.chunk.begin - 1; }},
      {"a range is out of range", [](TextEntry& e) { e.chunk.line_last = e.chunk.line_first - 1; }},
      {"a range is out of range", [](TextEntry& e) { e.chunk.row_last = e.chunk.row_first - 1; }},
      {"string is cut short or too long",
       [](TextEntry& e) { e.chunk.context.assign(kMaxField + 1, 'c'); }},
      {"row differs from the chunk number", [](TextEntry& e) { e.row = 0; }}};
  for (const auto& [message, change] : cases) {
    SCOPED_TRACE(message);
    auto entries = entries_;
    change(entries[2]);
    test::expect_corrupt(parse(encode_text_page(0, entries)), message);
  }
  Bytes bad = page_;
  // The context of the last entry, named before its row and hashes.
  const auto& hash = entries_[2].chunk.chunk_hash.bytes;
  const auto last = std::find_end(bad.begin(), bad.end(), hash.begin(), hash.end());
  ASSERT_NE(last, bad.end());
  ASSERT_EQ(last[-2], std::byte{1});
  last[-2] = std::byte{0};
  test::expect_corrupt(parse(bad), "a context that no entry names");
  last[-2] = std::byte{2};
  test::expect_corrupt(parse(bad), "names a context that is not there");
}

// Of the lists of a tree, a row may lie anywhere in the segment, and nowhere else.
TEST_F(TextPage, TakesRowsOfListsInAnyOrder) {
  directory_.lists.resize(2);
  EXPECT_EQ(parse(page_).ok(), true);
  auto entries = entries_;
  std::swap(entries[0].row, entries[2].row);
  const Bytes swapped = encode_text_page(0, entries);
  const auto read = parse_text_page(swapped, 0, directory_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ((*read)[0].row, 2U);
  EXPECT_EQ((*read)[1].row, 1U);
  EXPECT_EQ((*read)[2].row, 0U);
  for (const std::uint32_t row : {3U, kMaxSegmentRows, ~std::uint32_t{0}}) {
    entries[1].row = row;
    test::expect_corrupt(parse(encode_text_page(0, entries)), "row is out of range");
  }
  // The difference as such: a byte before the hashes, of chunk 0 less one.
  const auto& hash = entries_[0].chunk.chunk_hash.bytes;
  const auto at = std::search(page_.begin(), page_.end(), hash.begin(), hash.end());
  ASSERT_NE(at, page_.end());
  ASSERT_EQ(at[-1], std::byte{0});
  at[-1] = std::byte{1};
  test::expect_corrupt(parse(page_), "row is out of range");
}

TEST_F(TextPage, StandsHostileBytes) {
  test::expect_hostile_safe(page_, 12, [&](ByteView bytes) { return parse(bytes); });
}

}  // namespace
}  // namespace kedge
