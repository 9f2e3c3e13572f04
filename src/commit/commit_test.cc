// Commits without faults: what each rule of docs/commit.md promises when the store answers.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "commit/history.h"
#include "commit/testing.h"
#include "store/counting_store.h"

namespace kedge {
namespace {

using std::chrono::hours;

TEST(Commit, CreatesReadsCommitsAndRemembers) {
  FakeStore base;
  Writer writer(base);
  EXPECT_EQ(writer.head_log.read(writer.soon()).code(), Code::kNotFound);
  const HeadPtr first = must_commit(writer.head_log.create(first_draft(), writer.soon()));
  EXPECT_EQ(first->envelope.generation, 1U);
  const HeadPtr second =
      must_commit(writer.head_log.commit(first, append_line("a", writer.random), writer.soon()));
  const HeadPtr read = writer.head_log.read(writer.soon()).value();
  EXPECT_EQ(read->envelope, second->envelope);
  EXPECT_EQ(read->tag, second->tag);
  EXPECT_EQ(read->envelope.parent_id, first->envelope.commit_id);
  EXPECT_EQ(payload_text(read), "first\na\n");
  EXPECT_EQ(writer.head_log.read_generation(1, writer.soon()).value()->envelope, first->envelope);
  const auto history = writer.head_log.history(10, writer.soon()).value();
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0]->envelope, second->envelope);
  EXPECT_EQ(history[1]->envelope, first->envelope);
}

// Rule 3: what is kept is byte for byte what the head was.
TEST(Commit, HistoryHoldsTheBytesOfReplacedHeadsAndNothingElse) {
  FakeStore base;
  Writer writer(base);
  HeadPtr head = must_commit(writer.head_log.create(first_draft(), writer.soon()));
  std::vector<std::string> expected;
  for (int i = 0; i < 5; ++i) {
    expected.push_back(
        writer.head_log.path(history_key(head->envelope.generation, head->envelope.commit_id)));
    const Bytes raw = head->raw;
    head = must_commit(
        writer.head_log.commit(head, append_line(std::to_string(i), writer.random), writer.soon()));
    ReadRequest request;
    request.key = expected.back();
    EXPECT_EQ(read_one(base, request, Deadline::never()).value().body, raw);
  }
  EXPECT_EQ(keys_of(base, "ix/history/"), expected);
}

// A commit is two rounds: the files beside the history body, then the swap; no read.
TEST(Commit, CostsOneHistoryBodyItsFilesAndOneSwap) {
  FakeStore base;
  Writer writer(base);
  const HeadPtr head = must_commit(writer.head_log.create(first_draft(), writer.soon()));
  const std::size_t before = writer.store.calls();
  must_commit(writer.head_log.commit(head, append_line("a", writer.random), writer.soon()));
  EXPECT_EQ(writer.store.calls() - before, 3U);
  EXPECT_EQ(writer.store.log().back(), "swap ix/head");
}

// A reader that looks again is sent nothing while nothing happened, and never holds on to what was
// replaced.
TEST(Commit, AHeadThatIsKnownIsNotSentAgain) {
  FakeStore base;
  Writer writer(base);
  CountingStore counting(base);
  HeadLog reader(counting, "ix/", writer.clock, writer.random, silent_log(), {});
  const HeadPtr first = must_commit(writer.head_log.create(first_draft(), writer.soon()));
  const HeadPtr known = reader.read(writer.soon()).value();
  EXPECT_EQ(known->tag, first->tag);
  const std::uint64_t bytes = counting.counts().bytes_read();
  EXPECT_GE(bytes, known->raw.size());
  EXPECT_EQ(reader.read(writer.soon(), known).value(), known);
  EXPECT_EQ(reader.read(writer.soon(), first).value(), first);
  EXPECT_EQ(counting.counts().bytes_read(), bytes);
  EXPECT_EQ(counting.counts().of(Operation::kRead).requests, 3U);
  const HeadPtr second =
      must_commit(writer.head_log.commit(first, append_line("a", writer.random), writer.soon()));
  const HeadPtr seen = reader.read(writer.soon(), known).value();
  EXPECT_EQ(seen->envelope.commit_id, second->envelope.commit_id);
  EXPECT_GT(counting.counts().bytes_read(), bytes);
  // What was not read from the head file has no tag to ask with.
  Head untagged = *seen;
  untagged.tag = {};
  const HeadPtr body = std::make_shared<const Head>(untagged);
  EXPECT_NE(reader.read(writer.soon(), body).value(), body);
  EXPECT_EQ(reader.read(writer.soon(), nullptr).value()->tag, second->tag);
}

TEST(Commit, RebasesOnWhateverCameFirst) {
  FakeStore base;
  Writer one(base, 1);
  Writer two(base, 2);
  const HeadPtr first = must_commit(one.head_log.create(first_draft(), one.soon()));
  must_commit(one.head_log.commit(first, append_line("one", one.random), one.soon()));
  const HeadPtr head =
      must_commit(two.head_log.commit(first, append_line("two", two.random), two.soon()));
  EXPECT_EQ(payload_text(head), "first\none\ntwo\n");
  EXPECT_EQ(head->envelope.generation, 3U);
}

// R9: the same contents twice are two states, so an ETag never comes back.
TEST(Commit, EqualContentsAreDifferentBytes) {
  FakeStore base;
  Writer writer(base);
  const HeadPtr first = must_commit(writer.head_log.create(first_draft(), writer.soon()));
  const HeadPtr second = must_commit(writer.head_log.commit(first, unchanged, writer.soon()));
  const HeadPtr third = must_commit(writer.head_log.commit(second, unchanged, writer.soon()));
  EXPECT_NE(second->tag, first->tag);
  EXPECT_NE(third->tag, second->tag);
  EXPECT_NE(third->tag, first->tag);
}

TEST(Commit, SecondCreatorIsToldThatThereIsOne) {
  FakeStore base;
  Writer one(base, 1);
  Writer two(base, 2);
  must_commit(one.head_log.create(first_draft(), one.soon()));
  EXPECT_EQ(reason_code(two.head_log.create(first_draft(), two.soon())), Code::kConflict);
}

// The error of a rebase is the caller's own, and nothing was written.
TEST(Commit, EndsWithTheErrorOfTheRebase) {
  FakeStore base;
  Writer writer(base);
  const HeadPtr head = must_commit(writer.head_log.create(first_draft(), writer.soon()));
  const auto outcome = writer.head_log.commit(
      head,
      [](const HeadPtr&) -> Result<Draft> {
        return {Code::kExhausted, "full"};
      },
      writer.soon());
  EXPECT_EQ(reason_code(outcome), Code::kExhausted);
  EXPECT_EQ(keys_of(base, "ix/"), std::vector<std::string>{"ix/head"});
}

// 32 threads, each with its own log: every acknowledged line is there once, and the lineage is a
// chain (I1, I3, I13).
TEST(Commit, ThirtyTwoWritersLoseNothing) {
  constexpr int kWriters = 32;
  constexpr int kCommits = 8;
  FakeStore base;
  {
    Writer writer(base, 999);
    must_commit(writer.head_log.create(first_draft(), writer.soon()));
  }
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; ++w) {
    threads.emplace_back([&base, w] {
      SeededRandom random(static_cast<std::uint64_t>(w));
      HeadLog log(base, "ix/", system_clock(), random, silent_log(), {});
      HeadPtr head = log.read(Deadline::never()).value();
      for (int c = 0; c < kCommits; ++c) {
        head = must_commit(
            log.commit(head, append_line(str_cat(w, ".", c), random), Deadline::never()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Writer reader(base, 1000);
  const HeadPtr head = reader.head_log.read(reader.soon()).value();
  EXPECT_EQ(head->envelope.generation, 1U + kWriters * kCommits);
  const std::string text = "\n" + payload_text(head);
  for (int w = 0; w < kWriters; ++w) {
    for (int c = 0; c < kCommits; ++c) {
      const std::string line = str_cat("\n", w, ".", c, "\n");
      const std::size_t at = text.find(line);
      EXPECT_NE(at, std::string::npos) << line;
      EXPECT_EQ(text.find(line, at + 1), std::string::npos) << line;
    }
  }
  Id128 child_of = head->envelope.parent_id;
  const auto history = reader.head_log.history(1000, reader.soon()).value();
  ASSERT_EQ(history.size(), head->envelope.generation);
  for (std::size_t i = 1; i < history.size(); ++i) {
    EXPECT_EQ(history[i]->envelope.commit_id, child_of) << "generation " << history.size() - i;
    child_of = history[i]->envelope.parent_id;
  }
}

}  // namespace
}  // namespace kedge
