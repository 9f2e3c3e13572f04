// Each fault does what its name says to the store beneath, and nothing else.
#include "store/fault_store.h"

#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"
#include "store/memory_store.h"

namespace kedge {
namespace {

const Deadline kNever = Deadline::never();

class FaultStoreTest : public testing::Test {
 protected:
  ManualClock clock;
  MemoryStore memory{clock};
  FaultStore store{memory, clock};

  std::string text(std::string_view key) {
    const ReadRequest request{
        .key = std::string(key), .offset = 0, .length = {}, .if_match = {}, .version_id = {}};
    const Result<Blob> blob = read_one(memory, request, kNever);
    return blob.ok() ? std::string(as_text(blob->body)) : "-";
  }
  Result<Written> put(std::string_view key, std::string_view body) {
    return put_one(store, key, as_bytes(body), kNever);
  }
  std::size_t listed() {
    std::size_t count = 0;
    const auto listing = store.list("", "");
    while (true) {
      const auto page = listing->next(kNever);
      if (!page.ok()) return 1000;
      if (page->empty()) return count;
      count += page->size();
    }
  }
};

TEST_F(FaultStoreTest, BeforeAndAfterTheEffect) {
  store.add({.fault = Fault::kBefore, .skip = 1});
  store.add({.fault = Fault::kAfter, .skip = 0, .detail = {.code = Code::kDenied}});
  // The first call skips the first rule and takes the second.
  EXPECT_EQ(put("a", "1").code(), Code::kDenied);
  EXPECT_EQ(text("a"), "1");
  EXPECT_EQ(put("a", "2").code(), Code::kUnavailable);
  EXPECT_EQ(text("a"), "1");
  EXPECT_TRUE(put("a", "3").ok());
  EXPECT_EQ(store.calls(), 3U);
}

TEST_F(FaultStoreTest, RulesMatchOperationsAndKeys) {
  store.add({.fault = Fault::kBefore,
             .times = 2,
             .operation = Operation::kCreate,
             .matches = [](const Call& call) { return call.keys.front() == "head"; }});
  EXPECT_TRUE(put("head", "1").ok());
  EXPECT_TRUE(store.create("other", as_bytes("1"), kNever).ok());
  const Result<Written> created = store.create("head", as_bytes("1"), kNever);
  EXPECT_EQ(created.code(), Code::kUnavailable);
  EXPECT_EQ(created.error().message, "injected: failed create 'head', call 3");
  EXPECT_EQ(store.create("head", as_bytes("1"), kNever).code(), Code::kUnavailable);
  EXPECT_EQ(store.create("head", as_bytes("1"), kNever).code(), Code::kConflict);
}

TEST_F(FaultStoreTest, LateEffectsLandWhenDue) {
  store.add({.fault = Fault::kLate, .detail = {.late_calls = 2}});
  store.add({.fault = Fault::kLate, .detail = {.late_until = clock.now() + Duration(100)}});
  store.add({.fault = Fault::kLate, .detail = {}});
  {
    const std::string body = "lives only as long as the call";
    EXPECT_FALSE(put("calls", body).ok());
  }
  EXPECT_FALSE(store.create("time", as_bytes("t"), kNever).ok());
  EXPECT_EQ(text("calls"), "-");
  EXPECT_FALSE(put("told", "x").ok());
  EXPECT_EQ(text("calls"), "lives only as long as the call");
  EXPECT_EQ(text("time"), "-");
  EXPECT_EQ(store.late(), 2U);
  clock.advance(Duration(100));
  EXPECT_TRUE(store.now(kNever).ok());
  EXPECT_EQ(text("time"), "t");
  EXPECT_EQ(text("told"), "-");
  EXPECT_TRUE(store.land());
  EXPECT_EQ(text("told"), "x");
  EXPECT_FALSE(store.land());
}

// A late swap is still conditional when it lands.
TEST_F(FaultStoreTest, LateSwapsKeepTheirCondition) {
  const Tag first = put("head", "1")->tag;
  store.add({.fault = Fault::kLate, .times = 2, .operation = Operation::kSwap, .detail = {}});
  EXPECT_FALSE(store.swap("head", first, as_bytes("late 1"), kNever).ok());
  EXPECT_FALSE(store.swap("head", first, as_bytes("late 2"), kNever).ok());
  store.land_all();
  EXPECT_EQ(text("head"), "late 1");
}

TEST_F(FaultStoreTest, DoubledEffects) {
  store.add({.fault = Fault::kTwice, .operation = Operation::kCreate});
  EXPECT_EQ(store.create("a", as_bytes("1"), kNever).code(), Code::kConflict);
  EXPECT_EQ(text("a"), "1");
  store.add({.fault = Fault::kEcho, .operation = Operation::kPut, .detail = {}});
  EXPECT_TRUE(put("b", "1").ok());
  EXPECT_TRUE(put("b", "2").ok());
  store.land_all();
  EXPECT_EQ(text("b"), "1");
}

TEST_F(FaultStoreTest, TornBatches) {
  store.add({.fault = Fault::kTorn, .detail = {.torn_mask = 0b010}});
  const std::vector<PutRequest> puts = {
      {"a", as_bytes("A")}, {"b", as_bytes("B")}, {"c", as_bytes("C")}};
  const auto written = store.put(puts, kNever);
  EXPECT_TRUE(written[0].ok() && !written[1].ok() && written[2].ok());
  EXPECT_EQ(text("a") + text("b") + text("c"), "A-C");
}

TEST_F(FaultStoreTest, ListingsFailAreCutAndGoStale) {
  MemoryStore paged(clock, {.page = 2});
  FaultStore faulty(paged, clock);
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(put_one(paged, str_cat("k", i), {}, kNever).ok());
    clock.advance(std::chrono::minutes(1));
  }
  const struct {
    FaultRule rule;
    const char* expected;
  } cases[] = {
      {{.fault = Fault::kBefore, .skip = 2}, "k0 k1 k2 k3 error error "},
      {{.fault = Fault::kCut, .skip = 2}, "k0 k1 k2 k3 "},
      {{.fault = Fault::kCut}, ""},
      {{.fault = Fault::kStale, .detail = {.staleness = std::chrono::minutes(3)}}, "k0 k1 k2 k3 "},
      {{.fault = Fault::kStale, .detail = {.staleness = std::chrono::minutes(100)}}, ""},
      {{.fault = Fault::kNone}, "k0 k1 k2 k3 k4 k5 "}};
  for (const auto& c : cases) {
    faulty.heal();
    faulty.add(c.rule);
    const auto listing = faulty.list("", "");
    std::string got;
    for (int errors = 0; errors < 2;) {
      const auto page = listing->next(kNever);
      if (!page.ok()) {
        got += "error ";
        ++errors;
        continue;
      }
      if (page->empty()) break;
      for (const ObjectInfo& info : *page) got += info.key + " ";
    }
    EXPECT_EQ(got, c.expected) << static_cast<int>(c.rule.fault) << " skip " << c.rule.skip;
  }
}

TEST_F(FaultStoreTest, ACrashEndsEverything) {
  for (const Fault fault : {Fault::kBefore, Fault::kAfter, Fault::kLate}) {
    MemoryStore beneath(clock);
    FaultStore crashing(beneath, clock);
    crashing.crash_at(2, fault);
    EXPECT_TRUE(put_one(crashing, "one", {}, kNever).ok());
    EXPECT_FALSE(put_one(crashing, "two", {}, kNever).ok());
    EXPECT_FALSE(put_one(crashing, "three", {}, kNever).ok());
    EXPECT_FALSE(crashing.now(kNever).ok());
    EXPECT_TRUE(crashing.crashed());
    EXPECT_EQ(stat_one(beneath, "two", kNever).ok(), fault == Fault::kAfter);
    // What was on its way still arrives.
    crashing.land_all();
    EXPECT_EQ(stat_one(beneath, "two", kNever).ok(), fault != Fault::kBefore);
    EXPECT_FALSE(stat_one(beneath, "three", kNever).ok());
    crashing.restart();
    EXPECT_TRUE(put_one(crashing, "four", {}, kNever).ok());
  }
}

// Same seed, same faults; and every kind is drawn.
TEST_F(FaultStoreTest, RatesFollowTheSeed) {
  const auto run = [&](std::uint64_t seed) {
    SeededRandom random(seed);
    MemoryStore beneath(clock);
    FaultStore faulty(beneath, clock);
    faulty.set_rates({.before = 0.1,
                      .after = 0.1,
                      .late = 0.1,
                      .twice = 0.1,
                      .echo = 0.1,
                      .torn = 0.1,
                      .stale = 0.1,
                      .cut = 0.1,
                      .max_late_calls = 5},
                     random);
    std::string trace;
    for (int i = 0; i < 300; ++i) {
      const std::string key = str_cat("k", i);
      const auto created = faulty.create(key, as_bytes("x"), kNever);
      trace += created.ok() ? "." : created.code() == Code::kConflict ? "c" : "u";
      trace += stat_one(beneath, key, kNever).ok() ? "+" : "-";
    }
    return trace;
  };
  const std::string trace = run(1);
  EXPECT_EQ(trace, run(1));
  EXPECT_NE(trace, run(2));
  for (const char* seen : {".+", "c+", "u+", "u-"})
    EXPECT_NE(trace.find(seen), std::string::npos) << seen;
}

}  // namespace
}  // namespace kedge
