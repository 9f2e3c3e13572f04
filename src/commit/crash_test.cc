// The N-th call loops: fail and crash at every store call of create, commit, collect and rollback,
// before and after its effect; then whoever comes next finds a whole index. After each: what was
// acknowledged is there once (I1, I3), what was refused is not, what is there is whole (I2), every
// file that a retained generation names exists (I4), and the lineage is a chain (I13).
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "commit/history.h"
#include "commit/testing.h"

namespace kedge {
namespace {

using std::chrono::hours;

constexpr Fault kFaults[] = {Fault::kFailBefore,  Fault::kFailAfter, Fault::kConflictAfter,
                             Fault::kLate,        Fault::kTwice,     Fault::kDenied,
                             Fault::kCrashBefore, Fault::kCrashAfter};
// No operation here takes more calls than this.
constexpr std::size_t kMaxCalls = 200;

CollectOptions collect_options() {
  CollectOptions options;
  options.is_ours = [](std::string_view key) { return matches_shape(key, "seg/{hh}/{32}"); };
  options.batch = 2;
  return options;
}

int count_of(const std::string& text, const std::string& line) {
  int count = 0;
  for (std::size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1))
    ++count;
  return count;
}

// An index of three generations with an orphan, all old enough to be collected.
struct Scene {
  Scene() {
    Writer maker(base, 1000);
    HeadPtr head = must_commit(maker.head_log.create(first_draft(), maker.soon()));
    for (const char* line : {"one", "two"})
      head =
          must_commit(maker.head_log.commit(head, append_line(line, maker.random), maker.soon()));
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(
          put_one(base, "ix/" + file_name(maker.random), as_bytes("x"), Deadline::never()).ok());
    }
    base.advance(hours(30));
  }

  // The invariants, by a reader without faults; the text of the newest generation.
  std::string check(const std::string& where) {
    Writer reader(base, 2000);
    const auto head = reader.head_log.read(reader.soon());
    EXPECT_TRUE(head.ok()) << where << ": " << head.error().message;
    if (!head.ok()) return {};
    EXPECT_FALSE((*head)->recovered) << where;
    const auto all = reader.head_log.history(1000, reader.soon());
    EXPECT_TRUE(all.ok()) << where << ": " << all.error().message;
    if (!all.ok()) return {};
    for (std::size_t i = 0; i < all->size(); ++i) {
      const Envelope& e = (*all)[i]->envelope;
      for (const FileRef& file : e.files) {
        const auto stat = stat_one(base, "ix/" + file.key, Deadline::never());
        EXPECT_TRUE(stat.ok() && stat->info.size == file.size)
            << where << ": generation " << e.generation << " names " << file.key;
      }
      if (i + 1 < all->size()) {
        EXPECT_EQ(e.parent_id, (*all)[i + 1]->envelope.commit_id) << where;
        EXPECT_EQ(e.generation, (*all)[i + 1]->envelope.generation + 1) << where;
      }
    }
    return payload_text(*head);
  }

  FakeStore base;
};

// Runs `act` with `fault` at call n, for every fault and every n, until a run makes no n-th call.
void at_every_call(
    const std::function<bool(Fault fault, std::size_t n, const std::string& where)>& act) {
  for (const Fault fault : kFaults) {
    bool reached = true;
    for (std::size_t n = 0; reached; ++n) {
      ASSERT_LT(n, kMaxCalls);
      reached = act(fault, n, str_cat("fault ", static_cast<int>(fault), " at call ", n));
    }
  }
}

// The script, and whether it came to pass.
ScriptedStore::Script fault_at(std::size_t n, Fault fault, bool& reached) {
  return [=, &reached](const ScriptedCall& call) {
    if (call.number != n) return Fault::kNone;
    reached = true;
    return fault;
  };
}

// What an outcome says against what is there.
void expect_truth(const CommitOutcome& outcome, int count, const std::string& where) {
  if (std::holds_alternative<Committed>(outcome)) {
    EXPECT_EQ(count, 1) << where << ": " << describe(outcome);
  } else if (std::holds_alternative<NotCommitted>(outcome)) {
    EXPECT_EQ(count, 0) << where << ": " << describe(outcome);
  } else {
    EXPECT_LE(count, 1) << where << ": " << describe(outcome);
  }
}

TEST(EveryCall, OfCommit) {
  at_every_call([](Fault fault, std::size_t n, const std::string& where) {
    Scene scene;
    Writer writer(scene.base, 1);
    bool reached = false;
    writer.store.set_script(fault_at(n, fault, reached));
    const auto base = writer.head_log.read(writer.soon());
    if (!base.ok()) return reached;
    const auto outcome =
        writer.head_log.commit(*base, append_line("mine", writer.random), writer.soon());
    expect_truth(outcome, count_of(scene.check(where), "mine\n"), where);
    writer.store.land();
    // The next writer goes on, and what was in doubt is settled by its commit.
    Writer next(scene.base, 2);
    must_commit(next.head_log.commit(next.head_log.read(next.soon()).value(),
                                     append_line("next", next.random), next.soon()));
    const std::string text = scene.check(where);
    EXPECT_EQ(count_of(text, "next\n"), 1) << where;
    expect_truth(outcome, count_of(text, "mine\n"), where);
    return reached;
  });
}

TEST(EveryCall, OfCreate) {
  at_every_call([](Fault fault, std::size_t n, const std::string& where) {
    FakeStore base;
    Writer writer(base, 1);
    bool reached = false;
    writer.store.set_script(fault_at(n, fault, reached));
    Draft draft;
    const std::string key = file_name(writer.random);
    draft.files = {{key, 4}};
    draft.puts.push_back({{key, 4}, to_bytes("data")});
    const auto outcome = writer.head_log.create(draft, writer.soon());
    writer.store.land();
    Writer next(base, 2);
    const auto again = next.head_log.create(first_draft(), next.soon());
    const auto head = next.head_log.read(next.soon());
    EXPECT_TRUE(head.ok()) << where;
    if (!head.ok()) return reached;
    EXPECT_EQ((*head)->envelope.generation, 1U) << where;
    const bool mine = (*head)->envelope.files.size() == 1;
    expect_truth(outcome, mine ? 1 : 0, where);
    EXPECT_EQ(std::holds_alternative<Committed>(again), !mine) << where;
    return reached;
  });
}

TEST(EveryCall, OfCollect) {
  at_every_call([](Fault fault, std::size_t n, const std::string& where) {
    Scene scene;
    Writer collector(scene.base, 1);
    bool reached = false;
    collector.store.set_script(fault_at(n, fault, reached));
    (void)collect(collector.head_log, collect_options(), collector.soon());
    EXPECT_EQ(scene.check(where), "first\none\ntwo\n");
    // A writer beside it, and effects that were held back, change nothing about that.
    Writer next(scene.base, 2);
    must_commit(next.head_log.commit(next.head_log.read(next.soon()).value(),
                                     append_line("next", next.random), next.soon()));
    collector.store.land();
    scene.check(where);
    const auto again = collect(next.head_log, collect_options(), next.soon());
    EXPECT_TRUE(again.ok()) << where << ": " << again.error().message;
    EXPECT_EQ(scene.check(where), "first\none\ntwo\nnext\n");
    EXPECT_EQ(keys_of(scene.base, "ix/seg/").size(), 3U) << where << ": orphans are left";
    return reached;
  });
}

TEST(EveryCall, OfRollback) {
  at_every_call([](Fault fault, std::size_t n, const std::string& where) {
    Scene scene;
    Writer writer(scene.base, 1);
    bool reached = false;
    writer.store.set_script(fault_at(n, fault, reached));
    const auto outcome = writer.head_log.rollback(2, writer.soon());
    writer.store.land();
    const bool done = scene.check(where) == "first\none\n";
    expect_truth(outcome, done ? 1 : 0, where);
    Writer next(scene.base, 2);
    must_commit(next.head_log.rollback(2, next.soon()));
    EXPECT_EQ(scene.check(where), "first\none\n") << where;
    return reached;
  });
}

// A pin and its removal are commits like others.
TEST(EveryCall, OfAddPin) {
  at_every_call([](Fault fault, std::size_t n, const std::string& where) {
    Scene scene;
    Writer writer(scene.base, 1);
    bool reached = false;
    writer.store.set_script(fault_at(n, fault, reached));
    const auto outcome = writer.head_log.add_pin("keep", 2, writer.soon());
    writer.store.land();
    scene.check(where);
    Writer next(scene.base, 2);
    const auto head = next.head_log.read(next.soon()).value();
    expect_truth(outcome, static_cast<int>(head->envelope.pins.size()), where);
    return reached;
  });
}

}  // namespace
}  // namespace kedge
