#include "s3/rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace kedge {
namespace {

constexpr double kCut = 0.7;
constexpr double kMinRate = 1;  // a second
// Of the cubic: with 0.4 a rate of thousands took half a minute to come back; requests are cheap to
// refuse, and buckets are throttled for seconds.
constexpr double kCubic = 40;
// Refusals of one burst are one reason to cut.
constexpr Duration kCutEvery = std::chrono::milliseconds(500);
constexpr Duration kWindow = std::chrono::milliseconds(500);
// A bucket that refused nothing for so long, at a rate far above what is asked, is not limited.
constexpr Duration kForget = std::chrono::minutes(1);

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Duration RateLimiter::reserve(std::uint64_t count, Duration now) {
  const std::lock_guard lock(mutex_);
  if (rate_ == 0) return Duration{0};
  grow(now);
  if (rate_ == 0) return Duration{0};
  const Duration at = std::max(next_send_, now);
  const auto spacing = static_cast<std::int64_t>(1e6 * static_cast<double>(count) / rate_);
  next_send_ = at + Duration(spacing);
  return at - now;
}

void RateLimiter::answered(std::uint64_t count, std::uint64_t throttled, Duration now) {
  const std::lock_guard lock(mutex_);
  measure(count - std::min(count, throttled), now);
  if (throttled > 0) cut(now);
}

double RateLimiter::rate() const {
  const std::lock_guard lock(mutex_);
  return rate_;
}

void RateLimiter::measure(std::uint64_t good, Duration now) {
  if (window_began_.count() < 0) window_began_ = now;
  window_count_ += good;
  const Duration since = now - window_began_;
  if (since < kWindow) return;
  measured_ = static_cast<double>(window_count_) / seconds(since);
  window_began_ = now;
  window_count_ = 0;
}

void RateLimiter::cut(Duration now) {
  if (rate_ != 0 && now - last_cut_ < kCutEvery) return;
  // Within the first window there is no measured rate yet: what it has so far tells.
  const double so_far =
      static_cast<double>(window_count_) / std::max(0.05, seconds(now - window_began_));
  const double goes_through = measured_ > 0 ? measured_ : so_far;
  const double before = rate_ == 0 ? goes_through : std::min(rate_, std::max(goes_through, kMinRate));
  rate_before_cut_ = std::max(before, kMinRate);
  rate_ = std::max(before * kCut, kMinRate);
  last_cut_ = now;
  next_send_ = std::max(next_send_, now);
}

void RateLimiter::grow(Duration now) {
  if (now - last_cut_ > kForget && measured_ < rate_ / 2) {
    rate_ = 0;
    return;
  }
  const double since = seconds(now - last_cut_);
  const double back = std::cbrt(rate_before_cut_ * (1 - kCut) / kCubic);
  rate_ = std::max(kMinRate, kCubic * std::pow(since - back, 3) + rate_before_cut_);
}

}  // namespace kedge
