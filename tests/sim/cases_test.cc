// Histories that chance would hardly find, step by step.
#include "tests/sim/play.h"

namespace kedge::sim {
namespace {

using std::chrono::hours;

bool is_swap(const Call& call) { return call.operation == Operation::kSwap; }

class Cases : public testing::Test {
 protected:
  void TearDown() override { play_.checker().look(); }

  ObjectKey key(std::size_t i) const { return play_.keys()[i]; }
  std::vector<ObjectKey> range(std::size_t first, std::size_t last) const {
    return {play_.keys().begin() + static_cast<std::ptrdiff_t>(first),
            play_.keys().begin() + static_cast<std::ptrdiff_t>(last)};
  }
  // The bucket gets new versions of the keys, and the director commits them.
  void sync(const std::vector<ObjectKey>& keys) {
    for (const ObjectKey& key : keys) play_.put(key);
    play_.world().clock.advance(std::chrono::minutes(1));
    must(play_.commit(play_.direct(), keys, play_.world().soon()));
  }
  // An actor that commits what it sees of the keys, with all the time of the world.
  std::size_t add_writer(Machine& machine, std::vector<ObjectKey> keys) {
    return play_.stage().add([this, &machine, keys = std::move(keys)] {
      Index* index = machine.index();
      result_ = play_.commit(*index, keys, Deadline::never());
    });
  }
  bool is_live(const ObjectKey& key) { return live().contains(key); }
  const State& live() { return *play_.checker().state(play_.checker().newest()); }
  CollectReport collect() { return must(play_.direct().collect({}, play_.world().soon())); }

  Play play_{{.seed = 5, .steps = 0}};
  Result<CommitReport> result_ = Error{Code::kInternal, "not ended"};
};

// Rule 5: its files were put, and collected while it slept; nobody else wrote anything.
TEST_F(Cases, AWriterThatSleptOnAnIdleIndexCannotNameWhatWasCollected) {
  sync(range(0, 3));
  play_.put(key(5));
  const std::size_t writer = add_writer(play_.add_machine(false), {key(5)});
  ASSERT_TRUE(play_.stage().release_until(writer, is_swap));
  play_.world().clock.advance(hours(30));
  EXPECT_GT(collect().removed, 0U) << "the sleeper's files, named by none";
  play_.stage().finish(writer);
  ASSERT_FALSE(result_.ok());
  EXPECT_EQ(result_.code(), Code::kExpired);
  EXPECT_FALSE(is_live(key(5)));
  play_.checker().check_files_of_retained();
}

// As above, but it had put nothing yet: what it puts now is young, which it cannot know without
// asking for the time again. It is refused for certain, and the next try counts.
TEST_F(Cases, AWriterThatSleptBeforeItPutAnythingIsRefusedAndTriesAgain) {
  sync(range(0, 3));
  play_.put(key(5));
  const std::size_t writer = add_writer(play_.add_machine(false), {key(5)});
  ASSERT_TRUE(play_.stage().release_until(
      writer, [](const Call& call) { return call.operation == Operation::kPut; }));
  play_.world().clock.advance(hours(30));
  collect();
  play_.stage().finish(writer);
  ASSERT_FALSE(result_.ok());
  EXPECT_EQ(result_.code(), Code::kExpired);
  EXPECT_FALSE(is_live(key(5)));
  play_.stage().finish(add_writer(play_.add_machine(false), {key(5)}));
  ASSERT_TRUE(result_.ok()) << result_.error().message;
  EXPECT_TRUE(is_live(key(5)));
}

// Rule 4: g+1 left the head's pairs and the history; only "unknown" is true.
class InDoubt : public Cases, public testing::WithParamInterface<Fault> {};

TEST_P(InDoubt, ACommitOf300GenerationsAgoHasOneEffectOrNone) {
  sync(range(0, 3));
  play_.put(key(5));
  Machine& machine = play_.add_machine(false);
  const std::size_t writer = add_writer(machine, {key(5)});
  ASSERT_TRUE(play_.stage().release_until(writer, is_swap));
  FaultRule rule;
  rule.fault = GetParam();
  rule.operation = Operation::kSwap;
  machine.faults().add(rule);
  play_.stage().release(writer);  // the swap; next it wants to read who holds g+1
  const std::uint64_t then = play_.checker().newest();
  EXPECT_EQ(is_live(key(5)), GetParam() == Fault::kAfter);
  for (int i = 0; i < 300; ++i) {
    sync({key(0), key(1)});
    if (i % 100 == 99) collect();
  }
  EXPECT_GE(play_.checker().newest(), then + 300);
  machine.faults().land_all();
  play_.checker().look();
  play_.stage().finish(writer);
  ASSERT_FALSE(result_.ok());
  EXPECT_EQ(result_.code(), Code::kUnavailable) << result_.error().message;
  EXPECT_EQ(is_live(key(5)), GetParam() == Fault::kAfter);
  // The same intents again: no second effect, whatever the first had.
  play_.checker().look();
  must(play_.commit(play_.direct(), {key(5)}, play_.world().soon()));
  EXPECT_TRUE(is_live(key(5)));
}

INSTANTIATE_TEST_SUITE_P(Faults, InDoubt, testing::Values(Fault::kAfter, Fault::kLate),
                         [](const auto& info) {
                           return info.param == Fault::kAfter ? "effect_without_answer"
                                                              : "effect_held_back";
                         });

class MergeRaces : public Cases {
 protected:
  // Small segments, and a merger that has built its merge of them and is about to swap. The
  // director merges nothing.
  void SetUp() override {
    play_.director().options().max_small_segments = 64;
    for (std::size_t i = 0; i < 3; ++i) sync(range(4 * i, 4 * i + 4));
    merger_ = add_merger(merged_);
    ASSERT_TRUE(play_.stage().release_until(merger_, is_swap)) << "nothing was due";
  }
  std::size_t add_merger(std::optional<Result<std::uint64_t>>& result) {
    Machine& machine = play_.add_machine(false);
    machine.options().max_small_segments = 2;
    return play_.stage().add(
        [&machine, &result] { result = machine.index()->maintain(1, Deadline::never()); });
  }

  std::size_t merger_ = 0;
  std::optional<Result<std::uint64_t>> merged_;
};

// Rule 6: deletes and overwrites of what it copied are translated to its numbers.
TEST_F(MergeRaces, AMergeTranslatesDeletesMadeSinceItReadItsInputs) {
  for (const std::size_t i : {1U, 6U, 9U}) play_.erase(key(i));
  for (const std::size_t i : {2U, 7U, 10U}) play_.put(key(i));
  play_.world().clock.advance(std::chrono::minutes(1));
  must(play_.commit(play_.direct(), {key(1), key(6), key(9), key(2), key(7), key(10)},
                    play_.world().soon()));
  const State before = live();
  EXPECT_EQ(before.size(), 9U);
  play_.stage().finish(merger_);
  ASSERT_TRUE(merged_->ok()) << merged_->error().message;
  EXPECT_EQ(**merged_, 1U) << "it gave up";
  EXPECT_EQ(live(), before);
  EXPECT_TRUE(must(play_.direct().check_files(play_.world().soon())).empty());
}

TEST_F(MergeRaces, OfTwoMergesThatShareAnInputTheSecondGivesUp) {
  std::optional<Result<std::uint64_t>> other;
  const std::size_t second = add_merger(other);
  play_.stage().finish(second);
  ASSERT_TRUE(other->ok() && **other == 1) << "the other merge";
  const State before = live();
  play_.stage().finish(merger_);
  ASSERT_TRUE(merged_->ok()) << merged_->error().message;
  EXPECT_EQ(**merged_, 0U);
  EXPECT_EQ(live(), before);
  EXPECT_TRUE(must(play_.direct().check_files(play_.world().soon())).empty());
}

// Rule 8: collected between the look at the head, which is still retained, and the read of the
// body.
TEST_F(Cases, AGenerationThatIsCollectedWhileItIsOpenedHasExpired) {
  sync(range(0, 3));
  const std::uint64_t old = play_.checker().newest();
  sync(range(0, 3));
  Machine& machine = play_.add_machine(false);
  std::optional<Result<SnapshotPtr>> opened;
  const std::size_t reader =
      play_.stage().add([&] { opened = machine.index()->at(old, Deadline::never()); });
  ASSERT_TRUE(play_.stage().release_until(reader, [](const Call& call) {
    return call.operation == Operation::kRead && call.keys[0].starts_with("ix/history/");
  }));
  play_.world().clock.advance(hours(10));
  EXPECT_GT(collect().history_removed, 0U);
  play_.stage().finish(reader);
  ASSERT_FALSE(opened->ok());
  EXPECT_EQ(opened->code(), Code::kExpired) << opened->error().message;
}

// Rule 8: a snapshot is readable for the retention, and says what it is afterwards.
TEST_F(Cases, AReaderOfAnOldGenerationIsToldThatItExpired) {
  sync(range(0, 3));
  Index& index = *play_.add_machine(false).index();
  const SnapshotPtr held = must(index.latest(Deadline::never()));
  sync(range(0, 3));
  while (must(play_.direct().maintain(1, play_.world().soon())) > 0) {
  }
  SearchRequest request;
  request.query = play_.world().query();
  request.space = play_.world().space().id();
  play_.world().clock.advance(hours(2));
  collect();
  EXPECT_TRUE(index.search(held, request, Deadline::never()).ok());
  play_.world().clock.advance(hours(8));
  collect();
  EXPECT_EQ(index.search(held, request, Deadline::never()).code(), Code::kExpired);
}

}  // namespace
}  // namespace kedge::sim
