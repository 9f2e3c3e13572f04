#include "engine/places.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "base/executor.h"
#include "base/random.h"
#include "base/strings.h"
#include "engine/testing.h"

namespace kedge {
namespace {

constexpr std::uint64_t kSeed = 8;

auto order(const Place& place) { return std::tuple(place.list, place.object, place.order); }

// Whatever memory there is, the rows come as if all had been sorted, in parts of whole lists that
// memory has room for.
TEST(Places, ComeListByListWithinMemory) {
  SeededRandom random(kSeed);
  const std::unique_ptr<Executor> pool = make_thread_pool(2);
  for (const std::size_t lists : {1U, 7U, 300U}) {
    for (const std::size_t rows : {0U, 1U, 500U, 20'000U}) {
      std::vector<Place> all;
      for (std::size_t i = 0; i < rows; ++i) {
        Place place;
        // Some lists are far longer than others, some are empty.
        place.list = static_cast<std::uint32_t>(random.below(1 + random.below(lists)));
        place.object = static_cast<std::uint32_t>(random.below(100));
        place.order = static_cast<std::uint32_t>(i);
        place.row = static_cast<std::uint32_t>(random.next());
        place.input = static_cast<std::uint32_t>(random.below(3));
        all.push_back(place);
      }
      for (const std::size_t most : {1U, 3U, 1000U, 100'000U}) {
        SCOPED_TRACE(str_cat("seed ", kSeed, ", lists ", lists, ", rows ", rows, ", most ", most));
        Places places(most * sizeof(Place), "");
        places.start(lists, rows);
        for (const Place& place : all) must(places.add(place));
        EXPECT_EQ(places.rows(), rows);
        std::vector<Place> found;
        for (;;) {
          const std::span<const Place> part = must(places.next(*pool));
          if (part.empty()) break;
          EXPECT_TRUE(part.size() <= most || part.front().list == part.back().list);
          found.insert(found.end(), part.begin(), part.end());
        }
        std::vector<Place> sorted = all;
        std::sort(sorted.begin(), sorted.end(),
                  [](const Place& a, const Place& b) { return order(a) < order(b); });
        ASSERT_EQ(found.size(), rows);
        for (std::size_t i = 0; i < rows; ++i) {
          ASSERT_EQ(order(found[i]), order(sorted[i])) << i;
          ASSERT_EQ(found[i].row, sorted[i].row);
          ASSERT_EQ(found[i].input, sorted[i].input);
        }
      }
    }
  }
}

}  // namespace
}  // namespace kedge
