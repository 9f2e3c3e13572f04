// How long requests take and how fast bytes go: distributions, seeded.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace kedge::emulator {

// Threads: draw() takes a random of the caller's.
class Latency {
 public:
  Latency() = default;  // none
  static Latency constant(Duration time);
  // Precondition: 0 < median <= p99.
  static Latency lognormal(Duration median, Duration p99);
  // "", "constant:30ms", "lognormal:30ms,100ms"; units us, ms, s. kInvalid.
  static Result<Latency> parse(std::string_view text);

  [[nodiscard]] Duration draw(Random& random) const;
  [[nodiscard]] bool none() const { return median_ == Duration(0); }

 private:
  Duration median_{0};
  double sigma_ = 0;
};

}  // namespace kedge::emulator
