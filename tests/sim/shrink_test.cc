// The shrinker on a failure that was planted, and what it prints and reads.
#include "tests/sim/shrink.h"

#include <gtest/gtest.h>

namespace kedge::sim {
namespace {

// Fails once a machine has crashed and something was merged: little else matters for it.
PlayOptions planted() {
  PlayOptions options{.seed = 11, .steps = 250};
  options.planted = [](Play& play) {
    EXPECT_FALSE(play.counts().crashes > 0 && play.counts().merges > 0) << "planted";
  };
  return options;
}

TEST(Shrinks, ToWhatAFailureNeeds) {
  const PlayOptions shrunk = shrink(planted(), 60);
  SCOPED_TRACE(command_of(shrunk));
  EXPECT_TRUE(fails(shrunk));
  EXPECT_FALSE(shrunk.turns.empty());
  EXPECT_LT(shrunk.turns.size(), planted().steps / 2);
  EXPECT_FALSE(shrunk.without.has(Part::kCrash));
  EXPECT_FALSE(shrunk.without.has(Part::kMerges));
  std::size_t left_out = 0;
  for (std::size_t part = 0; part < kParts; ++part)
    left_out += shrunk.without.has(static_cast<Part>(part)) ? 1 : 0;
  EXPECT_GE(left_out, kParts / 3);
}

TEST(Shrinks, NothingThatDoesNotFail) {
  const PlayOptions sound{.seed = 11, .steps = 50};
  const PlayOptions same = shrink(sound);
  EXPECT_EQ(command_of(same), "./dev sim --seed 11 --seeds 1 --steps 50");
}

TEST(Shrinks, PrintsWhatItReads) {
  EXPECT_EQ(must(Parts::parse("crash,late")).print(), "late,crash");
  EXPECT_EQ(must(Parts::parse("")).print(), "");
  EXPECT_EQ(Parts::parse("crash,lat").code(), Code::kInvalid);
  EXPECT_EQ(print_turns(must(parse_turns("3-5,7,9-10"))), "3-5,7,9-10");
  for (const char* wrong : {"5-3", "3,3", "a", "1-", "4,2", "1--2"})
    EXPECT_EQ(parse_turns(wrong).code(), Code::kInvalid) << wrong;
}

}  // namespace
}  // namespace kedge::sim
