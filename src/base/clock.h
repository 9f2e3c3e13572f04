// Time. Every component takes a Clock, so that a simulation can own it.
// Local clocks decide nothing that is stored: ages and orders come from the store's clock
// (docs/commit.md, rule 9).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <string>

#include "base/result.h"

namespace kedge {

using Duration = std::chrono::microseconds;

// Microseconds since 1970-01-01T00:00:00Z. Zero means "not known".
struct Timestamp {
  std::int64_t micros = 0;
  auto operator<=>(const Timestamp&) const = default;
  friend Timestamp operator+(Timestamp t, Duration d) { return {t.micros + d.count()}; }
  friend Timestamp operator-(Timestamp t, Duration d) { return {t.micros - d.count()}; }
  friend Duration operator-(Timestamp a, Timestamp b) { return Duration(a.micros - b.micros); }
};

// RFC 3339 in UTC, with microseconds only when they are not zero: "2026-03-01T12:00:00Z". "" for
// the zero timestamp.
std::string to_rfc3339(Timestamp time);
// The inverse; kInvalid for anything that is not RFC 3339 in UTC ("Z").
Result<Timestamp> parse_rfc3339(std::string_view text);

// Threads: any method, from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() = 0;       // wall clock of this machine
  virtual Duration monotonic() = 0;  // never goes back; for deadlines and durations
  virtual void sleep(Duration duration) = 0;
};

Clock& system_clock();

// A moment of a clock's monotonic time after which a caller no longer waits.
struct Deadline {
  Duration at = Duration::max();
  static Deadline never() { return {}; }
  static Deadline after(Clock& clock, Duration duration) { return {clock.monotonic() + duration}; }
  [[nodiscard]] bool passed(Clock& clock) const { return clock.monotonic() >= at; }
};

// For tests: stands still until told. sleep() advances it.
class ManualClock : public Clock {
 public:
  explicit ManualClock(Timestamp start = {1'700'000'000'000'000}) : start_(start) {}
  Timestamp now() override { return start_ + elapsed_ + skew_; }
  Duration monotonic() override { return elapsed_; }
  void sleep(Duration duration) override { elapsed_ += duration; }
  void advance(Duration duration) { elapsed_ += duration; }
  void set_skew(Duration skew) { skew_ = skew; }

 private:
  Timestamp start_;
  Duration elapsed_{0};
  Duration skew_{0};
};

}  // namespace kedge
