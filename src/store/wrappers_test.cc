// Each wrapper alone, on a memory store with a clock that stands still.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "store/counting_store.h"
#include "store/delay_store.h"
#include "store/hook_store.h"
#include "store/memory_store.h"
#include "store/prefix_store.h"
#include "store/retry_store.h"

namespace kedge {
namespace {

const Deadline kNever = Deadline::never();

ReadRequest whole(std::string_view key) {
  return {.key = std::string(key), .offset = 0, .length = {}, .if_match = {}, .version_id = {}};
}

// Answers the next calls with kUnavailable (or another code), a listing in its middle.
class Unavailable final : public WrappedStore {
 public:
  using WrappedStore::WrappedStore;
  int failures = 0;
  Code code = Code::kUnavailable;
  int calls = 0;

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    auto results = inner().read(requests, deadline);
    asked.push_back(requests.size());
    if (fails()) results.back() = Error{code, "down"};
    return results;
  }
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    if (fails()) return Error{code, "down"};
    return inner().create(key, body, deadline);
  }
  Result<Written> swap(std::string_view key, const Tag& tag, ByteView body,
                       Deadline deadline) override {
    if (fails()) return Error{code, "down"};
    return inner().swap(key, tag, body, deadline);
  }
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view after) override {
    return std::make_unique<Pages>(*this, inner().list(prefix, after));
  }
  bool fails() {
    ++calls;
    return failures-- > 0;
  }
  std::vector<std::size_t> asked;

 private:
  struct Pages final : Listing {
    Pages(Unavailable& store, std::unique_ptr<Listing> inner)
        : store_(store), inner_(std::move(inner)) {}
    Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
      if (first_) {
        first_ = false;
        return inner_->next(deadline);
      }
      if (store_.fails()) return Error{store_.code, "down"};
      return inner_->next(deadline);
    }
    [[nodiscard]] bool ordered() const override { return inner_->ordered(); }
    Unavailable& store_;
    std::unique_ptr<Listing> inner_;
    bool first_ = true;
  };
};

class Wrappers : public testing::Test {
 protected:
  ManualClock clock;
  SeededRandom random{7};
  MemoryStore memory{clock};

  void SetUp() override {
    for (const char* key : {"a", "b", "c"})
      ASSERT_TRUE(put_one(memory, key, as_bytes(str_cat("body of ", key)), kNever).ok());
  }
};

// A store that fails to tell its tags, a number of times.
class TaggedStore final : public WrappedStore {
 public:
  using WrappedStore::WrappedStore;
  int failures = 0;
  std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys, Deadline) override {
    std::vector<Result<ObjectTags>> out;
    for (const std::string& key : keys) {
      if (failures > 0) {
        --failures;
        out.emplace_back(Code::kUnavailable, "down");
      } else {
        out.emplace_back(ObjectTags{{"key", key}});
      }
    }
    return out;
  }
};

TEST_F(Wrappers, TagsPassThroughAll) {
  TaggedStore tagged(memory);
  RetryStore retried(tagged, clock, random);
  CountingStore counted(retried);
  PrefixStore prefixed(counted, "docs/");
  const std::vector<std::string> keys = {"a", "b"};
  tagged.failures = 3;
  const auto tags = prefixed.tags(keys, kNever);
  ASSERT_EQ(tags.size(), 2U);
  EXPECT_EQ(*tags[0], (ObjectTags{{"key", "docs/a"}}));
  EXPECT_EQ(*tags[1], (ObjectTags{{"key", "docs/b"}}));
  EXPECT_EQ(counted.counts().of(Operation::kTags),
            (OperationCount{.calls = 1, .requests = 2, .hedges = 0, .failed = 0, .bytes = 0}));
  EXPECT_EQ(memory.tags(keys, kNever).front().code(), Code::kUnsupported);
}

TEST_F(Wrappers, CountingCountsCallsRequestsBytesAndFailures) {
  CountingStore store(memory);
  const std::vector<ReadRequest> reads = {whole("a"), whole("missing"), whole("b")};
  store.read(reads, kNever);
  store.stat(reads, kNever);
  EXPECT_TRUE(put_one(store, "d", as_bytes("1234"), kNever).ok());
  EXPECT_FALSE(store.create("a", as_bytes("xyz"), kNever).ok());
  const StoreCounts before = store.counts();
  const auto listing = store.list("", "");
  while (!listing->next(kNever).value().empty()) {
  }
  EXPECT_TRUE(store.list("nothing/", "")->next(kNever).value().empty());
  const std::vector<std::string> keys = {"a", "b"};
  store.remove(keys, kNever);
  const StoreCounts counts = store.counts();
  EXPECT_EQ(counts.of(Operation::kRead),
            (OperationCount{.calls = 1, .requests = 3, .failed = 1, .bytes = 18}));
  EXPECT_EQ(counts.of(Operation::kStat),
            (OperationCount{.calls = 1, .requests = 3, .failed = 1, .bytes = 0}));
  EXPECT_EQ(counts.bytes_read(), 18U);
  EXPECT_EQ(counts.bytes_written(), 7U);
  EXPECT_EQ(counts.of(Operation::kCreate).failed, 1U);
  EXPECT_EQ((counts - before).of(Operation::kList).requests, 2U) << "a page each, one of nothing";
  EXPECT_EQ((counts - before).requests(), 4U);
  EXPECT_EQ((counts - before).of(Operation::kRead), OperationCount{});
}

TEST_F(Wrappers, CountingCountsTheKeysAskedFor) {
  CountingStore store(memory, [](std::string_view key) { return key == "a"; });
  const std::vector<ReadRequest> reads = {whole("b"), whole("a")};
  store.read(reads, kNever);
  store.read(std::span(reads).first(1), kNever);
  EXPECT_EQ(store.counts().of(Operation::kRead),
            (OperationCount{.calls = 1, .requests = 1, .failed = 0, .bytes = 9}));
}

// The simulation must see the key and stand on both sides of every effect.
TEST_F(Wrappers, HookStandsAroundEveryEffect) {
  std::vector<std::string> seen;
  HookStore store(
      memory,
      [&](const Call& call, Moment moment) {
        const bool present = stat_one(memory, "new", kNever).ok();
        seen.push_back(str_cat(operation_name(call.operation), " ",
                               call.keys.empty() ? "" : call.keys.front(), "+", call.keys.size(),
                               moment == Moment::kBefore ? " before" : " after",
                               present ? " present" : ""));
      },
      {.split_batches = false});
  EXPECT_TRUE(store.create("new", as_bytes("x"), kNever).ok());
  const std::vector<std::string> keys = {"new", "a"};
  store.remove(keys, kNever);
  EXPECT_TRUE(store.list("b", "")->next(kNever).ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"create new+1 before", "create new+1 after present",
                                            "remove new+2 before present", "remove new+2 after",
                                            "list b+1 before", "list b+1 after"}));
}

TEST_F(Wrappers, HookSplitsBatchesAndKeepsTheirOrder) {
  std::size_t moments = 0;
  HookStore store(memory,
                  [&](const Call& call, Moment) {
                    EXPECT_EQ(call.keys.size(), 1U);
                    ++moments;
                  },
                  {.split_batches = true});
  const std::vector<ReadRequest> reads = {whole("c"), whole("missing"), whole("a")};
  const auto blobs = store.read(reads, kNever);
  ASSERT_EQ(blobs.size(), 3U);
  EXPECT_EQ(as_text(blobs[0]->body), "body of c");
  EXPECT_EQ(blobs[1].code(), Code::kNotFound);
  EXPECT_EQ(as_text(blobs[2]->body), "body of a");
  EXPECT_EQ(moments, 6U);
}

TEST_F(Wrappers, RetryAsksAgainOnlyForWhatFailed) {
  Unavailable down(memory);
  down.failures = 2;
  RetryStore store(down, clock, random);
  const std::vector<ReadRequest> reads = {whole("a"), whole("missing"), whole("b")};
  const auto blobs = store.read(reads, kNever);
  EXPECT_TRUE(blobs[0].ok() && blobs[2].ok());
  EXPECT_EQ(blobs[1].code(), Code::kNotFound);
  EXPECT_EQ(down.asked, (std::vector<std::size_t>{3, 1, 1}));
}

TEST_F(Wrappers, RetryEnds) {
  Unavailable down(memory);
  const ReadRequest request = whole("a");
  const struct {
    const char* why;
    Code code;
    RetryOptions options;
    Deadline deadline;
    int calls;
  } cases[] = {
      {"retries used up", Code::kUnavailable, {.max_retries = 3}, kNever, 4},
      {"no retries", Code::kUnavailable, {.max_retries = 0}, kNever, 1},
      {"final code", Code::kDenied, {}, kNever, 1},
      {"budget used up", Code::kUnavailable, {.max_retries = 30, .budget = 2}, kNever, 3},
      {"patience used up", Code::kUnavailable, {.patience = Duration(0)}, kNever, 1},
      {"deadline passed", Code::kUnavailable, {}, Deadline{Duration(0)}, 1},
  };
  for (const auto& c : cases) {
    down.failures = 1000;
    down.calls = 0;
    down.code = c.code;
    RetryStore store(down, clock, random, c.options);
    EXPECT_EQ(store.read(std::span(&request, 1), c.deadline).front().code(), c.code) << c.why;
    EXPECT_EQ(down.calls, c.calls) << c.why;
  }
}

// The rule that the commit protocol stands on.
TEST_F(Wrappers, RetryNeverRepeatsAConditionalWrite) {
  Unavailable down(memory);
  RetryStore store(down, clock, random);
  down.failures = 1;
  EXPECT_EQ(store.create("new", as_bytes("x"), kNever).code(), Code::kUnavailable);
  down.failures = 1;
  const Tag tag = stat_one(memory, "a", kNever)->info.tag;
  EXPECT_EQ(store.swap("a", tag, as_bytes("x"), kNever).code(), Code::kUnavailable);
  EXPECT_EQ(down.calls, 2);
}

TEST_F(Wrappers, RetryResumesOrderedListingsOnly) {
  for (const bool ordered : {true, false}) {
    MemoryStore paged(clock, {.ordered = ordered, .page = 2});
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(put_one(paged, str_cat("k", i), {}, kNever).ok());
    Unavailable down(paged);
    RetryStore store(down, clock, random);
    const auto listing = store.list("", "");
    std::vector<std::string> keys;
    bool failed = false;
    while (true) {
      down.failures = 1;  // each page but a listing's first fails
      const auto page = listing->next(kNever);
      failed = !page.ok();
      if (failed || page->empty()) break;
      for (const ObjectInfo& info : *page) keys.push_back(info.key);
    }
    EXPECT_EQ(failed, !ordered);
    EXPECT_EQ(keys.size(), ordered ? 9U : 2U);
    EXPECT_TRUE(!ordered || std::ranges::is_sorted(keys));
  }
}

TEST_F(Wrappers, DelayTakesTheSlowestOfABatch) {
  DelayStore constant(memory, clock, random, {.median = Duration(1000), .p99 = Duration(1000)});
  const std::vector<ReadRequest> reads = {whole("a"), whole("b"), whole("c")};
  Duration start = clock.monotonic();
  constant.read(reads, kNever);
  EXPECT_EQ(clock.monotonic() - start, Duration(1000));
  DelayStore slow(memory, clock, random,
                  {.median = Duration(1000), .p99 = Duration(1000), .bytes_per_second = 9000});
  start = clock.monotonic();
  slow.read(reads, kNever);
  EXPECT_EQ(clock.monotonic() - start, Duration(2000));
}

TEST_F(Wrappers, DelayFollowsTheDistribution) {
  DelayStore store(memory, clock, random, {.median = Duration(30'000), .p99 = Duration(100'000)});
  std::vector<std::int64_t> times;
  for (int i = 0; i < 4000; ++i) {
    const Duration start = clock.monotonic();
    ASSERT_TRUE(store.now(kNever).ok());
    times.push_back((clock.monotonic() - start).count());
  }
  std::ranges::sort(times);
  EXPECT_NEAR(static_cast<double>(times[2000]), 30'000, 1'500);
  EXPECT_NEAR(static_cast<double>(times[3960]), 100'000, 15'000);
}

TEST_F(Wrappers, PrefixShowsAndTouchesOnlyItsKeys) {
  PrefixStore store(memory, "index/");
  ASSERT_TRUE(store.create("head", as_bytes("h"), kNever).ok());
  EXPECT_TRUE(stat_one(memory, "index/head", kNever).ok());
  EXPECT_EQ(stat_one(store, "a", kNever).code(), Code::kNotFound);
  EXPECT_EQ(stat_one(store, "head", kNever)->info.key, "head");
  const auto page = store.list("", "")->next(kNever);
  ASSERT_EQ(page->size(), 1U);
  EXPECT_EQ(page->front().key, "head");
  EXPECT_TRUE(store.list("", "head")->next(kNever)->empty());
}

// A sweep below a prefix: the keys that it asks about are those of the store above, and no others.
TEST(PrefixStore, SweepsBelowItsPrefixOnly) {
  class Asking final : public WrappedStore {
   public:
    using WrappedStore::WrappedStore;
    std::vector<std::string> prefixes;
    std::vector<std::string> ours;

    Result<Leftovers> sweep(const SweepRequest& request, Deadline) override {
      prefixes.push_back(request.prefix);
      for (const char* key : {"index/a", "index/b", "a", "other/a", "inde"})
        if (!request.ours || request.ours(key)) ours.emplace_back(key);
      return Leftovers{};
    }
  };
  ManualClock clock;
  MemoryStore memory(clock);
  Asking asking(memory);
  PrefixStore store(asking, "index/");
  const SweepRequest request{
      .prefix = "a", .before = {}, .ours = [](std::string_view key) { return key == "a"; }};
  ASSERT_TRUE(store.sweep(request, kNever).ok());
  EXPECT_EQ(asking.prefixes, std::vector<std::string>{"index/a"});
  EXPECT_EQ(asking.ours, std::vector<std::string>{"index/a"});
}

}  // namespace
}  // namespace kedge
