// The limiter beside a simulated bucket that lets a number of requests through each second.
#include "s3/rate_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <queue>

namespace kedge {
namespace {

constexpr Duration kLatency = std::chrono::milliseconds(30);

// A token bucket, as stores throttle.
class Bucket {
 public:
  explicit Bucket(double rate) : rate_(rate), tokens_(rate / 10) {}
  void set_rate(double rate) { rate_ = rate; }
  bool takes(Duration now) {
    const double since = std::chrono::duration<double>(now - last_).count();
    tokens_ = std::min(rate_ / 10, tokens_ + since * rate_);
    last_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double rate_;
  double tokens_;
  Duration last_{0};
};

struct Totals {
  std::uint64_t sent = 0;
  std::uint64_t good = 0;
};

// `workers` that each send one request after the other, from `begin` to `end`.
Totals run(RateLimiter& limiter, Bucket& bucket, int workers, Duration begin, Duration end) {
  struct Event {
    Duration at;
    bool answer;  // else a worker that wants to send
    bool good;
    bool operator<(const Event& other) const { return at > other.at; }
  };
  std::priority_queue<Event> events;
  Totals totals;
  for (int i = 0; i < workers; ++i) events.push({begin, false, false});
  while (!events.empty() && events.top().at < end) {
    const Event event = events.top();
    events.pop();
    if (event.answer) {
      limiter.answered(1, event.good ? 0 : 1, event.at);
      totals.good += event.good;
      events.push({event.at, false, false});
    } else if (const Duration wait = limiter.take(1, event.at); wait > Duration{0}) {
      events.push({event.at + wait, false, false});
    } else {
      ++totals.sent;
      events.push({event.at + kLatency, true, bucket.takes(event.at)});
    }
  }
  return totals;
}

TEST(RateLimiter, DoesNotLimitWhatIsNotThrottled) {
  RateLimiter limiter;
  Bucket bucket(1e9);
  const Totals totals = run(limiter, bucket, 64, Duration{0}, std::chrono::seconds(5));
  EXPECT_EQ(limiter.rate(), 0);
  EXPECT_LE(totals.sent - totals.good, 64U);  // those without an answer yet
}

// R34: at a limit of 3,500 writes a second at least 80 % of it goes through, and not by asking for
// much more.
TEST(RateLimiter, UsesMostOfAThrottledBucket) {
  for (const int workers : {120, 500}) {
    RateLimiter limiter;
    Bucket bucket(3500);
    run(limiter, bucket, workers, Duration{0}, std::chrono::seconds(5));
    const Totals steady =
        run(limiter, bucket, workers, std::chrono::seconds(5), std::chrono::seconds(20));
    std::printf(
        "note: at 3,500 PUT/s %d workers have %.1f %% of it through, %.1f %% of what they send is "
        "refused\n",
        workers, static_cast<double>(steady.good) / (35.0 * 15),
        100.0 * static_cast<double>(steady.sent - steady.good) / static_cast<double>(steady.sent));
    EXPECT_GE(steady.good, 3500 * 15 * 8 / 10) << workers << " workers";
    EXPECT_LE(steady.sent, 3500 * 15 * 13 / 10) << workers << " workers";
  }
}

// R34: where everything is refused, what is asked halves within a second, and comes back after.
TEST(RateLimiter, HalvesWhereEverythingIsRefusedAndRecovers) {
  RateLimiter limiter;
  Bucket bucket(3500);
  run(limiter, bucket, 256, Duration{0}, std::chrono::seconds(10));
  const double before = limiter.rate();
  bucket.set_rate(0);
  run(limiter, bucket, 256, std::chrono::seconds(10), std::chrono::seconds(11));
  EXPECT_LE(limiter.rate(), before / 2);
  bucket.set_rate(3500);
  run(limiter, bucket, 256, std::chrono::seconds(11), std::chrono::seconds(31));
  const Totals after =
      run(limiter, bucket, 256, std::chrono::seconds(31), std::chrono::seconds(41));
  EXPECT_GE(after.good, 3500 * 10 * 8 / 10);
}

// A limit that is long gone is forgotten.
TEST(RateLimiter, ForgetsALimitThatIsGone) {
  RateLimiter limiter;
  limiter.answered(100, 100, std::chrono::seconds(1));
  limiter.answered(100, 100, std::chrono::seconds(2));
  EXPECT_GT(limiter.rate(), 0);
  EXPECT_EQ(limiter.take(1, std::chrono::seconds(120)), Duration{0});
  EXPECT_EQ(limiter.rate(), 0);
}

}  // namespace
}  // namespace kedge
