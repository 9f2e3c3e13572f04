// How much is simulated: small in ./dev test, as asked for in ./dev sim.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/sim/turn.h"

namespace kedge::sim {

struct Sizes {
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 12;
  std::uint64_t steps = 1500;
  Parts without = {};                     // of one history, to see it again
  std::vector<std::uint64_t> turns = {};  // likewise
};
Sizes& sizes();

}  // namespace kedge::sim
