// The attributes plane: that it holds what the rows hold, that a range is found where it lies, and
// its rules, each broken on its own.
#include "format/attributes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "format/attributes_key.h"
#include "format/format_test_data.h"
#include "format/hostile_test.h"
#include "format/page.h"

namespace kedge {
namespace {

SegmentDirectory directory_of(std::uint32_t objects, const AttributesBuilder::Plane& plane) {
  SegmentDirectory directory;
  directory.objects = objects;
  directory.first_key_of_attributes_page = plane.first_keys;
  return directory;
}

Result<std::vector<AttributeEntry>> read_page(ByteView bytes, std::uint32_t number,
                                              const SegmentDirectory& directory) {
  AttributesPage page = KEDGE_TRY(AttributesPage::open(bytes, number, directory));
  std::vector<AttributeEntry> out;
  while (KEDGE_TRY(page.next())) out.push_back(page.entry());
  return out;
}

AttributesBuilder::Plane build_plane(const std::vector<ObjectRow>& rows) {
  AttributesBuilder builder;
  for (std::uint32_t i = 0; i < rows.size(); ++i) builder.add(i, rows[i]);
  return std::move(builder).finish();
}

// The plane by its definition: every key with the objects that have it.
std::map<std::string, std::set<std::uint32_t>> plain_plane(const std::vector<ObjectRow>& rows) {
  std::map<std::string, std::set<std::uint32_t>> out;
  for (std::uint32_t i = 0; i < rows.size(); ++i) {
    const auto add = [&](const std::string& attribute, const MetadataValue& value) {
      out[presence_key(attribute)].insert(i);
      for (const MetadataScalar& scalar : scalars_of(value)) {
        if (const auto* number = std::get_if<double>(&scalar))
          out[number_key(attribute, *number)].insert(i);
        if (const auto* boolean = std::get_if<bool>(&scalar))
          out[boolean_key(attribute, *boolean)].insert(i);
        const auto* text = std::get_if<std::string>(&scalar);
        if (text == nullptr) continue;
        out[text_key(attribute, *text)].insert(i);
        if (const auto number = number_spelled(*text))
          out[number_key(attribute, *number)].insert(i);
        if (const auto boolean = boolean_spelled(*text))
          out[boolean_key(attribute, *boolean)].insert(i);
      }
    };
    const auto own = [](std::string_view name) {
      return attribute_key(AttributeScope::kOwn, name);
    };
    const ObjectRow& row = rows[i];
    add(own("size"), static_cast<double>(row.size));
    if (!row.media_type.empty()) add(own("media_type"), row.media_type);
    if (row.last_modified.micros != 0)
      add(own("modified"), static_cast<double>(row.last_modified.micros));
    for (const auto& [name, value] : row.metadata)
      add(attribute_key(AttributeScope::kMetadata, name), value);
  }
  return out;
}

std::vector<ObjectRow> random_rows(Random& random, std::size_t count) {
  std::vector<ObjectRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows.push_back(test::random_row(random, 1, str_cat(i)));
    // Values that many have, that agree beyond what the directory keeps of a key, and their own.
    const std::string_view shared = random.below(2) == 0 ? "yes" : "no";
    rows.back().metadata = {
        {"a", std::string(shared)},
        {"id", str_cat(std::string(70, 'i'), Id128::random(random).hex())},
        {"n", MetadataList{static_cast<double>(random.below(50)), str_cat(i % 7)}}};
    if (i % 3 == 0) rows.back().metadata.pop_back();
    if (i % 5 == 0) rows.back().metadata.push_back({"z", MetadataList{}});
  }
  return rows;
}

TEST(AttributesPlane, HoldsWhatTheRowsHold) {
  for (const std::size_t count : {1U, 2U, 130U, 3000U}) {
    SeededRandom random(count);
    const std::vector<ObjectRow> rows = random_rows(random, count);
    const AttributesBuilder::Plane plane = build_plane(rows);
    const SegmentDirectory directory = directory_of(static_cast<std::uint32_t>(count), plane);
    auto expected = plain_plane(rows);
    std::string before;
    for (std::uint32_t p = 0; p < plane.pages.size(); ++p) {
      EXPECT_EQ(plane.pages[p].size() % kPageAlignment, 0U);
      const auto entries = read_page(plane.pages[p], p, directory);
      ASSERT_TRUE(entries.ok()) << entries.error().message;
      EXPECT_EQ(encode_attributes_page(p, *entries), plane.pages[p]);
      for (const AttributeEntry& entry : *entries) {
        EXPECT_LT(before, entry.key);
        before = entry.key;
        ObjectBitmap objects(directory.objects);
        for (const ObjectRun& run : entry.objects) objects.add(run);
        ObjectBitmap wanted(directory.objects);
        ASSERT_TRUE(expected.contains(entry.key));
        for (const std::uint32_t object : expected[entry.key]) wanted.add({object, object + 1});
        EXPECT_EQ(objects, wanted);
        expected.erase(entry.key);
      }
    }
    EXPECT_TRUE(expected.empty()) << expected.size() << " keys are missing";
    EXPECT_EQ(plane.pages.size() > 3, count == 3000U);
  }
}

// Whatever is asked for, the pages named hold all of it, and few others are read.
TEST(AttributesPlane, FindsThePagesOfARange) {
  SeededRandom random(3);
  const std::vector<ObjectRow> rows = random_rows(random, 4000);
  const AttributesBuilder::Plane plane = build_plane(rows);
  const SegmentDirectory directory = directory_of(4000, plane);
  std::vector<std::string> keys;
  std::vector<std::size_t> page_of;
  for (std::uint32_t p = 0; p < plane.pages.size(); ++p) {
    auto entries = read_page(plane.pages[p], p, directory).value();
    for (AttributeEntry& entry : entries) {
      keys.push_back(std::move(entry.key));
      page_of.push_back(p);
    }
  }
  for (int i = 0; i < 2000; ++i) {
    std::size_t first = random.below(keys.size());
    std::size_t last = random.below(4) == 0 ? first : random.below(keys.size());
    if (last < first) std::swap(first, last);
    AttributeRange range{keys[first], only(keys[last]).end};
    if (random.below(3) == 0) range.begin.pop_back();
    if (random.below(3) == 0) range.end = keys[last];
    const auto [begin, end] = attributes_pages_of(directory, range);
    for (std::size_t k = 0; k < keys.size(); ++k) {
      const bool inside = range.begin <= keys[k] && keys[k] < range.end;
      const bool read = begin <= page_of[k] && page_of[k] < end;
      ASSERT_TRUE(read || !inside) << "key " << k << " of range " << first << " to " << last;
    }
  }
  const auto of_presence = attributes_pages_of(
      directory, only(presence_key(attribute_key(AttributeScope::kMetadata, "a"))));
  EXPECT_LE(of_presence.second - of_presence.first, 2U);
}

TEST(AttributesPlane, KeysAreInTheOrderOfValues) {
  const double numbers[] = {-std::numeric_limits<double>::max(),       -1e300, -2,  -1, -1e-300, 0,
                            std::numeric_limits<double>::denorm_min(), 1,      1.5, 2,  1e300};
  for (std::size_t i = 1; i < std::size(numbers); ++i)
    EXPECT_LT(number_key("a", numbers[i - 1]), number_key("a", numbers[i]));
  EXPECT_EQ(number_key("a", 0.0), number_key("a", -0.0));
  // No name's keys lie among those of another.
  const std::string names[] = {
      "",   "a",   std::string("a\0", 2), std::string("a\0\1", 3), std::string("a\0\xFF", 3), "a\1",
      "aa", "\xFF"};
  for (const std::string& name : names) {
    const std::string attribute = attribute_key(AttributeScope::kMetadata, name);
    EXPECT_FALSE(broken_key_rule(text_key(attribute, "x")).has_value());
    for (const std::string& other : names) {
      const std::string key = attribute_key(AttributeScope::kMetadata, other);
      EXPECT_TRUE(name == other || !key.starts_with(attribute));
    }
  }
}

TEST(ObjectBitmap, IsASetOfObjects) {
  SeededRandom random(5);
  for (const std::uint32_t size : {1U, 63U, 64U, 65U, 1000U}) {
    ObjectBitmap bitmap(size);
    std::set<std::uint32_t> plain;
    for (int i = 0; i < 6; ++i) {
      const auto begin = static_cast<std::uint32_t>(random.below(size));
      const auto end = begin + 1 + static_cast<std::uint32_t>(random.below(size - begin));
      bitmap.add({begin, end});
      for (std::uint32_t o = begin; o < end; ++o) plain.insert(o);
      std::set<std::uint32_t> of_runs;
      for (const ObjectRun& run : bitmap.runs()) {
        for (std::uint32_t o = run.begin; o < run.end; ++o) of_runs.insert(o);
        EXPECT_TRUE(run.end == size || !bitmap.test(run.end));
      }
      EXPECT_EQ(of_runs, plain);
      EXPECT_EQ(bitmap.count(), plain.size());
      ObjectBitmap other = bitmap;
      other.invert();
      EXPECT_EQ(other.count(), size - plain.size());
      other.unite(bitmap);
      EXPECT_EQ(other, ObjectBitmap(size, true));
      other.intersect(bitmap);
      EXPECT_EQ(other, bitmap);
    }
  }
}

// A page by hand: its entries are what the test says.
class AttributesPageRules : public testing::Test {
 protected:
  static std::string key(std::string_view name, std::string_view value) {
    return text_key(attribute_key(AttributeScope::kMetadata, name), value);
  }
  Status parse(ByteView bytes, std::uint32_t objects = 100) const {
    SegmentDirectory directory;
    directory.objects = objects;
    directory.first_key_of_attributes_page = {first_key_};
    const auto entries = read_page(bytes, 0, directory);
    return entries.ok() ? Status() : Status(entries.error());
  }
  std::string first_key_ = key("a", "x");
};

TEST_F(AttributesPageRules, AreEachRefused) {
  const std::vector<AttributeEntry> entries = {
      {key("a", "x"), {{0, 1}, {50, 53}}},
      {key("a", "xy"), {{0, 2}, {3, 4}, {6, 7}, {9, 10}, {12, 13}, {15, 16}, {18, 19}}}};
  const Bytes good = encode_attributes_page(0, entries);
  // Entry 0: shared, size, key of 6 bytes, 4, (0, 0), (49, 2).
  constexpr std::size_t kKey = 18;
  constexpr std::size_t kRuns = kKey + 6;
  // Entry 1: shared 6, size 1, 'y', 2 * 3 + 1, first byte 0, three bytes.
  constexpr std::size_t kSecond = kRuns + 5;
  ASSERT_EQ(std::to_integer<int>(good[kSecond]), 6);
  ASSERT_EQ(std::to_integer<int>(good[kSecond + 3]), 7);
  test::expect_each_refused(
      good,
      {{0, 'X', 1, "wrong magic"},
       {4, 9, 2, "version 9 is not known"},
       {6, 1, 2, "reserved bytes are not zero at offset 6"},
       {8, 0, 4, "no entries at offset 8"},
       {8, 3, 4, "key shares another number of bytes with the one before"},
       {8, 1, 4, "padding is not zero"},
       {12, 1, 4, "another page than was asked for at offset 12"},
       {16, 1, 1, "key is cut short or too long at offset 16"},
       {17, 0x7F, 1, "key is cut short or too long at offset 16"},
       {kKey, 2, 1, "unknown scope of a key"},
       {kKey + 2, 'b', 1, "name of a key does not end"},
       {kKey + 3, 2, 1, "bad byte behind a zero in the name of a key"},
       {kKey + 4, 4, 1, "bad value of a key, or an unknown kind"},
       {kKey + 4, 2, 1, "bad value of a key, or an unknown kind"},
       {kKey + 4, 1, 1, "bad value of a key, or an unknown kind"},
       {kKey + 4, 0, 1, "bad value of a key, or an unknown kind"},
       {kKey + 5, 'w', 1, "first key differs from the directory's at offset 16"},
       {kRuns, 0, 1, "objects are cut short, or none"},
       {kRuns + 1, 100, 1, "objects are cut short or out of range"},
       {kRuns + 3, 0, 1, "runs of objects have no gap between them"},
       {kRuns + 4, 95, 1, "objects are cut short or out of range"},
       {kSecond, 0x780105, 3, "key shares another number of bytes with the one before"},
       {kSecond, 0x770105, 3, "keys are not increasing"},
       {kSecond + 4, 13, 1, "objects are cut short or out of range"},
       {kSecond + 5, 0, 1, "bits begin or end with a byte of zeros"},
       {kSecond + 7, 0, 1, "bits begin or end with a byte of zeros"},
       {kSecond + 5, 0x010001, 3, "objects are not in the shorter form"},
       {good.size() - 1, 1, 1, "padding is not zero"}},
      [&](ByteView bytes) { return parse(bytes); });
}

TEST_F(AttributesPageRules, AreOfKeysToo) {
  const auto expect = [&](const std::vector<AttributeEntry>& entries, std::string_view message) {
    first_key_ = entries[0].key.substr(0, kMaxBound);
    test::expect_corrupt(parse(encode_attributes_page(0, entries)), message);
  };
  const std::vector<ObjectRun> one = {{0, 1}};
  expect({{key("b", ""), one}, {key("a", ""), one}}, "keys are not increasing");
  expect({{key("a", ""), one}, {key("a", ""), one}}, "keys are not increasing");
  expect({{key(std::string(kMaxMetadataText + 1, 'n'), ""), one}}, "name of a key is too long");
  expect({{key("a", std::string(kMaxMetadataText + 1, 'v')), one}}, "bad value of a key");
  const std::string attribute = attribute_key(AttributeScope::kOwn, "size");
  expect({{attribute, one}}, "key without a kind");
  for (const double number : {std::numeric_limits<double>::infinity(), std::nan("")})
    expect({{number_key(attribute, number), one}}, "bad value of a key");
  expect({{key_of_bits(attribute, ~(std::uint64_t{1} << 63)), one}}, "bad value of a key");
  expect({{std::string("\2", 1), one}}, "unknown scope of a key");
  expect({{"", one}}, "unknown scope of a key");
  // Names and texts at their limits are accepted.
  const std::string zeros(kMaxMetadataText, '\0');
  first_key_ = key(zeros, zeros).substr(0, kMaxBound);
  const Status longest =
      parse(encode_attributes_page(0, std::vector<AttributeEntry>{{key(zeros, zeros), one}}));
  EXPECT_TRUE(longest.ok()) << longest.error().message;
}

TEST_F(AttributesPageRules, StandHostileBytes) {
  SeededRandom random(9);
  const std::vector<ObjectRow> rows = random_rows(random, 200);
  const AttributesBuilder::Plane plane = build_plane(rows);
  first_key_ = plane.first_keys[0];
  // Cut at every length, so not too long a page.
  SegmentDirectory directory = directory_of(200, plane);
  std::vector<AttributeEntry> entries = read_page(plane.pages[0], 0, directory).value();
  entries.resize(60);
  test::expect_hostile_safe(encode_attributes_page(0, entries), 21,
                            [&](ByteView bytes) { return parse(bytes, 200); });
}

}  // namespace
}  // namespace kedge
