// When a second copy may be sent, as arithmetic.
#include "net/hedge_policy.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace kedge {
namespace {

using std::chrono::milliseconds;

// A percentile of few samples is noise, and one of old samples is of another day.
TEST(HedgePolicy, WaitsForThePercentileOfTheLatestAnswers) {
  HedgePolicy policy(0.05, milliseconds(20));
  EXPECT_FALSE(policy.wait("a").has_value());
  for (int i = 1; i <= 19; ++i) policy.add("a", milliseconds(i * i));
  EXPECT_FALSE(policy.wait("a").has_value()) << "19 samples";
  policy.add("a", milliseconds(400));
  EXPECT_EQ(policy.wait("a"), milliseconds(361)) << "the 19th of 20";
  EXPECT_FALSE(policy.wait("b").has_value()) << "another host";
  for (int i = 0; i < 256; ++i) policy.add("a", milliseconds(30));
  EXPECT_EQ(policy.wait("a"), milliseconds(60))
      << "the old ones have left the window; a copy would take 30 ms too";
  for (int i = 0; i < 256; ++i) policy.add("a", milliseconds(1));
  EXPECT_EQ(policy.wait("a"), milliseconds(20)) << "never under the floor";
}

// The budget is what keeps hedges from doubling the load of a store that is slow as a whole, also
// after a long time in which none were needed.
TEST(HedgePolicy, KeepsCopiesWithinTheBudget) {
  const struct {
    double budget;
    int reads;
    int copies;
  } cases[] = {{0.05, 0, 1},   {0.05, 19, 1},         {0.05, 20, 2}, {0.25, 3, 1}, {0.25, 4, 2},
               {0.25, 96, 16}, {0.05, 1'000'000, 16}, {0, 1'000, 0}, {1, 10, 11},  {1, 1'000, 16}};
  for (const auto& c : cases) {
    HedgePolicy policy(c.budget, milliseconds(20));
    for (int i = 0; i < c.reads; ++i) policy.began();
    int copies = 0;
    while (copies < 100 && policy.take()) ++copies;
    EXPECT_EQ(copies, c.copies) << c.budget << " of " << c.reads;
  }
  // Where each read would be sent again, a quarter are.
  HedgePolicy policy(0.25, milliseconds(20));
  int copies = 0;
  for (int i = 0; i < 1'000; ++i) {
    policy.began();
    copies += policy.take() ? 1 : 0;
  }
  EXPECT_EQ(copies, 251);
}

// Hosts come from URLs: their number must not grow without end.
TEST(HedgePolicy, ForgetsRatherThanGrows) {
  HedgePolicy policy(0.05, milliseconds(20));
  for (int i = 0; i < 20; ++i) policy.add("first", milliseconds(50));
  for (std::size_t i = 0; i + 1 < HedgePolicy::kMaxHosts; ++i)
    policy.add(str_cat("host", i), milliseconds(1));
  EXPECT_TRUE(policy.wait("first").has_value());
  policy.add("one more", milliseconds(1));
  EXPECT_FALSE(policy.wait("first").has_value());
}

}  // namespace
}  // namespace kedge
