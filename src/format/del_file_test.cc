#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"
#include "format/format_test_data.h"
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

}  // namespace
}  // namespace kedge
