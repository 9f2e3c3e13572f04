// The simulation as a test program, and as one to run for as long as one likes:
//   ./dev sim --seed 7 --steps 20000 --seeds 100
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "tests/sim/sizes.h"

namespace kedge::sim {

Sizes& sizes() {
  static Sizes chosen;
  return chosen;
}

}  // namespace kedge::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  kedge::sim::Sizes& sizes = kedge::sim::sizes();
  const struct {
    std::string_view name;
    std::uint64_t* value;
  } options[] = {
      {"--seed", &sizes.first_seed}, {"--seeds", &sizes.seeds}, {"--steps", &sizes.steps}};
  for (int i = 1; i < argc; ++i) {
    bool known = false;
    for (const auto& option : options) {
      if (argv[i] != option.name || i + 1 == argc) continue;
      const std::string_view text = argv[++i];
      known =
          std::from_chars(text.data(), text.data() + text.size(), *option.value).ec == std::errc();
      break;
    }
    if (known) continue;
    std::fprintf(stderr, "usage: sim_tests [--seed N] [--seeds COUNT] [--steps N]\n");
    return 2;
  }
  return RUN_ALL_TESTS();
}
