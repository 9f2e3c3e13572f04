// Each fault as a client sees it, and that nothing is wrong once its script has run out.
#include "emulator/faults.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/strings.h"
#include "emulator/testing.h"

namespace kedge::emulator {
namespace {

using End = RawAnswer::End;

const std::string kBody = "0123456789abcdefghij";

FaultRule rule(FaultKind kind, std::string operation = "*") {
  FaultRule out;
  out.operation = std::move(operation);
  out.fault.kind = kind;
  return out;
}

// Of a GET of bytes 2 to 11 of kBody.
struct WireCase {
  const char* why;
  Fault fault;
  int status;
  End end;
  std::string body;
  std::string length;
  std::string range;
};
const std::vector<WireCase> kWireCases = {
    {"none",
     {.kind = FaultKind::kDelay, .time = Duration(1)},
     206,
     End::kComplete,
     "23456789ab",
     "10",
     "bytes 2-11/20"},
    {"an error",
     {.kind = FaultKind::kError, .status = 503, .code = "SlowDown"},
     503,
     End::kComplete,
     "",
     "",
     ""},
    {"reset", {.kind = FaultKind::kReset}, 0, End::kReset, "", "", ""},
    {"close", {.kind = FaultKind::kClose}, 0, End::kClosed, "", "", ""},
    {"reset in body",
     {.kind = FaultKind::kResetInBody, .bytes = 3},
     206,
     End::kReset,
     "234",
     "10",
     "bytes 2-11/20"},
    {"short body",
     {.kind = FaultKind::kShortBody, .bytes = 9},
     206,
     End::kClosed,
     "23456789a",
     "10",
     "bytes 2-11/20"},
    {"no byte of a body",
     {.kind = FaultKind::kShortBody, .bytes = 0},
     206,
     End::kClosed,
     "",
     "10",
     "bytes 2-11/20"},
    {"short length",
     {.kind = FaultKind::kShortLength, .bytes = 4},
     206,
     End::kComplete,
     "234567",
     "6",
     "bytes 2-11/20"},
    {"no length",
     {.kind = FaultKind::kNoLength, .bytes = 5},
     206,
     End::kClosed,
     "23456",
     "",
     "bytes 2-11/20"},
    {"long body",
     {.kind = FaultKind::kLongBody, .bytes = 2},
     206,
     End::kComplete,
     "23456789ab\xEE\xEE",
     "12",
     "bytes 2-11/20"},
    {"wrong bytes",
     {.kind = FaultKind::kWrongRange, .bytes = 1},
     206,
     End::kComplete,
     "3456789abc",
     "10",
     "bytes 2-11/20"},
    {"wrong Content-Range",
     {.kind = FaultKind::kWrongContentRange, .bytes = 1},
     206,
     End::kComplete,
     "23456789ab",
     "10",
     "bytes 3-12/20"},
    {"range ignored", {.kind = FaultKind::kIgnoreRange}, 200, End::kComplete, kBody, "20", ""},
    {"a bit",
     {.kind = FaultKind::kFlipOnWire, .bytes = 9},
     206,
     End::kComplete,
     "21456789ab",
     "10",
     "bytes 2-11/20"},
};

TEST(Faults, OnTheWireOfARead) {
  for (const WireCase& c : kWireCases) {
    const Fixture f;
    ASSERT_EQ(f.client.put("b", "k", kBody).status, 200);
    f.script({.operation = "GetObject", .times = 1, .fault = c.fault});
    const RawAnswer got = f.client.get("b", "k", {{"range", "bytes=2-11"}});
    EXPECT_EQ(got.status, c.status) << c.why;
    EXPECT_EQ(got.end, c.end) << c.why;
    if (c.status < 400) {
      EXPECT_EQ(got.body, c.body) << c.why;
      EXPECT_EQ(got.header("content-length"), c.length) << c.why;
      EXPECT_EQ(got.header("content-range"), c.range) << c.why;
    }
    EXPECT_EQ(f.client.get("b", "k").body, kBody) << c.why << ": only one was asked for";
  }
}

// Whether a write happened is what a client must find out, so each position has its own effect.
TEST(Faults, EffectsOfAWriteWithoutItsAnswer) {
  const struct {
    const char* why;
    Fault fault;
    int status;
    End end;
    bool written;
  } cases[] = {
      {"an error before", {.kind = FaultKind::kError, .status = 500}, 500, End::kComplete, false},
      {"an error after",
       {.kind = FaultKind::kError, .status = 500, .effect = true},
       500,
       End::kComplete,
       true},
      {"reset before", {.kind = FaultKind::kReset}, 0, End::kReset, false},
      {"reset after", {.kind = FaultKind::kReset, .effect = true}, 0, End::kReset, true},
      {"closed after", {.kind = FaultKind::kClose, .effect = true}, 0, End::kClosed, true},
      {"an expired token", {.kind = FaultKind::kExpiredToken}, 400, End::kComplete, false},
      {"a create twice is lost to itself",
       {.kind = FaultKind::kDuplicateEffect},
       412,
       End::kComplete,
       true},
  };
  for (const auto& c : cases) {
    const Fixture f;
    f.script({.method = "PUT", .key_contains = "k", .times = 1, .fault = c.fault});
    const RawAnswer answer = f.client.put("b", "k", "new", {{"if-none-match", "*"}});
    EXPECT_EQ(answer.status, c.status) << c.why;
    EXPECT_EQ(answer.end, c.end) << c.why;
    EXPECT_EQ(f.client.get("b", "k").status, c.written ? 200 : 404) << c.why;
  }
}

// A late write must land after requests that began later, under its own condition of then.
TEST(Faults, LateEffectsLandAfterLaterRequests) {
  const struct {
    const char* why;
    std::vector<HttpHeader> condition;
    const char* between;  // "": nothing is written
    const char* last;
  } cases[] = {{"lands", {}, "", "late"},
               {"overwrites what came later", {}, "between", "late"},
               {"its condition holds no more", {{"if-none-match", "*"}}, "between", "between"}};
  for (const auto& c : cases) {
    const Fixture f;
    FaultRule late = rule(FaultKind::kLateEffect, "PutObject");
    late.times = 1;
    late.fault.requests = 3;
    f.script(late);
    EXPECT_EQ(f.client.put("b", "k", "late", c.condition).end, End::kReset);
    EXPECT_EQ(f.client.get("b", "k").status, 404) << c.why;
    const std::string between = c.between;
    const RawAnswer second =
        between.empty() ? f.client.get("b", "k") : f.client.put("b", "k", between);
    EXPECT_EQ(second.status, between.empty() ? 404 : 200) << c.why;
    EXPECT_EQ(f.client.get("b", "k").body, c.last) << c.why;
  }
  ManualClock clock;
  Options options;
  options.clock = &clock;
  const Fixture f(options);
  FaultRule late = rule(FaultKind::kLateEffect, "PutObject");
  late.fault.time = std::chrono::seconds(5);
  late.fault.status = 503;
  f.script(late);
  EXPECT_EQ(f.client.put("b", "k", "late").status, 503);
  EXPECT_EQ(f.client.get("b", "k").status, 404);
  clock.advance(std::chrono::seconds(5));
  EXPECT_EQ(f.client.get("b", "k").body, "late");
}

// The probe of a store has to see each of these, so each must really lie.
TEST(Faults, StoresThatLieAboutConditions) {
  const Fixture f;
  ASSERT_EQ(f.client.put("b", "k", "1").status, 200);
  f.script(rule(FaultKind::kIgnoreConditions));
  EXPECT_EQ(f.client.put("b", "k", "2", {{"if-none-match", "*"}}).status, 200);
  EXPECT_EQ(f.client.put("b", "k", "3", {{"if-match", "\"x\""}}).status, 200);
  f.emulator->faults().clear();
  EXPECT_EQ(f.client.put("b", "k", "4", {{"if-match", "\"x\""}}).status, 412);
  EXPECT_EQ(f.client.put("b", "no", "4", {{"if-match", "\"x\""}}).status, 404);
  f.script(rule(FaultKind::kAllowIfMatchOnMissing));
  EXPECT_EQ(f.client.put("b", "no", "4", {{"if-match", "\"x\""}}).status, 200);
  EXPECT_EQ(f.client.get("b", "k").body, "3");
}

TEST(Faults, ConditionsThatHoldAloneButNotInRaces) {
  const Fixture f;
  FaultRule races = rule(FaultKind::kIgnoreConditionsInRaces);
  races.fault.time = std::chrono::milliseconds(200);
  f.script(races);
  constexpr int kWriters = 4;
  std::vector<int> statuses(kWriters);
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i)
    writers.emplace_back([&, i] {
      statuses[static_cast<std::size_t>(i)] =
          f.client.put("b", "k", std::to_string(i), {{"if-none-match", "*"}}).status;
    });
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(std::ranges::count(statuses, 200), 1);
  EXPECT_EQ(f.client.put("b", "k", "alone", {{"if-none-match", "*"}}).status, 412);
}

TEST(Faults, StoresThatForgetForAWhile) {
  const Fixture f;
  ASSERT_EQ(f.client.put("b", "k", "old").status, 200);
  FaultRule stale = rule(FaultKind::kStaleReads, "PutObject");
  stale.fault.requests = 2;
  f.script(stale);
  FaultRule unlisted = rule(FaultKind::kStaleLists, "PutObject");
  unlisted.key_contains = "n";
  unlisted.fault.requests = 1;
  f.script(unlisted);
  ASSERT_EQ(f.client.put("b", "k", "new").status, 200);
  ASSERT_EQ(f.client.put("b", "n", "x").status, 200);
  EXPECT_EQ(f.client.get("b", "k").body, "old");
  EXPECT_EQ(f.client.get("b", "k").body, "old");
  EXPECT_EQ(f.client.get("b", "k").body, "new");
  EXPECT_EQ(f.client.get("b", "n").status, 404);
  const auto lists = [&] { return f.client.send({.bucket = "b"}).body; };
  EXPECT_EQ(lists().find("<Key>n</Key>"), std::string::npos);
  EXPECT_NE(lists().find("<Key>n</Key>"), std::string::npos);
}

TEST(Faults, ListingsThatAreNotTheTruth) {
  ManualClock clock;
  Options options;
  options.clock = &clock;
  const Fixture f(options);
  for (const char* key : {"a", "b", "c"}) {
    ASSERT_EQ(f.client.put("b", key, "x").status, 200);
    clock.advance(std::chrono::seconds(10));
  }
  const struct {
    FaultKind kind;
    Duration time;
    std::vector<std::pair<std::string, std::string>> query;
    std::string keys;
    bool token;
  } cases[] = {
      {FaultKind::kDelay, Duration(1), {}, "abc", false},
      {FaultKind::kDelay, Duration(1), {{"max-keys", "2"}}, "ab", true},
      {FaultKind::kHideRecent, std::chrono::seconds(25), {}, "a", false},
      {FaultKind::kEmptyListing, Duration(0), {}, "", false},
      {FaultKind::kNoToken, Duration(0), {{"max-keys", "2"}}, "ab", false},
      {FaultKind::kDuplicateEntries, Duration(0), {}, "aabbcc", false},
      {FaultKind::kUnordered, Duration(0), {}, "cba", false},
  };
  for (const auto& c : cases) {
    f.emulator->faults().clear();
    f.script({.fault = {.kind = c.kind, .time = c.time}});
    Ask ask{.bucket = "b", .query = {{"list-type", "2"}}};
    ask.query.insert(ask.query.end(), c.query.begin(), c.query.end());
    const RawAnswer answer = f.client.send(ask);
    std::string keys;
    for (std::size_t at = 0; (at = answer.body.find("<Key>", at)) != std::string::npos; at += 5)
      keys += answer.body[at + 5];
    EXPECT_EQ(keys, c.keys) << fault_name(c.kind);
    EXPECT_EQ(!answer.inside("NextContinuationToken").empty(), c.token) << fault_name(c.kind);
    EXPECT_EQ(answer.inside("IsTruncated") == "true", !c.query.empty()) << fault_name(c.kind);
  }
}

TEST(Faults, ThrottlingIsARateOfTheClock) {
  ManualClock clock;
  Options options;
  options.clock = &clock;
  const Fixture f(options);
  FaultRule throttle = rule(FaultKind::kThrottle, "PutObject");
  throttle.fault.rate = 20;  // a burst of 2
  f.script(throttle);
  const auto put = [&] { return f.client.put("b", "k", "x").status; };
  EXPECT_EQ(put(), 200);
  EXPECT_EQ(put(), 200);
  EXPECT_EQ(put(), 503);
  clock.advance(std::chrono::milliseconds(50));
  EXPECT_EQ(put(), 200);
  EXPECT_EQ(put(), 503);
  EXPECT_EQ(f.client.get("b", "k").status, 200);
}

TEST(Faults, ASkewedClockRefusesAndTellsItsTime) {
  ManualClock clock;
  Options options;
  options.clock = &clock;
  options.clock_offset = std::chrono::hours(1);
  const Fixture f(options);
  const RawAnswer refused = f.client.get("b", "k");
  EXPECT_EQ(refused.inside("Code"), "RequestTimeTooSkewed");
  EXPECT_EQ(refused.header("date"), "Tue, 14 Nov 2023 23:13:20 GMT");
  EXPECT_EQ(f.client.send({.bucket = "b", .key = "k", .clock_ahead = std::chrono::hours(1)}).status,
            404);
}

TEST(Faults, AStallEndsWithTheServer) {
  const Fixture f;
  f.script(rule(FaultKind::kStall));
  RawConnection connection(f.emulator->port());
  connection.write(f.client.wire({.bucket = "b", .key = "k"}));
  EXPECT_EQ(connection.read(false, std::chrono::milliseconds(50)).end, End::kSilent);
  f.emulator->stop();
  EXPECT_EQ(connection.read(false).end, End::kClosed);
}

TEST(Faults, WhatIsStoredCanRot) {
  const Fixture f;
  FaultRule rot = rule(FaultKind::kFlipAtRest, "PutObject");
  rot.fault.bytes = 0;
  f.script(rot);
  const RawAnswer put = f.client.put("b", "k", "0000");
  const RawAnswer got = f.client.get("b", "k");
  EXPECT_EQ(got.body, "1000");
  EXPECT_EQ(got.header("etag"), put.header("etag"));
}

// Rules pick by everything they name, spare `skip`, hit `times`.
TEST(FaultScript, SkipsAndHitsAsOftenAsItSays) {
  FaultScript script(1);
  ASSERT_TRUE(script
                  .add({.operation = "GetObject",
                        .method = "GET",
                        .bucket = "b",
                        .key_contains = "x",
                        .skip = 1,
                        .times = 2})
                  .ok());
  const auto hit = [&](std::string_view operation, std::string_view bucket, std::string_view key) {
    return !script.plan(operation, "GET", bucket, key, Duration(0)).empty();
  };
  EXPECT_FALSE(hit("GetObject", "b", "axb")) << "skipped";
  EXPECT_FALSE(hit("HeadObject", "b", "axb"));
  EXPECT_FALSE(hit("GetObject", "c", "axb"));
  EXPECT_FALSE(hit("GetObject", "b", "ab"));
  EXPECT_TRUE(hit("GetObject", "b", "axb"));
  EXPECT_TRUE(hit("GetObject", "b", "x"));
  EXPECT_FALSE(hit("GetObject", "b", "x")) << "twice was enough";
  EXPECT_EQ(script.hits(), std::vector<std::uint64_t>{2});
}

TEST(FaultScript, ReadsJson) {
  const auto rules = parse_faults(R"([{"operation": "PutObject", "skip": 2, "times": 1,
      "fault": "late_effect", "requests": 3, "ms": 20, "effect": true}])");
  ASSERT_TRUE(rules.ok());
  EXPECT_EQ(rules->front().skip, 2U);
  EXPECT_EQ(rules->front().fault.kind, FaultKind::kLateEffect);
  EXPECT_EQ(rules->front().fault.time, std::chrono::milliseconds(20));
  for (int kind = 0; kind <= static_cast<int>(FaultKind::kUnordered); ++kind) {
    const auto name = fault_name(static_cast<FaultKind>(kind));
    const auto one = parse_faults(str_cat(R"({"fault": ")", name, R"("})"));
    ASSERT_TRUE(one.ok()) << name;
    EXPECT_EQ(static_cast<int>(one->front().fault.kind), kind) << name;
  }
  for (const char* bad :
       {"", "[1]", "[{}]", R"({"fault": "no"})", R"({"fault": "reset", "x": 1})",
        R"({"fault": "reset", "skip": -1})", R"({"fault": "reset", "skip": 1.5})"})
    EXPECT_EQ(parse_faults(bad).code(), Code::kInvalid) << bad;
}

// The figures of a distribution are what benchmarks compare with.
TEST(Latency, DrawsItsMedianAndItsTail) {
  const std::uint64_t seed = 7;
  SeededRandom random(seed);
  const Latency latency = Latency::parse("lognormal:30ms,100ms").value();
  std::vector<Duration> draws(100'000);
  for (Duration& one : draws) one = latency.draw(random);
  std::ranges::sort(draws);
  EXPECT_NEAR(static_cast<double>(draws[50'000].count()), 30'000, 600) << "seed " << seed;
  EXPECT_NEAR(static_cast<double>(draws[99'000].count()), 100'000, 4'000) << "seed " << seed;
  EXPECT_EQ(Latency::parse("constant:30ms").value().draw(random), std::chrono::milliseconds(30));
  for (const char* bad : {"30ms", "constant:30", "constant:-1ms", "lognormal:30ms",
                          "lognormal:100ms,30ms", "constant:1h", "constant:1ms,2ms"})
    EXPECT_FALSE(Latency::parse(bad).ok()) << bad;
}

}  // namespace
}  // namespace kedge::emulator
