#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"
#include "format/format_test_data.h"
#include "format/hostile_test.h"
#include "format/segment.h"

namespace kedge {
namespace {

std::vector<std::uint32_t> random_numbers(Random& random, std::size_t count, std::uint32_t limit) {
  std::set<std::uint32_t> numbers;
  while (numbers.size() < count) numbers.insert(static_cast<std::uint32_t>(random.below(limit)));
  return {numbers.begin(), numbers.end()};
}

// Arrays, bitsets and runs, in few containers and in many: every layout of the bitmap.
TEST(DelFile, ReadsBackEveryKindOfBitmap) {
  SeededRandom random(3);
  std::vector<std::vector<std::uint32_t>> cases = {{0},
                                                   {kMaxSegmentObjects - 1},
                                                   random_numbers(random, 4096, 65'536),
                                                   random_numbers(random, 5000, 65'536),
                                                   random_numbers(random, 40'000, 65'536),
                                                   random_numbers(random, 2000, kMaxSegmentObjects),
                                                   random_numbers(random, 100, 3 * 65'536)};
  std::vector<std::uint32_t> runs;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    if (i % 1000 != 7) runs.push_back(i);
  }
  cases.push_back(runs);
  runs.resize(1000);
  cases.push_back(runs);
  std::vector<std::uint32_t> mixed = cases[4];
  for (const std::uint32_t number : cases[2]) mixed.push_back(number + 65'536);
  for (std::uint32_t i = 0; i < 65'536; ++i) mixed.push_back(i + 3 * 65'536);
  for (std::uint32_t i = 0; i < 300; ++i) mixed.push_back(i * 3 + 9 * 65'536);
  cases.push_back(mixed);
  const Id128 segment = test::number_id(9);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(str_cat("case ", i));
    const Bytes file = encode_del_file(segment, cases[i]);
    const auto read = parse_del_file(file, segment, cases[i].back() + 1);
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, cases[i]);
    const auto small = parse_del_file(file, segment, cases[i].back());
    ASSERT_FALSE(small.ok());
    EXPECT_EQ(small.code(), Code::kCorrupt);
  }
}

// A del file around any bitmap, sealed.
Bytes file_around(ByteView bitmap, std::uint32_t count) {
  ByteWriter out;
  out.put_bytes(as_bytes("KGDF"));
  out.put(std::uint16_t{1});
  out.put(std::uint16_t{0});
  out.put_bytes(test::number_id(9).bytes);
  out.put(count);
  out.put(static_cast<std::uint32_t>(bitmap.size()));
  out.put_bytes(bitmap);
  out.put(crc32c(out.view()));
  return std::move(out).take();
}

Status parse(ByteView file) {
  const auto read = parse_del_file(file, test::number_id(9), 1'000'000);
  return read.ok() ? Status() : Status(read.error());
}

// 16-bit words of a bitmap.
Bytes words(std::initializer_list<std::uint32_t> values) {
  ByteWriter out;
  for (const std::uint32_t value : values) out.put(static_cast<std::uint16_t>(value));
  return std::move(out).take();
}

TEST(DelFile, RefusesEachBrokenRuleOfItsFrame) {
  const std::vector<std::uint32_t> dead = {3, 5, 70'000};
  const Bytes good = encode_del_file(test::number_id(9), dead);
  const auto reseal = [](Bytes& bytes) {
    const std::uint32_t crc = crc32c(ByteView(bytes).first(bytes.size() - 4));
    std::memcpy(bytes.data() + bytes.size() - 4, &crc, sizeof crc);
  };
  test::expect_each_refused(good,
                            {{0, 'X', 1, "wrong magic"},
                             {4, 2, 2, "version 2 is not known"},
                             {6, 1, 2, "reserved bytes are not zero at offset 6"},
                             {8, 8, 1, "belongs to another segment at offset 8"},
                             {24, 0, 4, "count out of range"},
                             {24, 1'000'001, 4, "count out of range"},
                             {24, 4, 4, "bitmap holds another count"},
                             {28, 1, 4, "bad size of the bitmap"},
                             {28, 0xFFFF'FFFF, 4, "bad size of the bitmap"}},
                            parse, reseal);
  Bytes flipped = good;
  flipped[40] ^= std::byte{4};
  test::expect_corrupt(parse(flipped), "checksum does not match");
  test::expect_hostile_safe(good, 21, parse);
}

// The library would take most of these: it checks sizes only.
TEST(DelFile, RefusesEachBrokenRuleOfTheBitmap) {
  constexpr std::uint32_t kPlain = 12346;
  constexpr std::uint32_t kRuns = 12347;
  const struct {
    std::string_view message;
    std::uint32_t count;
    Bytes bitmap;
  } cases[] = {
      {"unknown cookie", 2, words({12345, 0, 1, 0, 0, 1, 16, 0, 3, 5})},
      {"unknown cookie", 2, words({kPlain, 1, 1, 0, 0, 1, 16, 0, 3, 5})},
      {"bitmap is cut short", 2, words({kPlain, 0, 0xFFFF, 0xFFFF, 0, 1, 16, 0, 3, 5})},
      {"bitmap holds another count", 3, words({kPlain, 0, 1, 0, 0, 1, 16, 0, 3, 5})},
      {"bitmap holds another count", 1, words({kPlain, 0, 0, 0})},
      {"bad offset of a container", 2, words({kPlain, 0, 1, 0, 0, 1, 18, 0, 3, 5})},
      {"numbers are not increasing", 2, words({kPlain, 0, 1, 0, 0, 1, 16, 0, 5, 5})},
      {"numbers are not increasing", 2, words({kPlain, 0, 1, 0, 0, 1, 16, 0, 5, 3})},
      {"bytes behind the bitmap", 2, words({kPlain, 0, 1, 0, 0, 1, 16, 0, 3, 5, 7})},
      {"bitmap is cut short", 2, words({kPlain, 0, 1, 0, 0, 1, 16, 0, 3})},
      {"number out of range", 2, words({kPlain, 0, 1, 0, 200, 1, 16, 0, 3, 5})},
      {"containers are not increasing", 2,
       words({kPlain, 0, 2, 0, 1, 0, 1, 0, 24, 0, 26, 0, 3, 5})},
      {"containers are not increasing", 2,
       words({kPlain, 0, 2, 0, 2, 0, 1, 0, 24, 0, 26, 0, 3, 5})},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.message);
    test::expect_corrupt(parse(file_around(c.bitmap, c.count)), c.message);
  }
  ASSERT_TRUE(parse(file_around(words({kPlain, 0, 1, 0, 0, 1, 16, 0, 3, 5}), 2)).ok());

  const auto runs = [](unsigned flags, std::uint32_t count,
                       std::initializer_list<std::uint32_t> rest) {
    ByteWriter out;
    out.put(kRuns);
    out.put(static_cast<std::uint8_t>(flags));
    out.put(std::uint16_t{0});
    out.put(static_cast<std::uint16_t>(count - 1));
    out.put_bytes(words(rest));
    return std::move(out).take();
  };
  const struct {
    std::string_view message;
    std::uint32_t count;
    Bytes bitmap;
  } run_cases[] = {{"run flags without a container", 5, runs(3, 5, {1, 10, 4})},
                   {"runs hold more numbers", 5, runs(1, 5, {1, 10, 5})},
                   {"runs hold fewer numbers", 5, runs(1, 5, {1, 10, 3})},
                   {"runs hold fewer numbers", 5, runs(1, 5, {0})},
                   {"bad run", 5, runs(1, 5, {1, 0xFFFE, 4})},
                   {"bad run", 5, runs(1, 5, {2, 10, 1, 9, 2})},
                   {"bad run", 5, runs(1, 5, {2, 10, 1, 12, 2})},  // adjacent: would be one run
                   {"bitmap is cut short", 5, runs(1, 5, {9, 10, 1})}};
  for (const auto& c : run_cases) {
    SCOPED_TRACE(c.message);
    test::expect_corrupt(parse(file_around(c.bitmap, c.count)), c.message);
  }
  ASSERT_TRUE(parse(file_around(runs(1, 5, {2, 10, 1, 13, 2}), 5)).ok());
}

// A bitset that holds one number more or fewer than its header says.
TEST(DelFile, RefusesABitsetOfAnotherCount) {
  std::vector<std::uint32_t> even;
  for (std::uint32_t i = 0; i < 10'000; i += 2) even.push_back(i);
  const Bytes good = encode_del_file(test::number_id(9), even);
  for (const unsigned bits : {0x01U, 0x57U}) {
    Bytes bitmap(good.begin() + 32, good.end() - 4);
    bitmap[16] = static_cast<std::byte>(bits);  // 0x55 before
    test::expect_corrupt(parse(file_around(bitmap, 5000)),
                         bits == 0x57 ? "bitset holds more numbers" : "bitset holds fewer numbers");
  }
}

// A segment of 16 million objects, all dead, is a kilobyte: a file that claims so much for a
// smaller segment must be refused before it is expanded.
TEST(DelFile, ExpandsNothingBeyondTheSegment) {
  std::vector<std::uint32_t> all(kMaxSegmentObjects);
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  const Bytes file = encode_del_file(test::number_id(9), all);
  EXPECT_LT(file.size(), 8192U);
  test::take_largest_allocation();
  test::expect_corrupt(parse(file), "count out of range");
  Bytes bitmap(file.begin() + 32, file.end() - 4);
  test::expect_corrupt(parse(file_around(bitmap, 1000)), "bitmap holds another count");
  EXPECT_LT(test::take_largest_allocation(), 65'536U);
}

}  // namespace
}  // namespace kedge
