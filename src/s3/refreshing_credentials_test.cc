#include "s3/refreshing_credentials.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "s3/credential_testing.h"

namespace kedge {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class RefreshingTest : public testing::Test {
 protected:
  // K1, K2, ... that live for `life_`, or `failure_`.
  Result<Credentials> fetch() {
    ++fetches_;
    if (failure_) return *failure_;
    Credentials out;
    out.access_key_id = str_cat("K", same_ ? 1 : fetches_.load());
    out.secret_access_key = "S3CRET";
    out.origin = "a test";
    if (life_) out.expires = clock_.now() + *life_;
    return out;
  }
  std::unique_ptr<CredentialProvider> make() {
    return refreshing_credentials([this](Deadline) { return fetch(); }, clock_, log_);
  }
  static std::string key(CredentialProvider& provider) {
    const auto out = provider.get(Deadline::never());
    return out.ok() ? out->access_key_id : std::string(code_name(out.code()));
  }

  ManualClock clock_;
  KeptLog log_;
  std::atomic<int> fetches_{0};
  bool same_ = false;
  std::optional<Duration> life_ = Duration(hours(1));
  std::optional<Error> failure_;
};

// Credentials are fetched once and used until they are about to end, whatever their life.
TEST_F(RefreshingTest, FetchesAgainOnlyWhenTheEndIsNear) {
  const struct {
    std::optional<Duration> life;
    Duration kept;     // still the first ones
    Duration renewed;  // the next ones
  } cases[] = {
      {Duration(hours(1)), minutes(44), minutes(46)},
      {Duration(hours(12)), minutes(704), minutes(706)},
      {Duration(minutes(15)), minutes(7), minutes(8)},
      {Duration(seconds(3)), Duration(1'400'000), Duration(1'600'000)},
      {std::nullopt, hours(10'000), Duration(0)},
  };
  for (const auto& c : cases) {
    life_ = c.life;
    fetches_ = 0;
    const auto provider = make();
    EXPECT_EQ(key(*provider), "K1");
    clock_.advance(c.kept);
    EXPECT_EQ(key(*provider), "K1") << c.kept.count();
    if (!c.life) continue;
    clock_.advance(c.renewed - c.kept);
    EXPECT_EQ(key(*provider), "K2") << c.renewed.count();
    EXPECT_EQ(fetches_, 2);
  }
}

// A source that is down for a while hurts nobody whose credentials are still good, and is not asked
// at every call.
TEST_F(RefreshingTest, AFailedRefreshIsAWarningWhileTheOldOnesServe) {
  const auto provider = make();
  EXPECT_EQ(key(*provider), "K1");
  clock_.advance(minutes(55));
  failure_ = Error{Code::kUnavailable, "STS is down"};
  for (int i = 0; i < 100; ++i) EXPECT_EQ(key(*provider), "K1");
  EXPECT_EQ(fetches_, 2);
  EXPECT_NE(log_.warnings().find("a test could not be refreshed: STS is down; the old ones serve"),
            std::string::npos);
  clock_.advance(kRefreshPause);
  EXPECT_EQ(key(*provider), "K1");
  EXPECT_EQ(fetches_, 3);
  clock_.advance(minutes(6));
  EXPECT_EQ(key(*provider), "unavailable") << "they have ended";
  failure_.reset();
  EXPECT_EQ(key(*provider), "K5") << "and nothing waits once they have";
}

TEST_F(RefreshingTest, WithoutAnyTheErrorIsTheSourcesOwn) {
  failure_ = Error{Code::kDenied, "no AWS credentials"};
  const auto out = make()->get(Deadline::never());
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().message, "no AWS credentials");
  EXPECT_EQ(log_.warnings(), "");
}

// A store's refusal of the same credentials, by however many callers, costs one fetch.
TEST_F(RefreshingTest, ARefusalFetchesAnewOnce) {
  const auto provider = make();
  const Credentials first = *provider->get(Deadline::never());
  provider->refused(first);
  EXPECT_EQ(key(*provider), "K2");
  for (int i = 0; i < 10; ++i) {
    provider->refused(first);
    EXPECT_EQ(key(*provider), "K2");
  }
  EXPECT_EQ(fetches_, 2);
}

// A source that gives the refused ones again is not asked for them by each caller.
TEST_F(RefreshingTest, ASourceThatKnowsNothingBetterIsLeftAlone) {
  same_ = true;
  const auto provider = make();
  const Credentials first = *provider->get(Deadline::never());
  for (int i = 0; i < 10; ++i) {
    provider->refused(first);
    EXPECT_EQ(key(*provider), "K1");
  }
  EXPECT_EQ(fetches_, 2);
  clock_.advance(kRefreshPause);
  provider->refused(first);
  EXPECT_EQ(key(*provider), "K1");
  EXPECT_EQ(fetches_, 3);
}

// What a store has refused is not used again because the source is down.
TEST_F(RefreshingTest, RefusedCredentialsDoNotServe) {
  const auto provider = make();
  provider->refused(*provider->get(Deadline::never()));
  failure_ = Error{Code::kUnavailable, "down"};
  EXPECT_EQ(key(*provider), "unavailable");
}

// With a clock that is an hour ahead everything seems to have ended; the store decides.
TEST_F(RefreshingTest, CredentialsThatSeemToHaveEndedAreUsedWithAWarning) {
  life_ = -Duration(minutes(5));
  const auto provider = make();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(key(*provider), "K1");
  EXPECT_EQ(fetches_, 1);
  EXPECT_NE(log_.warnings().find("before they came"), std::string::npos);
  clock_.advance(kDoubtfulLife);
  EXPECT_EQ(key(*provider), "K2");
}

// A clock that jumps ahead, as after a night's sleep, ends what has ended.
TEST_F(RefreshingTest, AJumpOfTheWallClockCounts) {
  const auto provider = make();
  EXPECT_EQ(key(*provider), "K1");
  clock_.set_skew(hours(2));
  EXPECT_EQ(key(*provider), "K2");
}

// Lets a fetch wait in the middle until the test says.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void await(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

// Sixteen threads that need credentials at once are one fetch, good or bad.
TEST_F(RefreshingTest, ManyThreadsAreOneFetch) {
  for (const bool fails : {false, true}) {
    fetches_ = 0;
    Gate gate;
    const auto provider = refreshing_credentials(
        [&](Deadline) -> Result<Credentials> {
          gate.pass();
          if (fails) {
            ++fetches_;
            return Error{Code::kDenied, "no"};
          }
          return fetch();
        },
        clock_, log_);
    std::atomic<int> begun{0};
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
      threads.emplace_back([&] {
        ++begun;
        begun.notify_all();
        const auto out = provider->get(Deadline::never());
        if (out.ok() != fails && (fails || out->access_key_id == "K1")) ++good;
      });
    }
    gate.await(1);
    for (int seen = begun; seen < 16; seen = begun) begun.wait(seen);
    gate.open();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 16);
    // Of the bad ones, a thread that came after the landing may have asked again.
    EXPECT_TRUE(fails || fetches_ == 1) << fetches_;
  }
}

// In the advisory window nobody waits for the one who refreshes.
TEST_F(RefreshingTest, OthersGoOnWhileOneRefreshesEarly) {
  Gate gate;
  const auto provider = refreshing_credentials(
      [&](Deadline) {
        if (fetches_ > 0) gate.pass();
        return fetch();
      },
      clock_, log_);
  EXPECT_EQ(key(*provider), "K1");
  clock_.advance(minutes(46));
  std::string early;
  std::thread leader([&] { early = key(*provider); });
  gate.await(1);
  EXPECT_EQ(key(*provider), "K1") << "this thread would hang here";
  gate.open();
  leader.join();
  EXPECT_EQ(early, "K2");
  EXPECT_EQ(key(*provider), "K2");
}

// A caller with less patience than the one who fetches gives up at its own deadline.
TEST_F(RefreshingTest, WaitingEndsAtTheCallersDeadline) {
  Gate gate;
  const auto provider = refreshing_credentials(
      [&](Deadline) {
        gate.pass();
        return fetch();
      },
      clock_, log_);
  std::thread leader([&] { EXPECT_EQ(key(*provider), "K1"); });
  gate.await(1);
  const auto out = provider->get(Deadline::after(clock_, Duration(0)));
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.code(), Code::kUnavailable);
  gate.open();
  leader.join();
}

// The failure of somebody with no time left is not that of a caller with plenty.
TEST_F(RefreshingTest, AFailureForLackOfTimeIsTriedAgainByWhoHasTime) {
  Gate gate;
  const auto provider = refreshing_credentials(
      [&](Deadline deadline) -> Result<Credentials> {
        if (deadline.at == Duration::max()) return fetch();
        gate.pass();
        return Error{Code::kUnavailable, "the deadline"};
      },
      clock_, log_);
  std::thread hasty([&] { EXPECT_FALSE(provider->get(Deadline::after(clock_, seconds(1))).ok()); });
  gate.await(1);
  std::string patient;
  std::thread other([&] { patient = key(*provider); });
  gate.open();
  hasty.join();
  other.join();
  EXPECT_EQ(patient, "K1");
}

// A fetch of the parent's does not exist for a child, which would wait for it for ever.
TEST_F(RefreshingTest, AChildOfForkFetchesForItself) {
  Gate gate;
  std::atomic<bool> in_child{false};
  const auto provider = refreshing_credentials(
      [&](Deadline) {
        if (!in_child) gate.pass();
        return fetch();
      },
      clock_, log_);
  std::thread leader([&] { key(*provider); });
  gate.await(1);
  const pid_t child = ::fork();
  if (child == 0) {
    in_child = true;
    ::_exit(key(*provider) == "K1" ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  gate.open();
  leader.join();
}

}  // namespace
}  // namespace kedge
