// The rules of a docs page, each broken on its own.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

class DocsPage : public testing::Test {
 protected:
  DocsPage() {
    const auto built = test::build(test::small_objects(), test::kSmallDimension);
    directory_ = SegmentDirectory::parse(test::plane_bytes(built, Plane::kDirectory)).value();
    const ByteView bytes = test::page_bytes(built, directory_.docs[0]);
    page_.assign(bytes.begin(), bytes.end());
    entries_ = parse_docs_page(page_, 0, directory_).value();
  }
  Status parse(ByteView bytes) const {
    const auto parsed = parse_docs_page(bytes, 0, directory_);
    return parsed.ok() ? Status() : Status(parsed.error());
  }
  // The page of changed entries, with the directory they belong to.
  void expect_refused(const std::vector<DocsEntry>& entries, std::string_view message) {
    test::expect_corrupt(parse(encode_docs_page(0, entries)), message);
  }

  SegmentDirectory directory_;
  Bytes page_;
  std::vector<DocsEntry> entries_;
};

constexpr std::size_t kRecipes = 24 + 8 * 4;
constexpr std::size_t kStrings = kRecipes + 2 * 16;

TEST_F(DocsPage, RefusesEachBrokenRuleOfItsTables) {
  const auto first_entry = std::to_integer<std::uint64_t>(page_[24]);
  test::expect_each_refused(page_,
                            {{0, 'X', 1, "wrong magic at offset 0"},
                             {4, 1, 2, "version 1 is not known"},
                             {6, 1, 2, "reserved bytes are not zero at offset 6"},
                             {8, 4, 4, "bad number of objects at offset 8"},
                             {12, 1, 4, "bad number of the first object at offset 12"},
                             {12, 128, 4, "bad number of the first object at offset 12"},
                             {16, 4, 4, "more table entries than objects could use"},
                             {20, 7, 4, "more table entries than objects could use"},
                             {20, 4, 4, "names a string or recipe that is not there"},
                             {24, first_entry - 1, 4, "bad offset of an entry"},
                             {24, 0, 4, "bad offset of an entry at offset 24"},
                             {28, 1, 4, "the first entry is not at its place"},
                             {32, 9, 4, "bad offset of an entry"},
                             {32, 0x7FFF'FFFF, 4, "bad offset of an entry"},
                             {36, 4, 4, "bad chunk range of an entry"},
                             {24 + 8 * 3 + 4, 4, 4, "bad chunk range of an entry"},
                             {kRecipes, 0xFF, 1, "recipes are not increasing"},
                             {kStrings + 1, 0, 1, "strings are not increasing"},
                             {page_.size() - 1, 1, 1, "padding is not zero"}},
                            [&](ByteView bytes) { return parse(bytes); });
}

TEST_F(DocsPage, RefusesEachBrokenRuleOfAnEntry) {
  const struct {
    std::string_view message;
    std::function<void(ObjectRow&)> change;
  } cases[] = {
      {"empty key", [](ObjectRow& r) { r.key.clear(); }},
      {"cut short or a field is over", [](ObjectRow& r) { r.key.assign(kMaxObjectKey + 1, 'k'); }},
      {"cut short or a field is over", [](ObjectRow& r) { r.tag.assign(kMaxField + 1, 't'); }},
      {"cut short or a field is over",
       [](ObjectRow& r) { r.version_id.assign(kMaxField + 1, 'v'); }},
      {"cut short or a field is over", [](ObjectRow& r) { r.title.assign(kMaxField + 1, 't'); }},
      {"cut short or a field is over", [](ObjectRow& r) { r.reason.assign(kMaxField + 1, 'r'); }},
      {"string is cut short or too long",
       [](ObjectRow& r) { r.media_type.assign(kMaxField + 1, 'm'); }},
      {"unknown status", [](ObjectRow& r) { r.status = static_cast<ObjectStatus>(0); }},
      {"unknown status", [](ObjectRow& r) { r.status = static_cast<ObjectStatus>(6); }},
      {"unknown flags", [](ObjectRow& r) { r.status = static_cast<ObjectStatus>(0x21); }},
      {"names of metadata are not increasing",
       [](ObjectRow& r) {
         r.metadata = {{"b", ""}, {"a", ""}};
       }},
      {"names of metadata are not increasing",
       [](ObjectRow& r) {
         r.metadata = {{"a", "1"}, {"a", "2"}};
       }},
      {"cut short or a field is over",
       [](ObjectRow& r) {
         r.metadata = {{"a", std::string(kMaxField + 1, 'x')}};
       }},
      {"cut short or a field is over",
       [](ObjectRow& r) {
         r.metadata = {{"a", MetadataList(kMaxMetadataList + 1, true)}};
       }},
      {"metadata is over its limit",
       [](ObjectRow& r) {
         const MetadataList list(17, std::string(kMaxMetadataText, 'x'));
         r.metadata = {{"a", list}};
       }},
      {"not finite, or is -0",
       [](ObjectRow& r) {
         r.metadata = {{"a", std::numeric_limits<double>::infinity()}};
       }},
      {"not finite, or is -0",
       [](ObjectRow& r) {
         r.metadata = {{"a", MetadataList{std::nan("")}}};
       }},
      {"cut short or a field is over", [](ObjectRow& r) {
         for (std::size_t i = 0; i <= kMaxMetadata; ++i)
           r.metadata.emplace_back(std::string(i + 1, 'n'), "");
       }}};
  for (const auto& [message, change] : cases) {
    SCOPED_TRACE(message);
    auto entries = entries_;
    change(entries[1].row);
    expect_refused(entries, message);
  }
}

// The kinds of values, and the one encoding of each.
TEST_F(DocsPage, RefusesEachBrokenRuleOfMetadata) {
  auto entries = entries_;
  entries[0].row.metadata = {{"marker", MetadataList{true, 1.0}}};
  const Bytes good = encode_docs_page(0, entries);
  const std::string_view marker = "marker";
  const auto at = static_cast<std::size_t>(
      std::search(good.begin(), good.end(), as_bytes(marker).begin(), as_bytes(marker).end()) -
      good.begin() + static_cast<std::ptrdiff_t>(marker.size()));
  ASSERT_LT(at, good.size());
  test::expect_each_refused(good,
                            {{at, 0, 1, "unknown kind of metadata"},
                             {at, 5, 1, "unknown kind of metadata"},
                             {at + 2, 4, 1, "unknown kind of metadata"},
                             {at + 3, 2, 1, "a boolean of metadata is neither 0 nor 1"},
                             {at + 5, 1ULL << 63, 8, "not finite, or is -0"},
                             {at + 5, 0x7FF8ULL << 48, 8, "not finite, or is -0"}},
                            [&](ByteView bytes) { return parse(bytes); });
  entries[0].row.metadata = {{"a", -0.0}};
  const auto parsed = parse_docs_page(encode_docs_page(0, entries), 0, directory_);
  ASSERT_TRUE(parsed.ok());
  EXPECT_FALSE(std::signbit(std::get<double>((*parsed)[0].row.metadata[0].second)));
}

TEST_F(DocsPage, RefusesWhatOnlyTheWholePageShows) {
  auto swapped = entries_;
  std::swap(swapped[1].row, swapped[2].row);
  expect_refused(swapped, "keys are not increasing");
  auto twice = entries_;
  twice[1].row.key = twice[0].row.key;
  expect_refused(twice, "keys are not increasing");
  auto renamed = entries_;
  renamed[0].row.key = "a";
  expect_refused(renamed, "first key differs from the directory's");
  auto fewer = entries_;
  fewer[2].chunk_count = 0;
  expect_refused(fewer, "number of chunks differs from the directory's");
  auto more = entries_;
  more[2].chunk_count = 2;
  expect_refused(more, "bad chunk range of an entry");
  test::expect_corrupt(
      [&] {
        const auto parsed = parse_docs_page(page_, 128, directory_);
        return parsed.ok() ? Status() : Status(parsed.error());
      }(),
      "another page than was asked for");
}

// A flagged hash of zeros, a byte behind an entry, a table entry that nothing names.
TEST_F(DocsPage, RefusesASecondEncodingOfTheSameValue) {
  Bytes bad = page_;
  const auto hash = std::search(bad.begin(), bad.end(), entries_[0].row.content_hash.begin(),
                                entries_[0].row.content_hash.end());
  ASSERT_NE(hash, bad.end());
  std::fill_n(hash, 32, std::byte{0});
  test::expect_corrupt(parse(bad), "flagged content hash is zero");
  auto entries = entries_;
  entries.back().row.recipe = test::number_id(0x77);
  Bytes unused = encode_docs_page(0, entries);
  // The last entry's recipe number, 1, becomes 0: recipe 1 is then unused.
  const auto last_hash =
      std::search(unused.begin(), unused.end(), entries_[2].row.content_hash.begin(),
                  entries_[2].row.content_hash.end());
  ASSERT_NE(last_hash, unused.end());
  ASSERT_EQ(last_hash[32], std::byte{1});
  last_hash[32] = std::byte{0};
  test::expect_corrupt(parse(unused), "a string or recipe that no entry names");
  last_hash[32] = std::byte{2};
  test::expect_corrupt(parse(unused), "names a string or recipe that is not there");
}

TEST_F(DocsPage, StandsHostileBytes) {
  test::expect_hostile_safe(page_, 11, [&](ByteView bytes) {
    for (std::uint32_t i = 0; i < 4; ++i) (void)parse_docs_entry(bytes, i, directory_);
    return parse(bytes);
  });
}

}  // namespace
}  // namespace kedge
