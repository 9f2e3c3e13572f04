// The probe catches each way in which a store may lie, by name, and calls a store that does not
// answer neither good nor bad.
#include "store/probe.h"

#include <gtest/gtest.h>

#include <mutex>

#include "base/strings.h"
#include "store/fault_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

enum class Lie {
  kNone,
  kCreateOverwrites,  // If-None-Match is ignored
  kSwapIgnoresTag,    // If-Match is ignored, but for a missing key
  kSwapMakesMissing,  // If-Match of a missing key makes it
  kSwapNeverTrue,     // no tag is ever the right one
  kCreatesRace,       // the check and the write of a create are two steps
  kSwapsRace,         // likewise of a swap
  kWinnerIsLost,      // a create is answered well and forgotten
  kStaleRead,         // a read of a new key finds nothing
  kRangeShifted,      // a range begins one byte late
  kListingForgets,    // what was written is not listed
};

// A store of many tongues. Races are told by the number of calls, so that they need no luck.
class LyingStore final : public WrappedStore {
 public:
  LyingStore(ObjectStore& inner, Lie lie) : WrappedStore(inner), lie_(lie) {}

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests,
                                 Deadline deadline) override {
    std::vector<ReadRequest> asked(requests.begin(), requests.end());
    for (ReadRequest& one : asked) {
      if (lie_ == Lie::kStaleRead) one.key += "-not-yet";
      if (lie_ == Lie::kRangeShifted && one.length) ++one.offset;
    }
    return inner().read(asked, deadline);
  }

  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    const std::lock_guard lock(mutex_);
    const bool raced = key.find("race") != std::string_view::npos;
    if (lie_ == Lie::kCreateOverwrites || (lie_ == Lie::kCreatesRace && raced && ++calls_ % 8 < 2))
      return put_one(inner(), key, body, deadline);
    Result<Written> made = inner().create(key, body, deadline);
    if (lie_ == Lie::kWinnerIsLost && raced && made.ok()) {
      const std::vector<std::string> keys = {std::string(key)};
      inner().remove(keys, deadline);
    }
    return made;
  }

  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override {
    const std::lock_guard lock(mutex_);
    const bool missing = !stat_one(inner(), key, deadline).ok();
    const bool raced = key.find("race") != std::string_view::npos;
    if ((lie_ == Lie::kSwapIgnoresTag && !missing) || (lie_ == Lie::kSwapMakesMissing && missing) ||
        (lie_ == Lie::kSwapsRace && raced && ++calls_ % 8 < 2))
      return put_one(inner(), key, body, deadline);
    if (lie_ == Lie::kSwapNeverTrue) return {Code::kConflict, "no"};
    return inner().swap(key, expected, body, deadline);
  }

  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view after) override {
    return inner().list(lie_ == Lie::kListingForgets ? "nowhere/" : prefix, after);
  }

 private:
  const Lie lie_;
  std::mutex mutex_;
  int calls_ = 0;
};

class ProbeTest : public testing::Test {
 protected:
  ProbeReport probe(ObjectStore& store) {
    return probe_store(store, *executor_, random_, {}, Deadline::never());
  }
  bool empty() {
    const auto page = memory_.list("", "")->next(Deadline::never());
    return page.ok() && page->empty();
  }

  ManualClock clock_;
  MemoryStore memory_{clock_, {.tags = MemoryTags::kUnique}};
  SeededRandom random_{20261125};
  std::unique_ptr<Executor> executor_ = make_thread_pool(8);
};

TEST_F(ProbeTest, EachLieIsCaughtByName) {
  const struct {
    Lie lie;
    const char* name;
  } cases[] = {{Lie::kCreateOverwrites, "create twice"},
               {Lie::kSwapIgnoresTag, "wrong If-Match"},
               {Lie::kSwapMakesMissing, "If-Match on a missing key"},
               {Lie::kSwapNeverTrue, "right If-Match"},
               {Lie::kCreatesRace, "race of creates"},
               {Lie::kSwapsRace, "race of swaps"},
               {Lie::kWinnerIsLost, "race of creates"},
               {Lie::kStaleRead, "read after write"},
               {Lie::kRangeShifted, "range"},
               {Lie::kListingForgets, "list after write"}};
  for (const auto& c : cases) {
    LyingStore store(memory_, c.lie);
    const ProbeReport report = probe(store);
    ASSERT_NE(report.broken(), nullptr) << c.name;
    EXPECT_EQ(report.broken()->name, c.name);
    EXPECT_FALSE(report.broken()->detail.empty());
  }
}

TEST_F(ProbeTest, AStoreThatKeepsItsPromisesPassesAndIsLeftAsItWas) {
  LyingStore store(memory_, Lie::kNone);
  const ProbeReport report = probe(store);
  for (const ProbeCheck& check : report.checks)
    EXPECT_TRUE(check.ok) << check.name << ": " << check.detail;
  EXPECT_EQ(report.checks.size(), 10U);
  EXPECT_EQ(report.broken(), nullptr);
  EXPECT_EQ(report.undecided(), nullptr);
  EXPECT_TRUE(empty());
}

// A network that is down must not be remembered as a store that lies, and neither as one that keeps
// its promises.
TEST_F(ProbeTest, NoAnswerIsNoVerdict) {
  for (const Operation operation : {Operation::kCreate, Operation::kSwap, Operation::kPut,
                                    Operation::kRead, Operation::kList}) {
    for (const Code code : {Code::kUnavailable, Code::kDenied}) {
      FaultStore store(memory_, clock_);
      store.add({.fault = Fault::kBefore,
                 .times = 100'000,
                 .operation = operation,
                 .detail = {.code = code}});
      const ProbeReport report = probe(store);
      SCOPED_TRACE(str_cat(operation_name(operation), " ", code_name(code)));
      EXPECT_EQ(report.broken(), nullptr);
      ASSERT_NE(report.undecided(), nullptr);
      EXPECT_EQ(report.undecided()->error->code, code);
    }
  }
}

// Every tenth answer of a race gets lost, as on a bad line: the others tell enough.
TEST_F(ProbeTest, LostAnswersOfARaceAreBorne) {
  FaultStore store(memory_, clock_);
  const auto raced = [](const Call& call) {
    return call.keys.front().find("race") != std::string::npos;
  };
  for (std::uint64_t skip = 9; skip < 400; skip += 9) {
    store.add({.fault = Fault::kAfter,
               .skip = skip,
               .times = 1,
               .operation = Operation::kSwap,
               .matches = raced});
  }
  const ProbeReport report = probe(store);
  EXPECT_EQ(report.broken(), nullptr) << report.broken()->detail;
  EXPECT_EQ(report.undecided(), nullptr) << report.undecided()->detail;
}

// Garbage stays where nothing can be deleted, and nothing else is wrong with such a store.
TEST_F(ProbeTest, AStoreWithoutDeletesMayHoldAnIndex) {
  FaultStore store(memory_, clock_);
  store.add({.fault = Fault::kBefore,
             .times = 100,
             .operation = Operation::kRemove,
             .detail = {.code = Code::kDenied}});
  const ProbeReport report = probe(store);
  EXPECT_EQ(report.broken(), nullptr);
  EXPECT_EQ(report.undecided(), nullptr);
  EXPECT_FALSE(report.checks.back().ok);
  EXPECT_FALSE(empty());
}

}  // namespace
}  // namespace kedge
