// The rest of the rules of docs/commit.md: dropping and making again, pins, rollback, features,
// limits, heads that do not parse.
#include <gtest/gtest.h>

#include <map>

#include "commit/history.h"
#include "commit/testing.h"
#include "store/hook_store.h"

namespace kedge {
namespace {

using std::chrono::hours;

class Rules : public testing::Test {
 protected:
  void SetUp() override { head_ = must_commit(log_.create(first_draft(), soon())); }
  Deadline soon() { return writer_.soon(); }
  void append(const std::string& line) {
    head_ = must_commit(log_.commit(head_, append_line(line, writer_.random), soon()));
  }
  void drop() {
    head_ = must_commit(log_.commit(
        head_,
        [](const HeadPtr&) -> Result<Draft> {
          Draft draft;
          draft.dropped = true;
          return draft;
        },
        soon()));
  }
  CommitOutcome amend(std::function<void(Envelope&)> change) {
    return log_.commit(
        log_.read(soon()).value(),
        [&](const HeadPtr& base) -> Result<Draft> {
          Draft draft = unchanged(base).value();
          draft.amend = change;
          return draft;
        },
        soon());
  }

  FakeStore base_;
  Writer writer_{base_};
  HeadLog& log_ = writer_.head_log;
  HeadPtr head_;
};

// Rule 1: dropped is a state of the head, which is never deleted; its lineage goes on.
TEST_F(Rules, ADroppedIndexTakesNoCommitsAndIsMadeAgainUponItsHead) {
  append("a");
  const HeadPtr before = head_;
  drop();
  EXPECT_TRUE(log_.read(soon()).value()->envelope.dropped);
  EXPECT_EQ(reason_code(log_.commit(head_, unchanged, soon())), Code::kNotFound);
  EXPECT_EQ(reason_code(log_.commit(before, unchanged, soon())), Code::kNotFound) << "by rebase";
  const HeadPtr again = must_commit(log_.create(first_draft(), soon()));
  EXPECT_EQ(again->envelope.generation, 4U);
  EXPECT_EQ(again->envelope.parent_id, head_->envelope.commit_id);
  EXPECT_FALSE(again->envelope.dropped);
  EXPECT_EQ(reason_code(log_.create(first_draft(), soon())), Code::kConflict);
  EXPECT_EQ(writer_.store.calls_of("remove"), 0U);
}

TEST_F(Rules, ADropIsUndoneByRollback) {
  append("a");
  const HeadPtr before = head_;
  drop();
  const HeadPtr back = must_commit(log_.rollback(before->envelope.generation, soon()));
  EXPECT_EQ(back->envelope.files, before->envelope.files);
  EXPECT_EQ(back->envelope.payload, before->envelope.payload);
  EXPECT_EQ(reason_code(log_.rollback(3, soon())), Code::kInvalid) << "to the dropped state";
}

TEST_F(Rules, RollbackIsANewGenerationWithOldContents) {
  append("a");
  append("b");
  const HeadPtr back = must_commit(log_.rollback(2, soon()));
  EXPECT_EQ(back->envelope.generation, 4U);
  EXPECT_EQ(payload_text(back), "first\na\n");
  EXPECT_EQ(log_.rollback(9, soon()).index(), 1U);
  EXPECT_EQ(reason_code(log_.rollback(9, soon())), Code::kNotFound);
  EXPECT_EQ(reason_code(log_.rollback(0, soon())), Code::kNotFound);
}

TEST_F(Rules, PinsHaveNamesAndHoldGenerations) {
  append("a");
  must_commit(log_.add_pin("v1", 1, soon()));
  must_commit(log_.add_pin("a-first", 2, soon()));
  const auto pins = log_.read(soon()).value()->envelope.pins;
  ASSERT_EQ(pins.size(), 2U);
  EXPECT_EQ(pins[0].name, "a-first");
  EXPECT_EQ(pins[0].commit_id, head_->envelope.commit_id);
  EXPECT_EQ(pins[1].generation, 1U);
  EXPECT_EQ(reason_code(log_.add_pin("v1", 2, soon())), Code::kConflict);
  EXPECT_EQ(reason_code(log_.add_pin("no spaces", 2, soon())), Code::kInvalid);
  EXPECT_EQ(reason_code(log_.add_pin("later", 99, soon())), Code::kNotFound);
  EXPECT_EQ(reason_code(log_.remove_pin("nobody", soon())), Code::kNotFound);
  must_commit(log_.remove_pin("v1", soon()));
  EXPECT_EQ(log_.read(soon()).value()->envelope.pins.size(), 1U);
  EXPECT_EQ(payload_text(log_.read(soon()).value()), "first\na\n");
}

// Whoever amends pins by himself is held to the same: a pin on what is gone would promise files.
TEST_F(Rules, AnAmendMayChangePinsAndTimesOnly) {
  append("a");
  EXPECT_EQ(reason_code(amend([](Envelope& e) { e.gc_floor = {1}; })), Code::kInvalid);
  EXPECT_EQ(reason_code(amend([](Envelope& e) { e.retained_from = 2; })), Code::kInvalid);
  EXPECT_EQ(reason_code(amend([](Envelope& e) { e.files.clear(); })), Code::kInvalid);
  EXPECT_EQ(reason_code(amend([](Envelope& e) { e.commit_id = e.parent_id; })), Code::kInvalid);
  EXPECT_EQ(reason_code(amend([](Envelope& e) { e.grace = hours(1); })), Code::kInvalid);
  EXPECT_EQ(reason_code(amend([](Envelope& e) { e.retention = e.grace - hours(1); })),
            Code::kInvalid);
  must_commit(amend([](Envelope& e) { e.retention = hours(100); }));
  EXPECT_EQ(log_.read(soon()).value()->envelope.retention, hours(100));

  CollectOptions options;
  options.is_ours = [](std::string_view) { return true; };
  for (int i = 0; i < 2; ++i) {
    base_.advance(hours(200));
    ASSERT_TRUE(collect(log_, options, soon()).ok());
  }
  const Id128 id = head_->envelope.commit_id;
  EXPECT_EQ(reason_code(amend([&](Envelope& e) {
              e.pins = {{"gone", 1, id, {}}};
            })),
            Code::kExpired);
}

TEST_F(Rules, HeadsThatNeedAnUnknownFeatureAreRefusedByName) {
  must_commit(amend([](Envelope& e) { e.features = {"planes-9"}; }));
  const auto read = log_.read(soon());
  EXPECT_EQ(read.code(), Code::kUnsupported);
  EXPECT_NE(read.error().message.find("'planes-9'"), std::string::npos);
  EXPECT_EQ(reason_code(log_.commit(head_, unchanged, soon())), Code::kUnsupported);
  CollectOptions options;
  options.is_ours = [](std::string_view) { return true; };
  EXPECT_EQ(collect(log_, options, soon()).code(), Code::kUnsupported);
  HeadLogOptions knowing;
  knowing.known_features = {"planes-9"};
  HeadLog newer(base_, "ix/", writer_.clock, writer_.random, writer_.log, knowing);
  EXPECT_TRUE(newer.read(soon()).ok());
}

TEST_F(Rules, AHeadOverItsLimitIsRefusedBeforeAnythingIsSent) {
  const std::size_t calls = writer_.store.calls();
  const auto outcome = log_.commit(
      head_,
      [](const HeadPtr&) -> Result<Draft> {
        Draft draft;
        draft.payload.resize(kMaxHeadBytes);
        return draft;
      },
      soon());
  EXPECT_EQ(reason_code(outcome), Code::kExhausted);
  EXPECT_EQ(writer_.store.calls(), calls);
}

// A rebased draft that puts the same key again does not upload it twice, and may not change it.
TEST_F(Rules, APutIsPutOnceHoweverOftenItIsRebased) {
  Writer other(base_, 9);
  writer_.store.set_script([&, left = 3](const ScriptedCall& call) mutable {
    if (call.operation == "swap" && left-- > 0) {
      const HeadPtr head = other.head_log.read(other.soon()).value();
      must_commit(other.head_log.commit(head, append_line("other", other.random), other.soon()));
    }
    return Fault::kNone;
  });
  append("mine");
  EXPECT_EQ(payload_text(head_), "first\nother\nother\nother\nmine\n");
  EXPECT_EQ(writer_.store.calls_of("put"), 1U);

  writer_.store.set_script([&, left = 1](const ScriptedCall& call) mutable {
    if (call.operation == "swap" && left-- > 0) {
      const HeadPtr head = other.head_log.read(other.soon()).value();
      must_commit(other.head_log.commit(head, append_line("other", other.random), other.soon()));
    }
    return Fault::kNone;
  });
  int built = 0;
  const std::string key = file_name(writer_.random);
  const auto outcome = log_.commit(
      head_,
      [&](const HeadPtr& base) -> Result<Draft> {
        Draft draft = unchanged(base).value();
        draft.files.push_back({key, 1});
        draft.puts.push_back({{key, 1}, to_bytes(built++ == 0 ? "a" : "b")});
        return draft;
      },
      soon());
  EXPECT_EQ(reason_code(outcome), Code::kInvalid);
}

TEST_F(Rules, HistoryListsTheNewestRetainedFirst) {
  for (int i = 0; i < 40; ++i) append(std::to_string(i));
  const auto some = log_.history(5, soon()).value();
  ASSERT_EQ(some.size(), 5U);
  for (std::size_t i = 0; i < some.size(); ++i) EXPECT_EQ(some[i]->envelope.generation, 41 - i);
  EXPECT_EQ(log_.history(0, soon()).value().size(), 0U);
  EXPECT_EQ(log_.history(1000, soon()).value().size(), 41U);
  for (std::uint64_t g = 1; g <= 41; ++g)
    EXPECT_EQ(log_.read_generation(g, soon()).value()->envelope.generation, g);
  EXPECT_EQ(log_.read_generation(42, soon()).code(), Code::kNotFound);
}

// Rule 10: damage on the way is read again; damage that stays makes readers go to history, loudly,
// and stops writers and collections; nothing damaged gets into history.
TEST_F(Rules, AHeadThatDoesNotParseIsReadFromHistoryAndRepaired) {
  append("a");
  append("b");
  const HeadPtr lost = head_;
  base_.damage("ix/head", 130);
  const HeadPtr recovered = log_.read(soon()).value();
  EXPECT_TRUE(recovered->recovered);
  EXPECT_EQ(payload_text(recovered), "first\na\n");
  EXPECT_FALSE(writer_.log.lines.empty());
  EXPECT_EQ(reason_code(log_.commit(recovered, unchanged, soon())), Code::kCorrupt);
  CollectOptions options;
  options.is_ours = [](std::string_view) { return true; };
  EXPECT_EQ(collect(log_, options, soon()).code(), Code::kCorrupt);
  options.dry_run = true;
  EXPECT_EQ(collect(log_, options, soon()).code(), Code::kCorrupt);
  EXPECT_EQ(log_.create(first_draft(), soon()).index(), 1U);

  const FileRef found = lost->envelope.files.back();
  const HeadPtr repaired = must_commit(log_.repair(
      [&](const HeadPtr& newest) -> Result<Draft> {
        Draft draft = unchanged(newest).value();
        for (const FileRef& file : lost->envelope.files) {
          const auto& had = newest->envelope.files;
          if (std::find(had.begin(), had.end(), file) != had.end()) continue;
          draft.files.push_back(file);
          draft.uploaded.push_back({file, base_.now(Deadline::never()).value()});
        }
        return draft;
      },
      soon()));
  EXPECT_EQ(repaired->envelope.generation, 4U) << "newest + 2: the lost head was 3";
  EXPECT_EQ(repaired->envelope.files, lost->envelope.files);
  EXPECT_EQ(keys_of(base_, "ix/history/").size(), 2U);
  EXPECT_EQ(log_.repair([](const HeadPtr& h) { return unchanged(h); }, soon()).index(), 1U);
  EXPECT_EQ(log_.read_generation(3, soon()).code(), Code::kNotFound);
  EXPECT_TRUE(log_.read_generation(2, soon()).ok());
  head_ = repaired;
  append("c");
  options.dry_run = false;
  base_.advance(hours(5));
  EXPECT_TRUE(collect(log_, options, soon()).ok()) << "the gap is no lost history";
}

TEST_F(Rules, AHeadThatIsGoneIsRecoveredLikeOneThatIsDamaged) {
  append("a");
  const std::string key = "ix/head";
  ASSERT_TRUE(base_.remove(std::span(&key, 1), Deadline::never()).front().ok());
  EXPECT_TRUE(log_.read(soon()).value()->recovered);
  EXPECT_EQ(reason_code(log_.create(first_draft(), soon())), Code::kCorrupt);
  const HeadPtr repaired =
      must_commit(log_.repair([](const HeadPtr& h) { return unchanged(h); }, soon()));
  EXPECT_EQ(repaired->envelope.generation, 3U);
}

// Whoever looks for a head before it is made, and lists history after the commit that followed, has
// seen no damage.
TEST_F(Rules, AHeadThatIsMadeWhileItIsLookedForIsNotTakenForLost) {
  append("a");
  const std::string key = "ix/head";
  ReadRequest request;
  request.key = key;
  const Bytes head = read_one(base_, request, Deadline::never()).value().body;
  ASSERT_TRUE(base_.remove(std::span(&key, 1), Deadline::never()).front().ok());
  HookStore late(base_, [&](const Call& call, Moment moment) {
    if (call.operation != Operation::kList || moment != Moment::kBefore) return;
    EXPECT_TRUE(put_one(base_, key, head, Deadline::never()).ok());
  });
  KeepingLog said;
  HeadLog log(late, "ix/", writer_.clock, writer_.random, said, {});
  const auto found = log.read(soon());
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_FALSE((*found)->recovered);
  EXPECT_EQ((*found)->envelope.generation, 2U);
  EXPECT_TRUE(said.lines.empty()) << said.lines.front();
}

TEST_F(Rules, DamageOnTheWayIsReadAgain) {
  append("a");
  struct FlipOnce final : ObjectStore {
    explicit FlipOnce(FakeStore& base) : base_(base) {}
    std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline d) override {
      auto results = base_.read(requests, d);
      if (!flipped_) results[0]->body[50] ^= std::byte{1};
      flipped_ = true;
      return results;
    }
    std::vector<Result<Stat>> stat(std::span<const ReadRequest> r, Deadline d) override {
      return base_.stat(r, d);
    }
    std::vector<Result<Written>> put(std::span<const PutRequest> r, Deadline d) override {
      return base_.put(r, d);
    }
    Result<Written> create(std::string_view k, ByteView b, Deadline d) override {
      return base_.create(k, b, d);
    }
    Result<Written> swap(std::string_view k, const Tag& t, ByteView b, Deadline d) override {
      return base_.swap(k, t, b, d);
    }
    std::vector<Result<void>> remove(std::span<const std::string> k, Deadline d) override {
      return base_.remove(k, d);
    }
    std::unique_ptr<Listing> list(std::string_view p, std::string_view a) override {
      return base_.list(p, a);
    }
    Result<Timestamp> now(Deadline d) override { return base_.now(d); }
    [[nodiscard]] std::string describe() const override { return "flipping"; }
    FakeStore& base_;
    bool flipped_ = false;
  } flipping(base_);
  HeadLog reader(flipping, "ix/", writer_.clock, writer_.random, writer_.log, {});
  const HeadPtr head = reader.read(soon()).value();
  EXPECT_FALSE(head->recovered);
  EXPECT_EQ(head->envelope, head_->envelope);
}

// While the head does not parse, a commit in doubt is told by history if others have gone past it.
TEST_F(Rules, DoubtUnderADamagedHeadIsToldByHistory) {
  Writer other(base_, 9);
  writer_.store.set_script([&, state = 0](const ScriptedCall& call) mutable {
    if (state == 1) {
      state = 2;
      const HeadPtr head = other.head_log.read(other.soon()).value();
      must_commit(other.head_log.commit(head, append_line("other", other.random), other.soon()));
      base_.damage("ix/head", 60);
    }
    if (call.operation != "swap") return Fault::kNone;
    state = 1;
    return Fault::kFailAfter;
  });
  append("mine");
  EXPECT_EQ(head_->envelope.generation, 2U);
}

TEST(HistoryKeys, ParseWhatTheyPrintAndNothingElse) {
  SeededRandom random(4);
  const Id128 id = Id128::random(random);
  const std::string key = history_key(17, id);
  EXPECT_EQ(key, "history/00000000000000000017-" + id.hex());
  EXPECT_EQ(parse_history_key(key)->generation, 17U);
  EXPECT_EQ(parse_history_key(key)->commit_id, id);
  EXPECT_EQ(parse_history_key(history_key(UINT64_MAX, id))->generation, UINT64_MAX);
  for (const std::string& bad :
       {std::string("history/"), key + "0", key.substr(1),
        "history/0000000000000000001x-" + id.hex(), "history/00000000000000000000-" + id.hex(),
        "history/99999999999999999999-" + id.hex(), "history/00000000000000000017_" + id.hex(),
        "x" + key})
    EXPECT_FALSE(parse_history_key(bad).has_value()) << bad;
}

}  // namespace
}  // namespace kedge
