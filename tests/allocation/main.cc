// Its own main: at the end it says how much was tried, for the summary of `./dev test`.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/allocation/fail_each.h"

// The library that guesses charsets loses what its constructors have made when one of them throws.
extern "C" const char* __lsan_default_suppressions() { return "leak:libuchardet\n"; }

namespace kedge::test {

Tally& tally() {
  static Tally the_tally;
  return the_tally;
}

}  // namespace kedge::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const int failed = RUN_ALL_TESTS();
  const kedge::test::Tally& tally = kedge::test::tally();
  std::printf(
      "note: %zu parses without each of their allocations in turn: %zu failures, of %zu "
      "parses a choice (seed %llu)\n",
      tally.parses, tally.failures, tally.sampled,
      static_cast<unsigned long long>(kedge::test::kSeed));
  return failed;
}
