// Histories that failed once, as the shrinker left them. They are played in ./dev test. A history
// depends on what the code asks of its store, so that in time each becomes one more seed; the rule
// that it broke has a test of its own beside its code.
#pragma once

#include <cstdint>

namespace kedge::sim {

struct Found {
  const char* what;
  std::uint64_t seed;
  std::uint64_t steps;
  const char* without;
  const char* turns;
};

inline constexpr Found kFound[] = {
    {"a sync took the head of a cache that another just made for lost, and ended (Rules.AHeadThat"
     "IsMadeWhileItIsLookedForIsNotTakenForLost)",
     148, 171, "twice,echo,torn,crash,land,jump", "0-53,56-78,80-89,91-93,95,97-98,100-170"},
};

}  // namespace kedge::sim
