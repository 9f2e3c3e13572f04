// A store is written to only after a probe, which is remembered: by endpoint, for thirty days.
#include "api/probed_store.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "store/counting_store.h"
#include "store/fault_store.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

using std::chrono::hours;

class ProbedStoreTest : public testing::Test {
 protected:
  Result<Written> write(ObjectStore& store) {
    return put_one(store, "head", as_bytes("x"), Deadline::never());
  }
  // What a new process asks for when it writes once.
  StoreCounts cost(const std::string& endpoint) {
    CountingStore counted(memory_);
    ProbedStore store(counted, endpoint, random_);
    EXPECT_TRUE(write(store).ok());
    return counted.counts();
  }
  static bool probed(const StoreCounts& counts) { return counts.of(Operation::kCreate).calls > 0; }

  ManualClock clock_;
  MemoryStore memory_{clock_};
  SeededRandom random_{8};
};

TEST_F(ProbedStoreTest, IsProbedOnceAnEndpointAndAgainAfterThirtyDays) {
  EXPECT_TRUE(probed(cost("aws/one")));
  const StoreCounts again = cost("aws/one");
  EXPECT_FALSE(probed(again));
  EXPECT_EQ(again.requests(), 2U) << "the record, and the write itself";
  // The same files, copied to another store, say nothing about it.
  EXPECT_TRUE(probed(cost("https://other/one")));
  clock_.advance(hours(24 * 29));
  EXPECT_FALSE(probed(cost("aws/one")));
  clock_.advance(hours(25));
  EXPECT_TRUE(probed(cost("aws/one")));
  EXPECT_FALSE(probed(cost("aws/one")));
}

// Opening an index to search it, or a sync that finds nothing to do, must not pay for it.
TEST_F(ProbedStoreTest, ReadersAskForNothing) {
  CountingStore counted(memory_);
  ProbedStore store(counted, "aws/one", random_);
  EXPECT_EQ(stat_one(store, "head", Deadline::never()).code(), Code::kNotFound);
  EXPECT_TRUE(store.list("", "")->next(Deadline::never()).ok());
  EXPECT_EQ(counted.counts().requests(), 2U);
}

// Lets a create overwrite.
class LyingStore final : public WrappedStore {
 public:
  using WrappedStore::WrappedStore;
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override {
    return put_one(inner(), key, body, deadline);
  }
};

TEST_F(ProbedStoreTest, ALyingStoreIsRefusedByTheNameOfTheCheckAndStillRead) {
  ASSERT_TRUE(put_one(memory_, "head", as_bytes("old"), Deadline::never()).ok());
  LyingStore lying(memory_);
  for (const bool remembered : {false, true}) {
    ProbedStore store(lying, "liar", random_);
    const std::vector<Result<Written>> answers = {
        write(store), store.create("new", as_bytes("x"), Deadline::never()),
        store.swap("head", Tag{"x"}, as_bytes("x"), Deadline::never())};
    for (const Result<Written>& answer : answers) {
      ASSERT_FALSE(answer.ok());
      EXPECT_EQ(answer.code(), Code::kUnsupported);
      EXPECT_NE(answer.error().message.find("'create twice'"), std::string::npos)
          << answer.error().message << (remembered ? ", remembered" : "");
    }
    EXPECT_TRUE(stat_one(store, "head", Deadline::never()).ok());
  }
  // It was mended: doctor looks again.
  ProbedStore mended(memory_, "liar", random_);
  EXPECT_FALSE(write(mended).ok());
  EXPECT_EQ(mended.probe(Deadline::never()).broken(), nullptr);
  EXPECT_TRUE(write(mended).ok());
}

TEST_F(ProbedStoreTest, AnUnansweredProbeIsNotRemembered) {
  FaultStore faulty(memory_, clock_);
  faulty.add({.fault = Fault::kBefore,
              .times = 1,
              .operation = Operation::kCreate,
              .detail = {.code = Code::kUnavailable}});
  ProbedStore store(faulty, "aws/one", random_);
  EXPECT_EQ(write(store).code(), Code::kUnavailable);
  EXPECT_TRUE(write(store).ok()) << "the next write tries again";
}

TEST_F(ProbedStoreTest, ARecordThatIsNoneCountsAsNone) {
  const char* const bodies[] = {"",
                                "{}",
                                "[]",
                                "{\"version\":2}",
                                R"({"version":1,"endpoint":"e","probed_at":"x","checks":[{}]})",
                                R"({"version":1,"endpoint":"e","probed_at":"","checks":[]})"};
  for (const char* body : bodies) {
    EXPECT_FALSE(parse_probe(as_bytes(body)).ok()) << body;
    ASSERT_TRUE(
        put_one(memory_, "probe/" + probe_key("e"), as_bytes(body), Deadline::never()).ok());
    EXPECT_TRUE(probed(cost("e"))) << body;
  }
}

}  // namespace
}  // namespace kedge
