// Threads that commit to one handle at once. What goes together is made certain by a store that
// holds a swap back until the others wait.
#include "engine/group_commit.h"

#include <cstdio>
#include <new>

#include "engine/counts.h"
#include "engine/group_commit_testing.h"

namespace kedge {
namespace {

// Callers with a put each, the first of which is held back.
std::vector<std::vector<Intent>> puts(Crowd& crowd, std::size_t callers) {
  std::vector<std::vector<Intent>> calls;
  for (std::size_t c = 0; c < callers; ++c) calls.push_back({crowd.put(1, str_cat("k", c), 100)});
  return calls;
}

// Eight callers are two commits: of who came first, and of all who came meanwhile. Each is told of
// its own intents.
TEST(GroupCommitTest, WhatComesMeanwhileIsOneCommit) {
  Crowd crowd;
  crowd.commit_alone({crowd.put(1, "old", 100), crowd.put(1, "new", 900)});
  std::vector<std::vector<Intent>> calls = puts(crowd, 8);
  calls[3].emplace_back(crowd.put(2, "more", 100));
  calls[4].emplace_back(AbsentIntent{{1, "never there"}, at_second(200)});
  calls[5].emplace_back(AbsentIntent{{1, "old"}, at_second(200)});
  calls[6].emplace_back(crowd.put(1, "new", 200));
  for (const auto& intents : calls) crowd.expect(intents);
  const std::uint64_t before = crowd.latest()->generation();
  const StoreCounts counts = crowd.world().counting.counts();
  crowd.hold(7);
  const Results results = crowd.commit(std::move(calls));
  const StoreCounts cost = crowd.world().counting.counts() - counts;
  EXPECT_EQ(cost.of(Operation::kSwap).requests, 2U);
  EXPECT_EQ(crowd.latest()->generation(), before + 2);
  for (std::size_t c = 0; c < results.size(); ++c) {
    SCOPED_TRACE(c);
    const CommitReport report = must(results[c]);
    EXPECT_EQ(report.generation, before + (c == 0 ? 1 : 2));
    EXPECT_EQ(report.commit_id, must(results[c == 0 ? 0 : 1]).commit_id);
    EXPECT_EQ(report.puts, c == 3 ? 2U : 1U);
    EXPECT_EQ(report.deletes, c == 5 ? 1U : 0U);
    EXPECT_EQ(report.superseded, c == 6 ? 1U : 0U);
    EXPECT_EQ(report.rebases, 0U);
  }
  EXPECT_EQ(crowd.latest()->head()->envelope.commit_id, must(results[1]).commit_id);
  crowd.expect_as_model();
}

// Two versions of a key are never of one commit: the newer wins in whatever order they come.
TEST(GroupCommitTest, VersionsOfAKeyAreDecidedOneAfterTheOther) {
  for (const bool newer_first : {false, true}) {
    SCOPED_TRACE(newer_first);
    Crowd crowd;
    const PutIntent old = crowd.put(1, "same", 100);
    const PutIntent fresh = crowd.put(1, "same", 200);
    std::vector<std::vector<Intent>> calls = puts(crowd, 4);
    calls[1] = {newer_first ? fresh : old};
    calls[2] = {newer_first ? old : fresh};
    for (const auto& intents : calls) crowd.expect(intents);
    const std::uint64_t before = crowd.latest()->generation();
    crowd.hold(3);
    const Results results = crowd.commit(std::move(calls));
    EXPECT_EQ(must(results[1]).generation, before + 2);
    EXPECT_EQ(must(results[2]).generation, before + 3);
    EXPECT_EQ(must(results[3]).generation, before + 2);
    EXPECT_EQ(must(results[2]).superseded, newer_first ? 1U : 0U);
    EXPECT_EQ(must(results[2]).puts, newer_first ? 0U : 1U);
    crowd.expect_as_model();
  }
}

// Who has to wait, for another's key or to edit, is not overtaken by a third who has one of its
// keys.
TEST(GroupCommitTest, WhoStaysBehindKeepsItsKeys) {
  for (const bool edits : {false, true}) {
    SCOPED_TRACE(edits);
    Crowd crowd;
    std::vector<std::vector<Intent>> calls = puts(crowd, 4);
    calls[2] = {crowd.put(1, "both", 100)};
    if (!edits) calls[2].insert(calls[2].begin(), crowd.put(1, "k1", 200));
    calls[3] = {crowd.put(1, "both", 200)};
    for (const auto& intents : calls) crowd.expect(intents);
    const std::uint64_t before = crowd.latest()->generation();
    crowd.hold(3);
    const StateEdit edit = edits ? [](IndexState&) { return Status(); } : StateEdit();
    const Results results = crowd.commit(std::move(calls), {.edit = edit, .edited = 2});
    for (std::size_t c = 0; c < 4; ++c) EXPECT_EQ(must(results[c]).generation, before + 1 + c);
    EXPECT_EQ(must(results[3]).puts, 1U);
    crowd.expect_as_model();
  }
}

TEST(GroupCommitTest, AnEditIsCommittedAlone) {
  Crowd crowd;
  std::vector<std::vector<Intent>> calls = puts(crowd, 4);
  for (const auto& intents : calls) crowd.expect(intents);
  const std::uint64_t before = crowd.latest()->generation();
  crowd.hold(3);
  const StateEdit edit = [](IndexState& state) -> Status {
    SourceEntry third = state.sources.front();
    third.number = state.next_source++;
    third.uri = source_uri(3);
    clear_counts(third);
    state.sources.push_back(third);
    return {};
  };
  const Results results = crowd.commit(std::move(calls), {.edit = edit});
  for (const std::size_t c : {1, 2}) EXPECT_EQ(must(results[c]).generation, before + 2);
  EXPECT_EQ(must(results[3]).generation, before + 3);
  EXPECT_NE(crowd.latest()->source(source_uri(3)), nullptr);
  crowd.expect_as_model();
}

// What one may not write is its own error; the others do not notice.
TEST(GroupCommitTest, AnIntentThatIsRefusedFailsItsCallerAlone) {
  Crowd crowd;
  std::vector<std::vector<Intent>> calls = puts(crowd, 9);
  calls[3].emplace_back(crowd.put(9, "of no source", 100));
  calls[5].emplace_back(crowd.put(1, "of another dimension", 100));
  std::get<PutIntent>(calls[5].back()).object.vectors.pop_back();
  calls[7].emplace_back(crowd.put(1, "k7", 300));
  for (const std::size_t c : {0, 1, 2, 4, 6, 8}) crowd.expect(calls[c]);
  crowd.hold(8);
  const Results results = crowd.commit(std::move(calls));
  for (std::size_t c = 0; c < results.size(); ++c) {
    SCOPED_TRACE(c);
    const bool refused = c == 3 || c == 5 || c == 7;
    ASSERT_EQ(results[c].ok(), !refused);
    if (!refused) {
      EXPECT_EQ(results[c]->puts, 1U);
    } else {
      EXPECT_EQ(results[c].code(), c == 3 ? Code::kConflict : Code::kInvalid)
          << results[c].error().message;
    }
  }
  crowd.expect_as_model();
}

// The page that holds the old version of one caller's key is damaged.
TEST(GroupCommitTest, ADamagedPageFailsWhoseKeysItHolds) {
  WorldOptions options;
  options.index.cache_bytes = 0;
  options.index.max_small_segments = 64;
  Crowd crowd(options);
  std::vector<Intent> old;
  for (int i = 0; i < 400; ++i) old.emplace_back(crowd.put(1, str_cat("old", 1000 + i), 100));
  must(crowd.index().commit(std::move(old), {}, {}, Deadline::never()));
  const SegmentEntry entry = crowd.latest()->state().segments.front();
  const Extent docs = entry.planes[static_cast<std::size_t>(Plane::kDocs)];
  const std::string path = str_cat("ix/", entry.file_key());
  MemoryStore& memory = crowd.world().memory;
  ReadRequest whole;
  whole.key = path;
  Bytes bytes = must(read_one(memory, whole, Deadline::never())).body;
  bytes.at(docs.offset + docs.size - 9) ^= std::byte{0x10};
  const PutRequest damaged{.key = path, .body = bytes};
  must(memory.put({&damaged, 1}, Deadline::never()).front());
  crowd.open();
  std::vector<std::vector<Intent>> calls = puts(crowd, 5);
  calls[2].emplace_back(crowd.put(1, "old1399", 200));
  calls[4].emplace_back(crowd.put(1, "old1000", 200));
  crowd.hold(4);
  const Results results = crowd.commit(std::move(calls));
  ASSERT_FALSE(results[2].ok());
  EXPECT_EQ(results[2].code(), Code::kCorrupt) << results[2].error().message;
  for (const std::size_t c : {0, 1, 3}) EXPECT_EQ(must(results[c]).puts, 1U);
  EXPECT_EQ(must(results[4]).puts, 2U);
}

// Sources of two spaces are never of one commit.
TEST(GroupCommitTest, SourcesOfTwoSpacesGoApart) {
  Crowd crowd;
  const auto second = [&](IndexState& state) -> Status {
    Space other = crowd.world().space();
    other.model = "another";
    state.spaces.push_back(other);
    SourceEntry source;
    source.number = state.next_source++;
    source.uri = source_uri(3);
    source.recipe.space = other.id();
    state.sources.push_back(source);
    return {};
  };
  must(crowd.index().commit({}, second, {}, Deadline::never()));
  std::vector<std::vector<Intent>> calls = puts(crowd, 6);
  for (const std::size_t c : {2, 3}) calls[c] = {crowd.put(3, str_cat("k", c), 100)};
  crowd.hold(5);
  for (const auto& result : crowd.commit(std::move(calls))) EXPECT_EQ(must(result).puts, 1U);
}

// Who still waits when its time is up leaves, while the other commit is under way too, and nothing
// of it is sent.
TEST(GroupCommitTest, AWaiterLeavesAtItsDeadline) {
  for (const bool meanwhile : {false, true}) {
    SCOPED_TRACE(meanwhile);
    Crowd crowd;
    std::vector<std::vector<Intent>> calls = puts(crowd, 4);
    for (const std::size_t c : {0, 1, 3}) crowd.expect(calls[c]);
    const Deadline late = Deadline::after(crowd.clock(), std::chrono::hours(1));
    const Deadline soon = Deadline::after(crowd.clock(), std::chrono::minutes(1));
    crowd.hold(3, [&] {
      crowd.clock().sleep(std::chrono::minutes(1));
      while (meanwhile && crowd.group().waiting() > 2) std::this_thread::yield();
    });
    const Results results =
        crowd.commit(std::move(calls), {.deadlines = {late, late, soon, Deadline::never()}});
    for (const std::size_t c : {0, 1, 3}) EXPECT_EQ(must(results[c]).puts, 1U);
    ASSERT_FALSE(results[2].ok());
    ASSERT_NE(results[2].error().message.find("nothing was sent"), std::string::npos);
    crowd.expect_as_model();
  }
}

// Nobody of a group is told that it is done when that is not known.
TEST(GroupCommitTest, AnUnknownOutcomeIsToldToAll) {
  Crowd crowd;
  std::vector<std::vector<Intent>> calls = puts(crowd, 4);
  for (const auto& intents : calls) crowd.expect(intents);
  const std::vector<std::vector<Intent>> again(calls.begin() + 1, calls.end());
  crowd.hold(3, {}, [&] { crowd.world().faults.crash(); });
  const Deadline soon = Deadline::after(crowd.clock(), std::chrono::minutes(1));
  const Results results =
      crowd.commit(std::move(calls), {.deadlines = std::vector<Deadline>(4, soon)});
  EXPECT_TRUE(results[0].ok());
  for (std::size_t c = 1; c < 4; ++c) {
    ASSERT_FALSE(results[c].ok()) << c;
    EXPECT_EQ(results[c].code(), Code::kUnavailable) << c;
    EXPECT_NE(results[c].error().message.find("is not known"), std::string::npos);
    EXPECT_EQ(results[c].error().message, results[1].error().message);
  }
  crowd.world().faults.restart();
  for (const auto& intents : again) must(crowd.index().commit(intents, {}, {}, Deadline::never()));
  crowd.expect_as_model();
}

// Whoever leads runs out of memory: the others are not left waiting, nor the handle of no use.
TEST(GroupCommitTest, ALeaderWithoutMemoryLeavesNobodyWaiting) {
  Crowd crowd;
  std::vector<std::vector<Intent>> calls = puts(crowd, 4);
  const std::vector<std::vector<Intent>> again = calls;
  for (const auto& intents : calls) crowd.expect(intents);
  crowd.hold(3, {}, [] { throw std::bad_alloc(); });
  const Results results = crowd.commit(std::move(calls));
  EXPECT_TRUE(results[0].ok());
  ASSERT_FALSE(results[1].ok());
  EXPECT_EQ(results[1].code(), Code::kExhausted);
  for (const std::size_t c : {2, 3}) {
    ASSERT_FALSE(results[c].ok()) << c;
    EXPECT_EQ(results[c].code(), Code::kUnavailable) << c;
  }
  EXPECT_EQ(crowd.group().waiting(), 0U);
  for (const auto& intents : again) must(crowd.index().commit(intents, {}, {}, Deadline::never()));
  crowd.expect_as_model();
}

// A caller's callback is asked about its own keys. It says that the version which is there stays.
TEST(GroupCommitTest, ASourceIsAskedByTheOwnerOfTheKey) {
  Crowd crowd;
  crowd.commit_alone({crowd.put(1, "k1", 99), crowd.put(1, "k2", 99)});
  std::vector<std::vector<Intent>> calls = puts(crowd, 3);
  crowd.expect(calls[0]);
  std::vector<std::string> asked;  // by the one thread that leads
  std::vector<Settle> settles;
  for (std::size_t c = 0; c < 3; ++c) {
    settles.emplace_back([&, c](const ObjectKey& key) -> Result<std::string> {
      asked.push_back(str_cat(c, " ", key.key));
      return str_cat("v", c);
    });
  }
  crowd.hold(2);
  const Results results = crowd.commit(std::move(calls), {.settles = std::move(settles)});
  EXPECT_EQ(asked, (std::vector<std::string>{"1 k1", "2 k2"}));
  for (const std::size_t c : {1, 2}) EXPECT_EQ(must(results[c]).superseded, 1U);
  EXPECT_EQ(must(results[2]).commit_id, must(results[1]).commit_id);
  crowd.expect_as_model();
}

// Absences that leave no row, with keys of so many bytes.
std::vector<Intent> absences(std::size_t count, const std::string& name, std::size_t bytes) {
  std::vector<Intent> out;
  for (std::size_t i = 0; i < count; ++i) {
    std::string key = str_cat(name, i);
    key.resize(std::max(bytes, key.size()), 'x');
    out.emplace_back(AbsentIntent{{1, std::move(key)}, AbsentIntent::kAlways});
  }
  return out;
}

TEST(GroupCommitTest, AGroupHasLimits) {
  Crowd crowd;
  std::vector<std::vector<Intent>> calls = puts(crowd, 5);
  calls[1] = absences(9'000, "a", 4'000);
  calls[2] = absences(9'000, "b", 4'000);
  calls[3] = absences(kMaxIntents - 9'000, "c", 0);
  const std::uint64_t before = crowd.latest()->generation();
  crowd.hold(4);
  const Results results = crowd.commit(std::move(calls));
  EXPECT_EQ(must(results[1]).generation, before + 2);
  EXPECT_EQ(must(results[2]).generation, before + 3) << "its bytes are too many";
  EXPECT_EQ(must(results[3]).generation, before + 2);
  EXPECT_EQ(must(results[4]).generation, before + 3) << "one intent too many";
}

// Many at once, nothing held back: whatever goes together, the newest version of each key is live.
TEST(GroupCommitTest, ManyThreadsLoseNothing) {
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kCommits = 12;
  Crowd crowd;
  std::vector<std::vector<std::vector<Intent>>> work(kThreads);
  for (std::size_t t = 0; t < kThreads; ++t) {
    for (std::size_t c = 0; c < kCommits; ++c) {
      const auto second = static_cast<std::int64_t>(1000 + 10 * (c * kThreads + t));
      work[t].push_back({crowd.put(1, str_cat("own", t, "/", c), second),
                         crowd.put(2, str_cat("shared", (c + t) % 5), second)});
      crowd.expect(work[t].back());
    }
  }
  std::atomic<std::uint64_t> told{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::vector<Intent>& intents : work[t]) {
        const auto report = crowd.index().commit(std::move(intents), {}, {}, Deadline::never());
        ASSERT_TRUE(report.ok()) << report.error().message;
        told += report->puts + report->superseded;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told, kThreads * kCommits * 2);
  crowd.expect_as_model();
}

struct Cost {
  std::uint64_t generations = 0;
  std::uint64_t puts = 0;  // of files, history bodies and heads
};

// Of 16 callers with 50 commits each, at once or one after the other.
Cost cost_of(bool at_once) {
  constexpr std::size_t kCallers = 16;
  constexpr std::size_t kCommits = 50;
  Crowd crowd;
  const std::uint64_t before = crowd.latest()->generation();
  const StoreCounts counts = crowd.world().counting.counts();
  for (std::size_t n = 0; n < kCommits; ++n) {
    std::vector<std::vector<Intent>> calls;
    for (std::size_t c = 0; c < kCallers; ++c)
      calls.push_back({crowd.put(1, str_cat(c, "/", n), 100)});
    if (at_once) {
      crowd.hold(kCallers - 1);
      for (const auto& result : crowd.commit(std::move(calls))) EXPECT_TRUE(result.ok());
    } else {
      for (auto& intents : calls)
        must(crowd.index().commit(std::move(intents), {}, {}, Deadline::never()));
    }
  }
  const StoreCounts cost = crowd.world().counting.counts() - counts;
  Cost out{.generations = crowd.latest()->generation() - before, .puts = 0};
  for (const Operation operation : {Operation::kPut, Operation::kCreate, Operation::kSwap})
    out.puts += cost.of(operation).requests;
  return out;
}

TEST(GroupCommitTest, CostsWhatOneCommitDoes) {
  const Cost alone = cost_of(false);
  const Cost together = cost_of(true);
  std::puts(str_cat("note: 16 threads with 50 commits each on one handle: ", together.generations,
                    " generations and ", together.puts, " PUTs together, ", alone.generations,
                    " and ", alone.puts, " one after the other")
                .c_str());
  EXPECT_LE(together.generations * 6, alone.generations);
  EXPECT_LE(together.puts * 6, alone.puts);
}

}  // namespace
}  // namespace kedge
