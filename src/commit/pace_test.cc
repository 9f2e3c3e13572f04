#include "commit/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "base/random.h"

namespace kedge {
namespace {

constexpr Duration kAttempt = std::chrono::milliseconds(100);

// A head that grows by commits of many handles, as one of them sees it.
class Heads {
 public:
  Heads() { commit(pace_); }

  Pace& pace() { return pace_; }
  Duration now() const { return now_; }
  // One more generation by `writer`, `after` the last.
  void commit(Pace& writer, Duration after = kAttempt) {
    now_ += after;
    Id128 id = Id128::random(random_);
    writer.mark(id);
    head_.commit_id = id;
    head_.recent.insert(head_.recent.begin(), {++head_.generation, id});
    if (head_.recent.size() > kRecentPairs) head_.recent.pop_back();
  }
  void see() { pace_.saw(head_, now_); }
  // Another read of the head, where nothing happened.
  void pass(Duration time) { now_ += time; }

 private:
  SeededRandom random_{5};
  Pace pace_;
  Envelope head_;
  Duration now_{0};
};

// A lone writer never waits before it has lost a race, whatever it commits itself.
TEST(PaceTest, NobodyElseIsNoReasonToWait) {
  Heads heads;
  EXPECT_EQ(heads.pace().window(0, heads.now()), Duration(0));
  for (int g = 0; g < 200; ++g) {
    heads.see();
    heads.pace().took(kAttempt);
    EXPECT_EQ(heads.pace().writers(heads.now()), 1U);
    EXPECT_EQ(heads.pace().window(0, heads.now()), Duration(0));
    heads.commit(heads.pace());
  }
}

// The window is twice the time that the others need, less for who lost often, and known from heads
// alone.
TEST(PaceTest, AWriterWaitsAsLongAsThereAreOthers) {
  Heads heads;
  std::deque<Pace> others(10);
  heads.see();
  heads.pace().took(kAttempt);
  for (int round = 0; round < 7; ++round) {
    for (Pace& other : others) heads.commit(other);
  }
  heads.see();
  EXPECT_EQ(heads.pace().writers(heads.now()), 11U);
  EXPECT_EQ(heads.pace().window(0, heads.now()), 20 * kAttempt);
  EXPECT_EQ(heads.pace().window(2, heads.now()), 10 * kAttempt);
  EXPECT_EQ(heads.pace().window(8, heads.now()), 4 * kAttempt);
  // They went home.
  heads.pass(std::chrono::minutes(5));
  EXPECT_EQ(heads.pace().window(0, heads.now()), Duration(0));
}

// Commits of others, but with much time between them, are not waited for.
TEST(PaceTest, OthersThatCommitRarelyAreNoCrowd) {
  Heads heads;
  Pace other;
  heads.pace().took(kAttempt);
  for (int g = 0; g < 50; ++g) {
    heads.see();
    heads.commit(other, std::chrono::seconds(1));
  }
  EXPECT_EQ(heads.pace().window(0, heads.now()), Duration(0));
}

// Who has just come and loses does not know how many there are: twice as long after every race.
TEST(PaceTest, ANewcomerDoublesItsWindow) {
  Heads heads;
  heads.see();
  heads.pace().took(kAttempt);
  EXPECT_EQ(heads.pace().window(1, heads.now()), 2 * kAttempt);
  EXPECT_EQ(heads.pace().window(3, heads.now()), 8 * kAttempt);
  EXPECT_EQ(heads.pace().window(100, heads.now()), 128 * kAttempt);
  heads.pace().took(std::chrono::hours(1));
  EXPECT_LE(heads.pace().window(100, heads.now()), Pace::kMaxWindow);
}

// Ids of one handle share their beginning and nothing else.
TEST(PaceTest, IdsShowTheirHandle) {
  SeededRandom random(3);
  Pace pace;
  Id128 ids[2] = {Id128::random(random), Id128::random(random)};
  const Id128 first = ids[0];
  for (Id128& id : ids) pace.mark(id);
  EXPECT_EQ(ids[0], first);
  EXPECT_TRUE(std::equal(ids[0].bytes.begin(), ids[0].bytes.begin() + 4, ids[1].bytes.begin()));
  EXPECT_NE(ids[0], ids[1]);
}

}  // namespace
}  // namespace kedge
