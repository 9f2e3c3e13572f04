// Garbage collection: what goes, what stays, and that no writer can be hurt by it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "commit/history.h"
#include "commit/testing.h"
#include "store/wrapped_store.h"

namespace kedge {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

bool is_segment(std::string_view key) { return matches_shape(key, "seg/{hh}/{32}"); }

CollectOptions plain_options() {
  CollectOptions options;
  options.is_ours = is_segment;
  return options;
}

class Collect : public testing::Test {
 protected:
  void SetUp() override { head_ = must_commit(writer_.head_log.create(first_draft(), soon())); }

  Deadline soon() { return writer_.soon(); }
  Result<CollectReport> gc() { return collect(writer_.head_log, plain_options(), soon()); }
  bool exists(const std::string& relative) {
    return stat_one(base_, "ix/" + relative, Deadline::never()).ok();
  }
  // A file that nobody names.
  std::string orphan() {
    const std::string key = file_name(random_);
    EXPECT_TRUE(put_one(base_, "ix/" + key, as_bytes("orphan"), Deadline::never()).ok());
    return key;
  }
  // A commit that names one new file and nothing else; the file's key.
  std::string replace_all() {
    const std::string key = file_name(random_);
    head_ = must_commit(writer_.head_log.commit(
        head_,
        [&](const HeadPtr&) -> Result<Draft> {
          Draft draft;
          draft.files = {{key, 4}};
          draft.puts.push_back({{key, 4}, to_bytes("data")});
          return draft;
        },
        soon()));
    return key;
  }

  FakeStore base_;
  Writer writer_{base_};
  SeededRandom random_{42};
  HeadPtr head_;
};

TEST_F(Collect, RemovesOldOrphansOnlyAndExplainsEachKey) {
  const std::string named = replace_all();
  const std::string old_orphan = orphan();
  base_.advance(hours(25));
  const std::string young_orphan = orphan();
  const std::vector<std::string> foreign = {"notes.txt", "seg/zz/readme", "history/README",
                                            "seg/ab/cd0123456789abcdef0123456789abcdef",
                                            "history/00000000000000000001"};
  for (const auto& key : foreign)
    ASSERT_TRUE(put_one(base_, "ix/" + key, as_bytes("x"), Deadline::never()).ok());
  ASSERT_TRUE(put_one(base_, "outside", as_bytes("x"), Deadline::never()).ok());
  base_.advance(hours(23));

  std::map<std::string, std::string> why;
  CollectOptions options = plain_options();
  options.dry_run = true;
  options.explain = [&](std::string_view key, std::uint64_t, bool goes, std::string_view reason) {
    why[std::string(key)] = str_cat(goes ? "goes: " : "stays: ", reason);
  };
  const auto before = keys_of(base_, "");
  const CollectReport planned = collect(writer_.head_log, options, soon()).value();
  EXPECT_EQ(keys_of(base_, ""), before) << "a dry run changed something";
  EXPECT_EQ(why[named], "stays: named by a retained generation");
  EXPECT_EQ(why[old_orphan], "goes: named by no retained generation");
  EXPECT_EQ(why[young_orphan], "stays: named by none, younger than the floor");
  for (const auto& key : foreign)
    EXPECT_EQ(why[key], "stays: not a file of this index: left alone");
  EXPECT_EQ(why["head"], "stays: the head");

  const CollectReport report = gc().value();
  EXPECT_EQ(report.removed, planned.removed);
  EXPECT_EQ(report.removed_bytes, planned.removed_bytes);
  EXPECT_EQ(report.foreign, foreign.size());
  EXPECT_EQ(report.young, 1U);
  EXPECT_FALSE(exists(old_orphan));
  EXPECT_TRUE(exists(young_orphan) && exists(named));
  for (const auto& key : foreign) EXPECT_TRUE(exists(key)) << key;
  EXPECT_TRUE(stat_one(base_, "outside", Deadline::never()).ok());
}

// Rule 8: generation g stays for `retention` after g + 1 began, then g and its files go. When 3
// began is known by the head's age while it is the head, then by the age of its history body: the
// fence of the first collection makes that one.
TEST_F(Collect, KeepsAReplacedGenerationForTheRetention) {
  const std::string first = replace_all();  // generation 2
  base_.advance(hours(100));
  const std::string second = replace_all();  // generation 3
  base_.advance(hours(23));
  ASSERT_TRUE(gc().ok());
  EXPECT_TRUE(exists(first)) << "replaced 23 hours ago";
  EXPECT_TRUE(writer_.head_log.read_generation(2, soon()).ok());
  base_.advance(hours(25));
  ASSERT_TRUE(gc().ok());
  EXPECT_FALSE(exists(first)) << "replaced at least 25 hours ago";
  EXPECT_TRUE(exists(second));
  EXPECT_EQ(writer_.head_log.read_generation(2, soon()).code(), Code::kExpired);
  EXPECT_EQ(reason_code(writer_.head_log.rollback(2, soon())), Code::kExpired);
}

TEST_F(Collect, KeepsPinnedGenerationsUntilThePinIsRemoved) {
  const std::string first = replace_all();  // generation 2
  must_commit(writer_.head_log.add_pin("keep", 2, soon()));
  head_ = writer_.head_log.read(soon()).value();
  const std::string second = replace_all();
  for (int day = 0; day < 3; ++day) {
    base_.advance(hours(30));
    ASSERT_TRUE(gc().ok());
    EXPECT_TRUE(exists(first)) << "day " << day;
  }
  EXPECT_EQ(writer_.head_log.read_generation(2, soon()).value()->envelope.files.front().key, first);
  must_commit(writer_.head_log.remove_pin("keep", soon()));
  ASSERT_TRUE(gc().ok());
  base_.advance(hours(30));
  ASSERT_TRUE(gc().ok());
  EXPECT_FALSE(exists(first));
  EXPECT_TRUE(exists(second));
  EXPECT_EQ(writer_.head_log.read_generation(2, soon()).code(), Code::kExpired);
}

// Rule 8 through a reader: expired is told from lost.
TEST_F(Collect, TellsAnExpiredSnapshotFromALostFile) {
  const std::string key = replace_all();
  const HeadPtr snapshot = head_;
  EXPECT_EQ(writer_.head_log.explain_missing(*snapshot, key, soon()).code, Code::kCorrupt);
  replace_all();
  base_.advance(hours(25));
  EXPECT_EQ(writer_.head_log.explain_missing(*snapshot, key, soon()).code, Code::kCorrupt);
  ASSERT_TRUE(gc().ok());
  EXPECT_EQ(writer_.head_log.explain_missing(*snapshot, key, soon()).code, Code::kExpired);
}

// C8: a writer that slept on an idle index may not name what a collection has taken, nor what the
// next may take.
TEST_F(Collect, SleepingWriterCannotNameWhatIsOlderThanTheFloor) {
  Writer sleeper(base_, 77);
  const HeadPtr old = sleeper.head_log.read(sleeper.soon()).value();
  const std::string key = file_name(sleeper.random);
  const auto uploads =
      sleeper.head_log.upload({{key, as_bytes("data")}}, old->store_time, sleeper.soon()).value();
  base_.advance(hours(30));
  ASSERT_TRUE(gc().ok());
  ASSERT_FALSE(exists(key));
  const auto name_it = [&](const HeadPtr&) -> Result<Draft> {
    Draft draft;
    draft.files = {{key, 4}};
    draft.uploaded = uploads;
    return draft;
  };
  EXPECT_EQ(reason_code(sleeper.head_log.commit(old, name_it, sleeper.soon())), Code::kExpired);
}

// The same at the border: an upload that began less than an hour after the floor is refused, one
// that began an hour after it is not.
TEST_F(Collect, AnUploadMustHaveBegunAnHourAfterTheFloor) {
  const HeadPtr old = head_;
  const auto upload = [&](const std::string& key) {
    const HeadPtr now = writer_.head_log.read(soon()).value();
    return writer_.head_log.upload({{key, as_bytes("data")}}, now->store_time, soon()).value();
  };
  const std::string early_key = file_name(random_);
  base_.advance(minutes(59));
  const auto early = upload(early_key);
  base_.advance(minutes(1));
  const std::string late_key = file_name(random_);
  const auto late = upload(late_key);
  base_.advance(hours(23));
  ASSERT_TRUE(gc().ok());  // the floor is when `old` was made
  const auto name = [](std::vector<Upload> uploads) {
    return [uploads](const HeadPtr& base) -> Result<Draft> {
      Draft draft;
      draft.files = base->envelope.files;
      for (const Upload& one : uploads) draft.files.push_back(one.file);
      draft.uploaded = uploads;
      return draft;
    };
  };
  EXPECT_EQ(reason_code(writer_.head_log.commit(old, name(early), soon())), Code::kExpired);
  must_commit(writer_.head_log.commit(old, name(late), soon()));
}

// A file that a merge dropped and a slow commit still names is refused, not resurrected.
TEST_F(Collect, NamesOnlyWhatTheParentNamesOrWasPut) {
  const std::string key = replace_all();
  const HeadPtr old = head_;
  replace_all();
  const auto outcome = writer_.head_log.commit(
      old,
      [&](const HeadPtr&) -> Result<Draft> {
        Draft draft;
        draft.files = old->envelope.files;
        return draft;
      },
      soon());
  EXPECT_EQ(reason_code(outcome), Code::kInvalid);
  const HeadPtr back = must_commit(writer_.head_log.rollback(2, soon()));
  EXPECT_EQ(back->envelope.files.front().key, key);
}

// Rule 5b before 5c: a commit that wins before the fence is marked, one that comes after names only
// what is young. Here a writer commits in the middle, at every call of the collection.
TEST_F(Collect, ACommitAtEveryStepOfACollectionLosesNothing) {
  for (std::size_t step = 0; step < 40; ++step) {
    FakeStore base;
    Writer collector(base, 1);
    Writer writer(base, 2);
    HeadPtr head = must_commit(collector.head_log.create(first_draft(), collector.soon()));
    head =
        must_commit(writer.head_log.commit(head, append_line("one", writer.random), writer.soon()));
    // Uploaded long ago and named in the middle of the collection, or refused.
    const std::string slow = file_name(writer.random);
    const auto uploads =
        writer.head_log.upload({{slow, as_bytes("data")}}, head->store_time, writer.soon()).value();
    base.advance(hours(30));
    bool refused = false;
    bool tried = false;
    collector.store.set_script([&, start = collector.store.calls()](const ScriptedCall& call) {
      if (call.number != start + step) return Fault::kNone;
      tried = true;
      const auto outcome = writer.head_log.commit(
          head,
          [&](const HeadPtr& parent) -> Result<Draft> {
            Draft draft;
            draft.files = parent->envelope.files;
            draft.files.push_back(uploads[0].file);
            draft.uploaded = uploads;
            return draft;
          },
          writer.soon());
      refused = std::holds_alternative<NotCommitted>(outcome);
      return Fault::kNone;
    });
    const auto report = collect(collector.head_log, plain_options(), collector.soon());
    ASSERT_TRUE(report.ok()) << "step " << step << ": " << report.error().message;
    const HeadPtr now = writer.head_log.read(writer.soon()).value();
    for (const FileRef& file : now->envelope.files) {
      EXPECT_TRUE(stat_one(base, "ix/" + file.key, Deadline::never()).ok())
          << "step " << step << ": " << file.key;
    }
    EXPECT_EQ(stat_one(base, "ix/" + slow, Deadline::never()).ok(), tried && !refused)
        << "step " << step;
    if (!tried) return;  // past the last call
  }
  ADD_FAILURE() << "a collection takes more calls than expected";
}

// Two collections at once: the one whose floor was passed by stops.
TEST_F(Collect, StopsWhenTheFloorMoves) {
  std::vector<std::string> orphans;
  for (int i = 0; i < 6; ++i) orphans.push_back(orphan());
  base_.advance(hours(30));
  Writer other(base_, 5);
  CollectOptions options = plain_options();
  options.batch = 2;
  std::size_t removals = 0;
  writer_.store.set_script([&](const ScriptedCall& call) {
    if (call.operation == "remove" && ++removals == 2) {
      base_.advance(hours(1));
      EXPECT_TRUE(std::holds_alternative<Committed>(
          other.head_log.fence(base_.now(Deadline::never()).value(), other.soon())));
    }
    return Fault::kNone;
  });
  const CollectReport report = collect(writer_.head_log, options, soon()).value();
  EXPECT_NE(report.stopped.find("floor moved"), std::string::npos) << report.stopped;
  EXPECT_EQ(report.removed, 2U);
  ASSERT_TRUE(collect(other.head_log, plain_options(), other.soon()).ok());
  for (const auto& key : orphans) EXPECT_FALSE(exists(key));
}

TEST_F(Collect, StopsWhenTheIndexIsDropped) {
  orphan();
  base_.advance(hours(30));
  Writer other(base_, 5);
  writer_.store.set_script([&, done = false](const ScriptedCall& call) mutable {
    // Between the fence and the look before the first batch.
    if (call.operation == "list" && call.key == "ix/" && !done) {
      done = true;
      const HeadPtr head = other.head_log.read(other.soon()).value();
      must_commit(other.head_log.commit(
          head,
          [](const HeadPtr&) -> Result<Draft> {
            Draft draft;
            draft.dropped = true;
            return draft;
          },
          other.soon()));
    }
    return Fault::kNone;
  });
  const CollectReport report = gc().value();
  EXPECT_EQ(report.stopped, "the index was dropped");
  EXPECT_EQ(report.removed, 0U);
}

// A dropped index empties itself once its generations are not retained any more; the head stays.
TEST_F(Collect, EmptiesADroppedIndexAfterTheRetention) {
  replace_all();
  must_commit(writer_.head_log.commit(
      head_,
      [](const HeadPtr&) -> Result<Draft> {
        Draft draft;
        draft.dropped = true;
        return draft;
      },
      soon()));
  for (int i = 0; i < 3; ++i) {
    base_.advance(hours(30));
    ASSERT_TRUE(gc().ok());
  }
  for (const std::string& key : keys_of(base_, "ix/"))
    EXPECT_TRUE(key == "ix/head" || key.starts_with("ix/history/")) << key;
}

// G2: whatever the local clock says, the same goes and the same is refused.
TEST_F(Collect, LocalClocksDecideNothing) {
  std::set<std::vector<std::string>> results;
  for (const auto skew : {hours(0), hours(1), hours(-1), hours(50), hours(-50)}) {
    FakeStore base;
    Writer writer(base, 3);
    writer.clock.set_skew(skew);
    HeadPtr head = must_commit(writer.head_log.create(first_draft(), writer.soon()));
    for (int i = 0; i < 6; ++i) {
      head = must_commit(writer.head_log.commit(head, append_line(std::to_string(i), writer.random),
                                                writer.soon()));
      const std::string key = file_name(writer.random);
      ASSERT_TRUE(put_one(base, "ix/" + key, as_bytes("orphan"), Deadline::never()).ok());
      base.advance(hours(7));
    }
    ASSERT_TRUE(collect(writer.head_log, plain_options(), writer.soon()).ok());
    results.insert(keys_of(base, ""));
  }
  EXPECT_EQ(results.size(), 1U);
}

// I4: what a retained generation names and is not there stops everything.
TEST_F(Collect, StopsBeforeRemovingIfANamedFileIsMissingOrResized) {
  const std::string named = replace_all();
  const std::string stray = orphan();
  base_.advance(hours(30));
  const std::string full = "ix/" + named;
  ASSERT_TRUE(put_one(base_, full, as_bytes("longer than it was"), Deadline::never()).ok());
  EXPECT_EQ(gc().code(), Code::kCorrupt);
  ASSERT_TRUE(base_.remove(std::span(&full, 1), Deadline::never()).front().ok());
  EXPECT_EQ(gc().code(), Code::kCorrupt);
  EXPECT_TRUE(exists(stray));
  EXPECT_FALSE(writer_.log.lines.empty());
}

TEST_F(Collect, StopsIfARetainedHistoryBodyIsLostOrDamaged) {
  replace_all();
  replace_all();
  const std::string stray = orphan();
  base_.advance(hours(20));
  const std::string body = "ix/" + history_key(2, head_->envelope.parent_id);
  const Bytes whole =
      read_one(base_, {.key = body, .offset = 0, .length = {}, .if_match = {}, .version_id = {}},
               Deadline::never())
          .value()
          .body;
  base_.damage(body, 200 % whole.size());
  EXPECT_EQ(gc().code(), Code::kCorrupt);
  ASSERT_TRUE(base_.remove(std::span(&body, 1), Deadline::never()).front().ok());
  EXPECT_EQ(gc().code(), Code::kCorrupt);
  EXPECT_TRUE(exists(stray));
}

// Bounded memory: more names than are held at once are found by listing again.
TEST_F(Collect, RemovesMoreThanItHolds) {
  for (int i = 0; i < 2500; ++i) orphan();
  base_.advance(hours(30));
  CollectOptions options = plain_options();
  options.held_names = 300;
  options.batch = 100;
  const CollectReport report = collect(writer_.head_log, options, soon()).value();
  EXPECT_EQ(report.removed, 2500U);
  EXPECT_EQ(keys_of(base_, "ix/seg/").size(), 0U);
}

TEST(MatchesShape, TakesTheShapeAndNoNearMiss) {
  const std::string id(32, 'a');
  const struct {
    std::string key;
    std::string_view pattern;
    bool matches;
  } cases[] = {
      {"seg/aa/" + id, "seg/{hh}/{32}", true},
      {"seg/ab/" + id, "seg/{hh}/{32}", false},
      {"seg/aa/" + id + "a", "seg/{hh}/{32}", false},
      {"seg/aa/" + id.substr(1), "seg/{hh}/{32}", false},
      {"seg/aa", "seg/{hh}/{32}", false},
      {"seg/AA/" + id, "seg/{hh}/{32}", false},
      {"seg/aa/" + id + ".tmp", "seg/{hh}/{32}", false},
      {"del/" + id + "-" + id, "del/{32}-{32}", true},
      {"del/" + id, "del/{32}-{32}", false},
      {"xdel/" + id + "-" + id, "del/{32}-{32}", false},
      {"", "pack/{32}", false},
  };
  for (const auto& c : cases)
    EXPECT_EQ(matches_shape(c.key, c.pattern), c.matches) << c.key << " by " << c.pattern;
}

// A store that keeps versions: it tells what it was asked to sweep.
class SweptStore final : public WrappedStore {
 public:
  using WrappedStore::WrappedStore;
  std::vector<std::string> asked;
  std::vector<std::string> may_go;  // of `tried`
  std::vector<std::string> tried;
  Timestamp before;
  std::optional<Error> error;

  Result<Leftovers> sweep(const SweepRequest& request, Deadline) override {
    asked.push_back(str_cat(request.prefix, request.dry_run ? " dry" : ""));
    before = request.before;
    for (const std::string& key : tried)
      if (key.starts_with(request.prefix) && request.ours(key)) may_go.push_back(key);
    if (error) return *error;
    return Leftovers{.versions = 2, .markers = 1, .uploads = 3, .bytes = 10};
  }
};

// A bucket that keeps versions has those of others' keys too, in the index's folders and beside
// them.
TEST_F(Collect, SweepsNoVersionOfAnothersKey) {
  SweptStore versions(base_);
  HeadLog log(versions, "ix/", writer_.clock, random_, silent_log(), {});
  const std::string id(32, 'a');
  const std::vector<std::string> ours = {"ix/head", "ix/history/00000000000000000001-" + id,
                                         "ix/passing/one", "ix/passing/stays", "ix/seg/aa/" + id};
  versions.tried = ours;
  for (const char* other : {"head2", "headline", "head/er", "history/README", "history/1-",
                            "history/0000000000000000001-", "passing/two", "seg/README", "seg/aa/",
                            "seg/ab/", "seg/aa/b", "seg/aa/A", "other"}) {
    versions.tried.push_back(str_cat("ix/", other));
    versions.tried.push_back(str_cat("ix/", other, id));
    versions.tried.push_back(str_cat("ix2/", other, id));
  }
  std::erase(versions.tried, "ix/seg/aa/" + id);
  versions.tried.push_back("ix/seg/aa/" + id);
  CollectOptions options = plain_options();
  options.folders = {"seg/", "passing/"};
  options.standing = "passing/stays";
  options.is_passing = [](std::string_view key) { return key == "passing/one"; };
  ASSERT_TRUE(collect(log, options, soon()).ok());
  std::sort(versions.may_go.begin(), versions.may_go.end());
  EXPECT_EQ(versions.may_go, ours);
}

// Only what is older than the floor, and never while a named file is missing: it may be all of it.
TEST_F(Collect, SweepsVersionsOfItsOwnNamesInTheEnd) {
  SweptStore versions(base_);
  HeadLog log(versions, "ix/", writer_.clock, random_, silent_log(), {});
  const std::string named = replace_all();
  base_.advance(hours(30));
  CollectOptions options = plain_options();
  options.folders = {"seg/"};
  options.dry_run = true;
  EXPECT_EQ(collect(log, options, soon())->swept.versions, 6U);
  EXPECT_EQ(versions.asked,
            (std::vector<std::string>{"ix/history/ dry", "ix/seg/ dry", "ix/head dry"}));
  versions.asked.clear();
  options.dry_run = false;
  const CollectReport report = collect(log, options, soon()).value();
  EXPECT_EQ(report.swept.uploads, 9U);
  EXPECT_EQ(report.not_swept, "");
  EXPECT_EQ(versions.before, report.gc_floor);
  EXPECT_EQ(versions.asked, (std::vector<std::string>{"ix/history/", "ix/seg/", "ix/head"}));
  // What may not be swept is said, and is no reason to fail.
  versions.error = Error{Code::kDenied, "no right to list versions"};
  EXPECT_EQ(collect(log, options, soon())->not_swept, "no right to list versions");
  versions.asked.clear();
  const std::vector<std::string> lost = {"ix/" + named};
  ASSERT_TRUE(base_.remove(lost, Deadline::never()).front().ok());
  EXPECT_EQ(collect(log, options, soon()).code(), Code::kCorrupt);
  EXPECT_TRUE(versions.asked.empty());
}

}  // namespace
}  // namespace kedge
