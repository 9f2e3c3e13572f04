// How often a bucket may be asked: no limit until it says "slow down", then a rate that is cut and
// grows again, by the rule of CUBIC (RFC 9438) that botocore's adaptive mode uses too: cut to 0.7 of
// what went through, back to where it was within seconds, then carefully beyond.
//
// A store throttles reads and writes apart, so each kind has a limiter of its own.
// Threads: any method, from any thread.
#pragma once

#include <cstdint>
#include <mutex>

#include "base/clock.h"

namespace kedge {

class RateLimiter {
 public:
  // Takes the right to send `count` requests at or after `now` (monotonic): how long to wait before
  // sending them. 0 while there is no limit.
  Duration reserve(std::uint64_t count, Duration now);
  // What became of `count` requests that were answered at `now`, `throttled` of them with "slow
  // down".
  void answered(std::uint64_t count, std::uint64_t throttled, Duration now);
  // Requests a second; 0: no limit.
  [[nodiscard]] double rate() const;

 private:
  void measure(std::uint64_t good, Duration now);
  void cut(Duration now);
  void grow(Duration now);

  mutable std::mutex mutex_;
  double rate_ = 0;  // 0: no limit
  double rate_before_cut_ = 0;
  Duration last_cut_{0};
  Duration next_send_{0};  // when the next reserved request may go
  // Requests that went through, counted over windows of kWindow.
  Duration window_began_{-1};
  std::uint64_t window_count_ = 0;
  double measured_ = 0;  // a second
};

}  // namespace kedge
