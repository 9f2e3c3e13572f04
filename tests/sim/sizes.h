// How much is simulated: small in ./dev test, as asked for in ./dev sim.
#pragma once

#include <cstdint>

namespace kedge::sim {

struct Sizes {
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 12;
  std::uint64_t steps = 1500;
};
Sizes& sizes();

}  // namespace kedge::sim
