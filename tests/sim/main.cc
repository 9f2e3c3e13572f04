// The simulation as a test program, and as one to run for as long as one likes:
//   ./dev sim --seed 7 --steps 20000 --seeds 100
// or to see a history again that failed, as short as it still did:
//   ./dev sim --seed 7 --seeds 1 --steps 84 --without crash,late --turns 3-17,20
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

namespace {

bool take_number(std::string_view text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool take(std::string_view name, std::string_view text) {
  Sizes& chosen = sizes();
  if (name == "--seed") return take_number(text, chosen.first_seed);
  if (name == "--seeds") return take_number(text, chosen.seeds);
  if (name == "--steps") return take_number(text, chosen.steps);
  if (name == "--without") {
    const Result<Parts> parts = Parts::parse(text);
    if (parts.ok()) chosen.without = *parts;
    return parts.ok();
  }
  if (name != "--turns") return false;
  const auto turns = parse_turns(text);
  if (turns.ok()) chosen.turns = *turns;
  return turns.ok();
}

}  // namespace
}  // namespace kedge::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 < argc && kedge::sim::take(argv[i], argv[i + 1])) continue;
    std::string parts;
    for (const std::string_view name : kedge::sim::kPartNames) parts += " " + std::string(name);
    std::fprintf(stderr,
                 "usage: sim_tests [--seed N] [--seeds COUNT] [--steps N] [--without PART,...] "
                 "[--turns A-B,C,...]\nparts:%s\n",
                 parts.c_str());
    return 2;
  }
  return RUN_ALL_TESTS();
}
