// When to try a commit next, where many writers want one head: each waits about as long as the
// others need for one commit each, so that of what is sent most comes through.
//
// Writers tell each other apart by their commit ids, whose first bytes are the same for all that
// one handle makes; how many there are follows from the generations that went past. It is a matter
// of pace alone: nothing is ever right or wrong by it. docs/adr/0015-writers-take-turns.md.
//
// Threads: any method, from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "base/clock.h"
#include "base/hash.h"
#include "format/envelope.h"

namespace kedge {

class Pace {
 public:
  // Makes a random id one of this handle's.
  void mark(Id128& commit_id);
  // A head was read or made, at a moment of the monotonic clock.
  void saw(const Envelope& head, Duration now);
  // How long one attempt took, from its base to the answer of its swap.
  void took(Duration attempt);

  // How many writers commit at this time, this one included; 1 if others do it rarely.
  [[nodiscard]] std::size_t writers(Duration now) const;
  // An attempt that follows `lost` lost races of its commit waits for a random part of this first.
  // Zero: it goes on at once.
  [[nodiscard]] Duration window(int lost, Duration now) const;

  static constexpr Duration kMaxWindow = std::chrono::seconds(20);

 private:
  struct Seen {
    std::uint64_t generation = 0;
    std::uint32_t writer = 0;
    Duration at{0};
  };
  [[nodiscard]] std::size_t writers_locked(Duration now) const;

  mutable std::mutex mutex_;
  std::optional<std::uint32_t> mine_;
  std::deque<Seen> seen_;  // by generation; of the first it is not known how long before it came
  std::optional<Duration> attempt_;  // on average
};

}  // namespace kedge
