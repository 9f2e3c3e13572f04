// When a read is sent a second time: after the 95th percentile of what its host's latest answers
// took to their first byte, and twice their median, since a copy takes that long itself: of a host
// that always takes as long, what is a little late is there before its copy. Second copies stay a
// small part of all reads. Without a budget a store that slows down as a whole would be sent
// everything twice, just then.
//
// Threads: one.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace kedge {

class HedgePolicy {
 public:
  static constexpr std::size_t kWindow = 256;     // latest answers of a host that count
  static constexpr std::size_t kMinSamples = 20;  // fewer say nothing about a tail
  static constexpr std::size_t kMaxHosts = 256;   // more: all are forgotten
  static constexpr std::uint64_t kBurst = 1;      // copies beyond the budget
  // Copies that reads of the past may leave to later ones: a store that turns slow after a good day
  // must not be sent a day's worth of them at once.
  static constexpr std::uint64_t kMaxSaved = 16;

  // `budget`: second copies a read, 0 to 1; 0 means never.
  HedgePolicy(double budget, Duration floor);

  [[nodiscard]] bool enabled() const { return a_read_ > 0; }
  // A read that may be sent twice begins.
  void began();
  // A first copy had its first byte, or was given up, after `latency`.
  void add(std::string_view host, Duration latency);
  // How long a read of `host` waits for its first byte before it may be sent again, at least the
  // floor; absent while there are too few samples.
  std::optional<Duration> wait(std::string_view host);
  [[nodiscard]] Duration floor() const { return floor_; }
  // Whether one more copy is within the budget; if so, it is counted.
  bool take();

 private:
  struct Host {
    std::array<Duration, kWindow> samples{};
    std::uint64_t count = 0;     // ever; the ring's next is count % kWindow
    std::uint64_t computed = 0;  // count when wait was
    Duration wait{0};
  };

  const std::uint64_t a_read_;  // what a read saves, in millionths of a copy
  const Duration floor_;
  std::uint64_t saved_;  // likewise
  std::map<std::string, Host, std::less<>> hosts_;
};

}  // namespace kedge
