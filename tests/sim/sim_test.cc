// Random histories, each from a seed.
#include <cstdio>

#include "tests/sim/found.h"
#include "tests/sim/play.h"
#include "tests/sim/shrink.h"
#include "tests/sim/sizes.h"

namespace kedge::sim {
namespace {

// A run of fewer steps may well be without something.
constexpr std::uint64_t kManySteps = 10'000;
constexpr std::uint64_t kVeryManySteps = 100'000;

bool writes(Role role) { return role < Role::kReader; }
// There is one of them: it cannot come between its own calls.
bool is_alone(Role role) { return role == Role::kCollector || role == Role::kSteerer; }

// How often each role wrote while another was in the middle of something, and that each pair was
// there.
std::string interleavings(const PlayCounts& sum, bool all) {
  std::uint64_t pairs = 0;
  std::uint64_t seen = 0;
  std::uint64_t least = UINT64_MAX;
  std::string rarest;
  for (std::size_t a = 0; a < kRoles; ++a) {
    for (std::size_t b = 0; b < kRoles; ++b) {
      if (!writes(static_cast<Role>(a)) || (a == b && is_alone(static_cast<Role>(a)))) continue;
      const std::uint64_t count = sum.pairs[a][b];
      const std::string pair = str_cat(kRoleNames[a], " in ", kRoleNames[b]);
      ++pairs;
      seen += count > 0 ? 1 : 0;
      if (count < least) rarest = pair;
      least = std::min(least, count);
      if (all) {
        EXPECT_GT(count, 0U) << "no " << pair << ": a run without it proves nothing about it";
      }
    }
  }
  return str_cat("note: interleavings: ", seen, " of ", pairs,
                 " pairs of who writes while who is at work; the rarest, ", rarest, ": ", least,
                 " times; after the last fault nobody took more than ", sum.most_calls, " calls");
}

void say_how_to_see_again(const PlayOptions& options) {
  ADD_FAILURE() << "shrunk, to be played again and kept (tests/sim/found.h): "
                << command_of(shrink(options));
}

TEST(Simulation, NothingIsLostDoubledOrMadeUp) {
  PlayCounts sum;
  const Sizes& sizes = sim::sizes();
  for (std::uint64_t seed = sizes.first_seed; seed < sizes.first_seed + sizes.seeds; ++seed) {
    const PlayOptions options{
        .seed = seed, .steps = sizes.steps, .without = sizes.without, .turns = sizes.turns};
    SCOPED_TRACE(command_of(options));
    {
      Play play(options);
      play.run();
      sum += play.counts();
    }
    if (HasFailure()) return say_how_to_see_again(options);
  }
  std::string said =
      str_cat("note: simulated ", sizes.seeds, " seeds from ", sizes.first_seed, ":");
  for (const PlayCount& count : kPlayCounts)
    said += str_cat(&count == kPlayCounts ? " " : ", ", sum.*count.value, " ", count.name);
  std::puts(said.c_str());
  const std::uint64_t steps = sizes.seeds * sizes.steps;
  std::puts(interleavings(sum, steps >= kVeryManySteps).c_str());
  for (const PlayCount& count : kPlayCounts) {
    if (steps < kVeryManySteps) break;
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
    Parts without = seed % 3 == 0 ? all_troubles() : Parts();
    without.add(Part::kSteering);
    Play play({.seed = seed, .steps = sizes.steps, .without = without});
    play.run();
    const std::vector<std::string> violations = play.history().violations();
    EXPECT_TRUE(violations.empty()) << violations.size() << ", the first: " << violations.front();
    reads += play.history().reads();
    if (HasFailure()) return;
  }
  std::printf("note: %llu reads of keys in %llu histories fit one register each\n",
              static_cast<unsigned long long>(reads), static_cast<unsigned long long>(sizes.seeds));
  if (sizes.seeds * sizes.steps >= kManySteps) {
    EXPECT_GT(reads, 1'000U);
  }
}

// Histories that once failed, as short as they still did.
TEST(Simulation, WhatWasFoundStaysMended) {
  for (const Found& found : kFound) {
    const PlayOptions options{.seed = found.seed,
                              .steps = found.steps,
                              .without = must(Parts::parse(found.without)),
                              .turns = must(parse_turns(found.turns))};
    SCOPED_TRACE(str_cat(found.what, ": ", command_of(options)));
    Play play(options);
    play.run();
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
