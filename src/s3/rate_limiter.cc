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
constexpr Duration kWindow = std::chrono::milliseconds(250);
// From the first refusal on, so long is counted what goes through before there is a first rate.
constexpr Duration kLearn = std::chrono::milliseconds(100);
// Tokens are kept for so long.
constexpr double kBurstSeconds = 0.05;
// A bucket that refused nothing for so long, at a rate far above what is asked, is not limited.
constexpr Duration kForget = std::chrono::minutes(1);

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Duration RateLimiter::take(std::uint64_t count, Duration now) {
  const std::lock_guard lock(mutex_);
  if (rate_ != 0) grow(now);
  if (rate_ == 0) return Duration{0};
  tokens_ =
      std::min(tokens_ + rate_ * seconds(now - tokens_at_), std::max(1.0, rate_ * kBurstSeconds));
  tokens_at_ = now;
  if (tokens_ >= 1) {
    tokens_ -= static_cast<double>(count);
    return Duration{0};
  }
  // Who waits is told to come back one after the other, not all for the same token.
  const auto until_one = Duration(static_cast<std::int64_t>(1e6 * (1 - tokens_) / rate_) + 1);
  const auto spacing =
      Duration(static_cast<std::int64_t>(1e6 * static_cast<double>(count) / rate_));
  come_back_ = std::min(std::max(come_back_ + spacing, now + until_one), now + kMaxWait);
  return come_back_ - now;
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
  if (rate_ == 0) {
    // What went through before the first refusal says nothing of the limit.
    if (first_refusal_.count() < 0) {
      first_refusal_ = now;
      window_began_ = now;
      window_count_ = 0;
      measured_ = 0;
    }
    const Duration since = now - first_refusal_;
    if (since < kLearn) return;
    const double so_far =
        static_cast<double>(window_count_) / seconds(now - window_began_ + Duration(1));
    rate_before_cut_ = std::max(kMinRate, measured_ > 0 ? measured_ : so_far);
    tokens_ = 0;
    tokens_at_ = now;
  } else {
    if (now - last_cut_ < kCutEvery) return;
    rate_before_cut_ = std::max(kMinRate, std::min(rate_, measured_));
  }
  first_refusal_ = Duration{-1};
  rate_ = std::max(kMinRate, rate_before_cut_ * kCut);
  last_cut_ = now;
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
