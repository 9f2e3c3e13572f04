// Random histories, each from a seed.
#include <cstdio>

#include "tests/sim/play.h"
#include "tests/sim/sizes.h"

namespace kedge::sim {
namespace {

TEST(Simulation, NothingIsLostDoubledOrMadeUp) {
  PlayCounts sum;
  const Sizes& sizes = sim::sizes();
  for (std::uint64_t seed = sizes.first_seed; seed < sizes.first_seed + sizes.seeds; ++seed) {
    SCOPED_TRACE(str_cat("./dev sim --seed ", seed, " --seeds 1 --steps ", sizes.steps));
    Play play({.seed = seed, .steps = sizes.steps});
    play.run();
    for (const PlayCount& count : kPlayCounts) sum.*count.value += play.counts().*count.value;
    if (HasFailure()) return;
  }
  std::string said =
      str_cat("note: simulated ", sizes.seeds, " seeds from ", sizes.first_seed, ":");
  for (const PlayCount& count : kPlayCounts)
    said += str_cat(&count == kPlayCounts ? " " : ", ", sum.*count.value, " ", count.name);
  std::puts(said.c_str());
  if (sizes.seeds * sizes.steps < 10'000) return;
  for (const PlayCount& count : kPlayCounts) {
    EXPECT_GT(sum.*count.value, 0U)
        << "a run without any " << count.name << " proves nothing about them";
  }
}

// Many writers on one index, with faults and without: each key is one register, which holds the
// version that was read last from its source.
TEST(Simulation, EachKeyIsLinearizable) {
  const Sizes& sizes = sim::sizes();
  std::uint64_t reads = 0;
  for (std::uint64_t seed = sizes.first_seed; seed < sizes.first_seed + sizes.seeds; ++seed) {
    SCOPED_TRACE(str_cat("./dev sim --seed ", seed, " --seeds 1 --steps ", sizes.steps));
    Play play({.seed = seed, .steps = sizes.steps, .faults = seed % 3 != 0, .rollbacks = false});
    play.run();
    const std::vector<std::string> violations = play.history().violations();
    EXPECT_TRUE(violations.empty()) << violations.size() << ", the first: " << violations.front();
    reads += play.history().reads();
    if (HasFailure()) return;
  }
  std::printf("note: %llu reads of keys in %llu histories fit one register each\n",
              static_cast<unsigned long long>(reads), static_cast<unsigned long long>(sizes.seeds));
  if (sizes.seeds * sizes.steps >= 10'000) {
    EXPECT_GT(reads, 1'000U);
  }
}

TEST(Simulation, OneSeedIsOneTrace) {
  std::uint64_t traces[2];
  for (std::uint64_t& trace : traces) {
    Play play({.seed = sizes().first_seed, .steps = 300});
    play.run();
    trace = play.trace();
  }
  EXPECT_EQ(traces[0], traces[1]);
}

}  // namespace
}  // namespace kedge::sim
