// Rule 4: what became of a swap whose answer was lost, late, doubled or false. Each case scripts
// the store under one writer, then asks what the writer says and what truly is there.
#include <gtest/gtest.h>

#include <functional>

#include "commit/history.h"
#include "commit/testing.h"

namespace kedge {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class Doubt : public testing::Test {
 protected:
  void SetUp() override { first_ = must_commit(writer_.head_log.create(first_draft(), soon())); }

  Deadline soon() { return writer_.soon(); }
  CommitOutcome commit(std::string line) {
    return writer_.head_log.commit(first_, append_line(std::move(line), writer_.random), soon());
  }
  // Answers the n-th swap (from 0) with `fault`, others truly; `before` runs ahead of the call that
  // follows it.
  void fault_swap(std::size_t n, Fault fault, std::function<void()> then = {}) {
    writer_.store.set_script(
        [=, swaps = std::size_t{0}, armed = false](const ScriptedCall& call) mutable {
          if (armed) {
            armed = false;
            if (then) then();
          }
          if (call.operation != "swap" || swaps++ != n) return Fault::kNone;
          armed = true;
          return fault;
        });
  }
  std::string text() { return payload_text(other_.head_log.read(other_.soon()).value()); }
  // Commits of somebody else, `count` of them.
  void others_commit(int count) {
    for (int i = 0; i < count; ++i) {
      const HeadPtr head = other_.head_log.read(other_.soon()).value();
      must_commit(other_.head_log.commit(head, append_line("other", other_.random), other_.soon()));
    }
  }
  static std::string repeated(std::string_view line, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += line;
    return out;
  }

  FakeStore base_;
  Writer writer_{base_, 1};
  Writer other_{base_, 2};
  HeadPtr first_;
};

// C2: every way in which a swap can happen without a 2xx: the commit is acknowledged, once.
TEST_F(Doubt, LostAnswersAreFoundInTheHead) {
  for (const Fault fault : {Fault::kFailAfter, Fault::kConflictAfter, Fault::kTwice}) {
    const HeadPtr before = writer_.head_log.read(soon()).value();
    const std::string line = str_cat("fault ", static_cast<int>(fault));
    fault_swap(0, fault);
    const std::size_t swaps = writer_.store.calls_of("swap");
    const HeadPtr head =
        must_commit(writer_.head_log.commit(before, append_line(line, writer_.random), soon()));
    EXPECT_EQ(head->envelope.generation, before->envelope.generation + 1);
    EXPECT_EQ(writer_.store.calls_of("swap") - swaps, 1U);
    EXPECT_EQ(text(), payload_text(before) + line + "\n");
  }
}

// A store that takes no swap for good keeps nobody for ever, not even who set no deadline; and one
// that takes no history body ends before anything is in doubt.
TEST_F(Doubt, ACallerWithoutADeadlineIsKeptForMinutesAtMost) {
  for (const char* operation : {"swap", "create"}) {
    writer_.store.set_script([=](const ScriptedCall& call) {
      return call.operation == operation ? Fault::kFailBefore : Fault::kNone;
    });
    const Duration began = writer_.clock.monotonic();
    const CommitOutcome outcome =
        writer_.head_log.commit(first_, append_line("x", writer_.random), Deadline::never());
    const Duration took = writer_.clock.monotonic() - began;
    EXPECT_GE(took, kPatience) << operation;
    EXPECT_LE(took, kPatience + minutes(1)) << operation;
    EXPECT_EQ(std::holds_alternative<UnknownOutcome>(outcome),
              std::string_view(operation) == "swap");
    EXPECT_FALSE(std::holds_alternative<Committed>(outcome)) << operation;
  }
  writer_.store.set_script({});
  EXPECT_EQ(text(), payload_text(first_));
}

// Without an effect the same bytes are sent again, until one answer is definite.
TEST_F(Doubt, SendsTheSameSwapAgainWhileNobodyHoldsTheGeneration) {
  for (const Fault fault : {Fault::kFailBefore, Fault::kConflictOnly, Fault::kDenied}) {
    const HeadPtr before = writer_.head_log.read(soon()).value();
    fault_swap(0, fault);
    const std::size_t swaps = writer_.store.calls_of("swap");
    must_commit(writer_.head_log.commit(before, append_line("x", writer_.random), soon()));
    EXPECT_EQ(writer_.store.calls_of("swap") - swaps, 2U) << static_cast<int>(fault);
    EXPECT_EQ(text(), payload_text(before) + "x\n");
  }
}

// C6: the swap is still under way while its writer sends it again. Whichever lands first, the other
// finds another tag: the line is there once, and the commit is acknowledged.
TEST_F(Doubt, ALateSwapLandsOnceEvenAfterItWasSentAgain) {
  fault_swap(0, Fault::kLate, {});
  const HeadPtr head = must_commit(commit("late"));
  writer_.store.land();
  EXPECT_EQ(text(), "first\nlate\n");
  EXPECT_EQ(writer_.head_log.read(soon()).value()->envelope.commit_id, head->envelope.commit_id);
}

// The late one lands between the read-back that did not see it and the second sending, whose
// conflict is then our own doing.
TEST_F(Doubt, AConflictWithOurOwnEarlierCopyIsSuccess) {
  writer_.store.set_script([&, swaps = 0](const ScriptedCall& call) mutable {
    if (call.operation != "swap") return Fault::kNone;
    if (swaps++ == 0) return Fault::kLate;
    writer_.store.land();
    return Fault::kNone;
  });
  must_commit(commit("once"));
  EXPECT_EQ(text(), "first\nonce\n");
}

// C4: others commit on top before the writer looks: 1 (the pairs tell), 63, 64 and 300 (the name of
// a history body tells).
TEST_F(Doubt, IsFoundUnderTheCommitsOfOthers) {
  for (const int count : {1, 62, 63, 64, 300}) {
    const HeadPtr before = writer_.head_log.read(soon()).value();
    const std::string line = str_cat("under ", count);
    fault_swap(0, Fault::kFailAfter, [&] { others_commit(count); });
    const HeadPtr head =
        must_commit(writer_.head_log.commit(before, append_line(line, writer_.random), soon()));
    EXPECT_EQ(head->envelope.generation, before->envelope.generation + 1) << count;
    EXPECT_EQ(text(), payload_text(before) + line + "\n" + repeated("other\n", count));
  }
}

// The swap never happened, and others hold the generation: rebased and done once. Not by what the
// conflict said, but by who is found there.
TEST_F(Doubt, IsRebasedIfAnotherHoldsTheGeneration) {
  for (const int count : {1, 64, 300}) {
    const HeadPtr before = writer_.head_log.read(soon()).value();
    const std::string line = str_cat("after ", count);
    fault_swap(0, Fault::kFailBefore, [&] { others_commit(count); });
    const HeadPtr head =
        must_commit(writer_.head_log.commit(before, append_line(line, writer_.random), soon()));
    EXPECT_EQ(text(), payload_text(before) + repeated("other\n", count) + line + "\n") << count;
    EXPECT_EQ(head->envelope.generation,
              before->envelope.generation + static_cast<std::uint64_t>(count) + 1);
  }
}

// 300 generations later and nothing retained of them: no answer is better than a wrong one, for a
// swap that happened and for one that did not.
TEST_F(Doubt, StaysUnknownOnceTheGenerationIsCollected) {
  for (const Fault fault : {Fault::kFailAfter, Fault::kFailBefore}) {
    const HeadPtr before = writer_.head_log.read(soon()).value();
    fault_swap(0, fault, [&] {
      others_commit(300);
      for (int day = 0; day < 2; ++day) {
        base_.advance(hours(30));
        CollectOptions options;
        options.is_ours = [](std::string_view) { return true; };
        ASSERT_TRUE(collect(other_.head_log, options, other_.soon()).ok());
      }
    });
    const auto outcome =
        writer_.head_log.commit(before, append_line("gone", writer_.random), soon());
    EXPECT_TRUE(is_unknown(outcome)) << describe(outcome);
    if (!is_unknown(outcome)) continue;
    EXPECT_TRUE(is_unknown(writer_.head_log.settle(std::get<UnknownOutcome>(outcome), soon())));
  }
}

// C3: neither the swap nor any read-back is answered. Unknown, nothing is removed, and a later look
// tells, whichever it was.
TEST_F(Doubt, UnansweredUntilTheDeadlineIsUnknownAndSettledLater) {
  for (const bool happened : {true, false}) {
    const HeadPtr before = writer_.head_log.read(soon()).value();
    writer_.store.set_script([&, swapped = false](const ScriptedCall& call) mutable {
      if (call.operation == "swap" && !swapped) {
        swapped = true;
        return happened ? Fault::kFailAfter : Fault::kFailBefore;
      }
      return swapped ? Fault::kFailBefore : Fault::kNone;
    });
    const auto files = keys_of(base_, "ix/seg/").size();
    const auto outcome =
        writer_.head_log.commit(before, append_line("silence", writer_.random), soon());
    ASSERT_TRUE(is_unknown(outcome)) << describe(outcome);
    EXPECT_EQ(writer_.store.calls_of("remove"), 0U);
    EXPECT_EQ(keys_of(base_, "ix/seg/").size(), files + 1) << "the file that was put stays";
    writer_.store.set_script({});
    const auto unknown = std::get<UnknownOutcome>(outcome);
    EXPECT_EQ(unknown.base_generation, before->envelope.generation);
    if (happened) {
      const HeadPtr head = must_commit(writer_.head_log.settle(unknown, soon()));
      EXPECT_EQ(head->envelope.commit_id, unknown.commit_id);
    } else {
      EXPECT_TRUE(is_unknown(writer_.head_log.settle(unknown, soon()))) << "it may still land";
    }
    // Any later commit settles it.
    others_commit(1);
    const auto settled = writer_.head_log.settle(unknown, soon());
    EXPECT_EQ(settled.index(), happened ? 0U : 1U) << describe(settled);
    others_commit(70);
    const auto much_later = writer_.head_log.settle(unknown, soon());
    EXPECT_EQ(much_later.index(), happened ? 0U : 1U) << describe(much_later);
  }
}

// A refusal for good (no permission) proves nothing about an earlier copy, but ends soon.
TEST_F(Doubt, RefusedForGoodIsUnknownAfterAFewTries) {
  writer_.store.set_script([](const ScriptedCall& call) {
    return call.operation == "swap" ? Fault::kDenied : Fault::kNone;
  });
  const auto outcome =
      writer_.head_log.commit(first_, append_line("denied", writer_.random), Deadline::never());
  ASSERT_TRUE(is_unknown(outcome)) << describe(outcome);
  EXPECT_EQ(std::get<UnknownOutcome>(outcome).last.code, Code::kDenied);
  EXPECT_EQ(writer_.store.calls_of("swap"), static_cast<std::size_t>(kMaxRefusals));
}

// C5: somebody else wrote the very same contents as generation 2; that is not our commit.
TEST_F(Doubt, EqualContentsOfAnotherAreNotOurs) {
  fault_swap(0, Fault::kConflictOnly,
             [&] { must_commit(other_.head_log.commit(first_, unchanged, other_.soon())); });
  const HeadPtr head = must_commit(writer_.head_log.commit(first_, unchanged, soon()));
  EXPECT_EQ(head->envelope.generation, 3U);
}

// A head that went back (a restored copy) shows nobody at the generation: no answer, and no
// overwrite.
TEST_F(Doubt, AHeadThatWentBackIsNeverOverwritten) {
  others_commit(1);
  const HeadPtr second = writer_.head_log.read(soon()).value();
  const Bytes old = first_->raw;
  fault_swap(0, Fault::kFailBefore,
             [&] { ASSERT_TRUE(put_one(base_, "ix/head", old, Deadline::never()).ok()); });
  const auto outcome = writer_.head_log.commit(second, append_line("lost", writer_.random), soon());
  EXPECT_TRUE(is_unknown(outcome)) << describe(outcome);
  EXPECT_EQ(text(), "first\n");
}

// The history body goes through the same: it is there before the swap is sent, whatever was
// answered.
TEST_F(Doubt, HistoryIsWrittenBeforeTheSwap) {
  for (const Fault fault : {Fault::kFailBefore, Fault::kFailAfter, Fault::kConflictAfter}) {
    const HeadPtr before = writer_.head_log.read(soon()).value();
    writer_.store.set_script([&, before, fault, done = false](const ScriptedCall& call) mutable {
      if (call.operation == "swap") {
        EXPECT_TRUE(
            stat_one(base_,
                     "ix/" + history_key(before->envelope.generation, before->envelope.commit_id),
                     Deadline::never())
                .ok());
      }
      if (call.operation != "create" || done) return Fault::kNone;
      done = true;
      return fault;
    });
    must_commit(writer_.head_log.commit(before, append_line("x", writer_.random), soon()));
  }
}

// A deadline that passes before the swap was sent is no doubt at all.
TEST_F(Doubt, NothingSentIsNotCommitted) {
  writer_.store.set_script([](const ScriptedCall& call) {
    return call.operation == "create" ? Fault::kFailBefore : Fault::kNone;
  });
  EXPECT_EQ(reason_code(commit("never")), Code::kUnavailable);
  EXPECT_EQ(writer_.store.calls_of("swap"), 0U);
}

TEST(DoubtOfCreate, EveryLostAnswerIsResolved) {
  for (const Fault fault : {Fault::kFailBefore, Fault::kFailAfter, Fault::kConflictAfter,
                            Fault::kLate, Fault::kTwice, Fault::kDenied}) {
    FakeStore base;
    Writer writer(base, 1);
    writer.store.set_script([=, done = false](const ScriptedCall& call) mutable {
      if (call.operation != "create" || done) return Fault::kNone;
      done = true;
      return fault;
    });
    const HeadPtr head = must_commit(writer.head_log.create(first_draft(), writer.soon()));
    writer.store.land();
    EXPECT_EQ(writer.head_log.read(writer.soon()).value()->envelope.commit_id,
              head->envelope.commit_id)
        << static_cast<int>(fault);
  }
}

// Two creators: the one whose answer was lost is told the truth, even if the other's head, or 70
// commits, stand there when it looks.
TEST(DoubtOfCreate, OfTwoCreatorsOneWins) {
  for (const bool happened : {true, false}) {
    for (const int count : {0, 1, 70}) {
      FakeStore base;
      Writer one(base, 1);
      Writer two(base, 2);
      one.store.set_script([&, created = 0](const ScriptedCall& call) mutable {
        if (call.operation == "create" && created++ == 0)
          return happened ? Fault::kFailAfter : Fault::kFailBefore;
        if (created == 1) {
          ++created;
          if (!happened) must_commit(two.head_log.create(first_draft(), two.soon()));
          for (int i = 0; i < count; ++i) {
            const HeadPtr head = two.head_log.read(two.soon()).value();
            must_commit(two.head_log.commit(head, unchanged, two.soon()));
          }
        }
        return Fault::kNone;
      });
      const auto outcome = one.head_log.create(first_draft(), one.soon());
      if (happened) {
        EXPECT_EQ(must_commit(outcome)->envelope.generation, 1U);
      } else {
        EXPECT_EQ(reason_code(outcome), Code::kConflict);
      }
    }
  }
}

}  // namespace
}  // namespace kedge
