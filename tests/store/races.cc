// Races: conditional writes must have one winner, and no acknowledged one may be lost.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <charconv>
#include <thread>

#include "base/strings.h"
#include "tests/store/conformance.h"

namespace kedge {
namespace {

constexpr int kWriters = 32;
constexpr int kRounds = 20;
const Deadline kNever = Deadline::never();

// Runs body(writer, store) on kWriters threads that start together; each has a handle of its own
// where the store can be opened again.
template <typename Body>
void race(StoreUnderTest& under_test, const Body& body) {
  std::barrier start(kWriters);
  std::vector<std::jthread> threads;
  for (int writer = 0; writer < kWriters; ++writer)
    threads.emplace_back([&, writer] {
      const std::unique_ptr<ObjectStore> own = under_test.open_again();
      start.arrive_and_wait();
      body(writer, own ? *own : under_test.store());
    });
}

TEST_P(StoreConformance, OneCreateWins) {
  promise("of 32 creates of a key at once one wins");
  for (int round = 0; round < kRounds; ++round) {
    const std::string key = str_cat("race/", round);
    std::atomic<int> won{0};
    std::atomic<int> winner{-1};
    std::atomic<int> odd{0};
    race(under_test(), [&](int writer, ObjectStore& store) {
      const Result<Written> created = store.create(key, as_bytes(std::to_string(writer)), kNever);
      if (created.ok()) {
        ++won;
        winner = writer;
      } else if (created.code() != Code::kConflict) {
        ++odd;
      }
    });
    EXPECT_EQ(won, 1) << "round " << round;
    EXPECT_EQ(odd, 0) << "round " << round;
    EXPECT_EQ(text_at(store(), key), std::to_string(winner)) << "round " << round;
  }
}

// A body holds the count and who wrote it, so that no two states are equal by their bytes.
TEST_P(StoreConformance, SwapsLoseNoUpdate) {
  promise("of 32 writers that swap at once none loses an update that was acknowledged");
  constexpr int kEach = 4;
  ASSERT_TRUE(store().create("head", as_bytes("0 start"), kNever).ok());
  std::atomic<int> acknowledged{0};
  std::atomic<int> odd{0};
  race(under_test(), [&](int writer, ObjectStore& store) {
    for (int done = 0; done < kEach;) {
      const Result<Blob> blob = read_one(store, whole("head"), kNever);
      if (!blob.ok()) {
        ++odd;
        return;
      }
      int count = 0;
      const std::string_view text = as_text(blob->body);
      std::from_chars(text.data(), text.data() + text.size(), count);
      const std::string next = str_cat(count + 1, " by ", writer, " ", done);
      const Result<Written> swapped = store.swap("head", blob->info.tag, as_bytes(next), kNever);
      if (swapped.ok()) {
        ++acknowledged;
        ++done;
      } else if (swapped.code() != Code::kConflict) {
        ++odd;
        return;
      }
    }
  });
  EXPECT_EQ(odd, 0);
  EXPECT_EQ(acknowledged, kWriters * kEach);
  const std::string final = text_at(store(), "head");
  EXPECT_TRUE(final.starts_with(str_cat(kWriters * kEach, " by "))) << final;
}

// Only one of the writers that saw the same state may replace it.
TEST_P(StoreConformance, OneSwapOfAStateWins) {
  promise("of 32 swaps of one state at once one wins");
  Result<Written> state = store().create("head", as_bytes("start"), kNever);
  ASSERT_TRUE(state.ok());
  for (int round = 0; round < kRounds; ++round) {
    const Tag expected = state->tag;
    std::atomic<int> won{0};
    std::atomic<int> odd{0};
    race(under_test(), [&](int writer, ObjectStore& store) {
      const Result<Written> swapped =
          store.swap("head", expected, as_bytes(str_cat(round, " ", writer)), kNever);
      if (swapped.ok()) ++won;
      if (!swapped.ok() && swapped.code() != Code::kConflict) ++odd;
    });
    EXPECT_EQ(won, 1) << "round " << round;
    EXPECT_EQ(odd, 0) << "round " << round;
    const Result<Blob> blob = read_one(store(), whole("head"), kNever);
    ASSERT_TRUE(blob.ok());
    state = Written{blob->info.tag, {}};
  }
}

// A reader sees one whole body or another, never a mixture or a part.
TEST_P(StoreConformance, ReadersSeeWholeBodies) {
  promise("a reader beside a writer sees one whole body or the other");
  const std::string key = "k";
  const auto body = [](int i) {
    return std::string(static_cast<std::size_t>(1000 + i * 977), static_cast<char>('a' + i % 26));
  };
  ASSERT_TRUE(put_one(store(), key, as_bytes(body(0)), kNever).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  {
    std::vector<std::jthread> readers;
    for (int i = 0; i < 4; ++i)
      readers.emplace_back([&] {
        while (!stop) {
          const std::string text = text_at(store(), key);
          if (text.size() < 1000 || text.find_first_not_of(text[0]) != std::string::npos ||
              text != body(static_cast<int>(text.size() - 1000) / 977))
            ++torn;
        }
      });
    for (int i = 1; i < 60; ++i) EXPECT_TRUE(put_one(store(), key, as_bytes(body(i)), kNever).ok());
    stop = true;
  }
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace kedge
