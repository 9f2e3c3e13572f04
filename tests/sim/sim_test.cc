// Random histories, each from a seed.
#include <cstdio>

#include "tests/sim/play.h"
#include "tests/sim/sizes.h"

namespace kedge::sim {
namespace {

void add(PlayCounts& sum, const PlayCounts& one) {
  sum.generations += one.generations;
  sum.acknowledged += one.acknowledged;
  sum.refused += one.refused;
  sum.unknown += one.unknown;
  sum.merges += one.merges;
  sum.collections += one.collections;
  sum.removed += one.removed;
  sum.rollbacks += one.rollbacks;
  sum.crashes += one.crashes;
  sum.late_effects += one.late_effects;
  sum.reads_compared += one.reads_compared;
  sum.snapshots_expired += one.snapshots_expired;
}

TEST(Simulation, NothingIsLostDoubledOrMadeUp) {
  PlayCounts sum;
  const Sizes& sizes = sim::sizes();
  for (std::uint64_t seed = sizes.first_seed; seed < sizes.first_seed + sizes.seeds; ++seed) {
    SCOPED_TRACE(str_cat("./dev sim --seed ", seed, " --seeds 1 --steps ", sizes.steps));
    Play play({.seed = seed, .steps = sizes.steps});
    play.run();
    add(sum, play.counts());
    if (HasFailure()) return;
  }
  std::printf(
      "note: simulated %llu seeds from %llu: %llu generations; commits %llu acknowledged, %llu "
      "refused, "
      "%llu in doubt; %llu merges, %llu rollbacks, %llu collections that removed %llu files; "
      "%llu crashes, %llu late effects; %llu searches equal to the true state, %llu of snapshots "
      "that had expired\n",
      static_cast<unsigned long long>(sizes.seeds),
      static_cast<unsigned long long>(sizes.first_seed),
      static_cast<unsigned long long>(sum.generations),
      static_cast<unsigned long long>(sum.acknowledged),
      static_cast<unsigned long long>(sum.refused), static_cast<unsigned long long>(sum.unknown),
      static_cast<unsigned long long>(sum.merges), static_cast<unsigned long long>(sum.rollbacks),
      static_cast<unsigned long long>(sum.collections),
      static_cast<unsigned long long>(sum.removed), static_cast<unsigned long long>(sum.crashes),
      static_cast<unsigned long long>(sum.late_effects),
      static_cast<unsigned long long>(sum.reads_compared),
      static_cast<unsigned long long>(sum.snapshots_expired));
  if (sizes.seeds * sizes.steps < 10'000) return;
  for (const std::uint64_t count :
       {sum.acknowledged, sum.refused, sum.unknown, sum.merges, sum.rollbacks, sum.removed,
        sum.crashes, sum.late_effects, sum.reads_compared, sum.snapshots_expired})
    EXPECT_GT(count, 0U) << "a run without any of these proves nothing about them";
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
