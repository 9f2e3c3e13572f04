// One parse again and again, with another of its allocations failing each time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/allocation.h"
#include "base/random.h"
#include "base/strings.h"
#include "tests/allocation/failing_new.h"

namespace kedge::test {

// Of a parse with more allocations than this a seeded choice fails: the long inputs of the corpora
// make hundreds of thousands.
inline constexpr std::size_t kMostFailures = 600;
inline constexpr std::uint64_t kSeed = 20;

// What the program says of itself at its end.
struct Tally {
  std::size_t parses = 0;  // parsers times inputs
  std::size_t failures = 0;
  std::size_t sampled = 0;  // parses of which not every allocation failed
};
Tally& tally();

template <typename T>
void expect_same(const Result<T>& found, const Result<T>& expected) {
  ASSERT_EQ(found.ok(), expected.ok()) << (found.ok() ? "" : found.error().message);
  if (!found.ok()) {
    EXPECT_EQ(found.code(), expected.code());
    EXPECT_EQ(found.error().message, expected.error().message);
    return;
  }
  if constexpr (!std::is_void_v<T>) {
    if constexpr (requires { found->encode(); }) {
      EXPECT_TRUE(found->encode() == expected->encode());
    } else if constexpr (std::equality_comparable<T>) {
      EXPECT_TRUE(*found == *expected);
    }
  }
}

// `parse` returns a Result and parses the same bytes each time. Without one of its allocations it
// says that memory does not suffice, or does as if nothing were; nothing is lost (the sanitizer
// looks for leaks), and the next parse is as the first.
template <typename Parse>
void fail_each(const std::string& what, const Parse& parse) {
  SCOPED_TRACE(str_cat(what, ", seed ", kSeed));
  (void)parse();  // what is made once in a program is made
  std::size_t count = 0;
  const auto expected = [&] {
    const FailingNew counted(FailingNew::kNever);
    auto result = parse();
    count = counted.count();
    return result;
  }();
  std::vector<std::size_t> fails(count);
  std::iota(fails.begin(), fails.end(), std::size_t{0});
  if (count > kMostFailures) {
    SeededRandom random(kSeed);
    for (std::size_t i = 0; i < kMostFailures; ++i)
      std::swap(fails[i], fails[i + random.below(count - i)]);
    fails.resize(kMostFailures);
    ++tally().sampled;
  }
  for (const std::size_t nth : fails) {
    const auto result = [&] {
      const FailingNew failing(nth);
      return parse();
    }();
    const bool told = !result.ok() && is_memory_error(result.error());
    if (!told) {
      SCOPED_TRACE(str_cat("allocation ", nth, " of ", count));
      expect_same(result, expected);
    }
    if (testing::Test::HasFailure()) return;  // once is enough
  }
  expect_same(parse(), expected);
  ++tally().parses;
  tally().failures += fails.size();
}

}  // namespace kedge::test
