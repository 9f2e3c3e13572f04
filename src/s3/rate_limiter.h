// How often a bucket may be asked: no limit until it says "slow down", then a rate that is cut and
// grows again, by the rule of CUBIC (RFC 9438) that botocore's adaptive mode uses too: cut to 0.7
// of what went through, back to where it was within seconds, then carefully beyond.
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
  static constexpr Duration kMaxWait = std::chrono::milliseconds(50);

  // Takes the right to send `count` requests now (monotonic) and returns 0; or takes nothing, and
  // returns how long to wait before asking again, at most kMaxWait: the rate may have changed by
  // then.
  Duration take(std::uint64_t count, Duration now);
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
  // What may be sent now; below 0 after a batch that was larger.
  double tokens_ = 0;
  Duration tokens_at_{0};
  Duration come_back_{0};       // what the last one that waits was told
  Duration first_refusal_{-1};  // of a time without a limit; negative: none
  // Requests that went through, counted over windows of kWindow.
  Duration window_began_{-1};
  std::uint64_t window_count_ = 0;
  double measured_ = 0;  // a second
};

}  // namespace kedge
