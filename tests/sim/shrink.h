// A history that fails, made shorter for as long as it still fails: fewer steps, without the parts
// that do not matter, and of the turns only those that do (delta debugging: Zeller and Hildebrandt,
// "Simplifying and Isolating Failure-Inducing Input", 2002). Each try runs in a process of its own,
// so that a crash or a hang counts as a failure and changes nothing here.
//
// Threads: no other may run.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/play.h"

namespace kedge::sim {

inline constexpr std::uint64_t kMostTries = 300;

// `options` as they came, if they do not fail.
PlayOptions shrink(PlayOptions options, std::uint64_t most_tries = kMostTries);
// Whether it fails, in a process of its own.
bool fails(const PlayOptions& options);
// The command that plays it again.
std::string command_of(const PlayOptions& options);

}  // namespace kedge::sim
