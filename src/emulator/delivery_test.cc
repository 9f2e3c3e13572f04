// The link that all connections share.
#include "emulator/delivery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace kedge::emulator {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr std::uint64_t kBandwidth = 1'000'000;  // a byte a microsecond

TEST(Link, WhatIsAskedForGoesInOrderAtTheBandwidth) {
  Link link;
  EXPECT_EQ(link.take(500, kBandwidth, seconds(1)), seconds(1) + microseconds(500));
  // At the same moment: behind it.
  EXPECT_EQ(link.take(200, kBandwidth, seconds(1)), seconds(1) + microseconds(700));
  // While it is busy: from when it is free.
  EXPECT_EQ(link.take(100, kBandwidth, seconds(1) + microseconds(650)),
            seconds(1) + microseconds(800));
  // After a rest: from now on, nothing is saved up.
  EXPECT_EQ(link.take(100, kBandwidth, seconds(2)), seconds(2) + microseconds(100));
  EXPECT_EQ(link.take(0, kBandwidth, seconds(3)), seconds(3));
}

// However many ask at once, each byte goes once: the last of them ends when all would have gone one
// after the other.
TEST(Link, ManyAtOnceShareIt) {
  Link link;
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 200;
  std::vector<Duration> ends(kThreads * kEach);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kEach; ++i)
        ends[t * kEach + i] = link.take(10, kBandwidth, seconds(5));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::sort(ends.begin(), ends.end());
  for (std::size_t i = 0; i < ends.size(); ++i)
    ASSERT_EQ(ends[i], seconds(5) + microseconds(10 * (i + 1))) << i;
}

}  // namespace
}  // namespace kedge::emulator
