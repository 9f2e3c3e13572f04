// What goes wrong, by script: rules that pick requests, and what then happens to them.
//
// Threads: FaultScript any.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace kedge::emulator {

inline constexpr std::size_t kMaxRules = 1'000;

enum class FaultKind {
  // Instead of the answer. With `effect` the request is carried out first.
  kError,         // `status`, `code`
  kErrorInOk,     // 200, then `code` in the body (CompleteMultipartUpload, CopyObject)
  kReset,         // a RST before any byte
  kClose,         // a FIN before any byte
  kStall,         // nothing, until the client goes or the server stops
  kExpiredToken,  // 400 ExpiredToken
  kLateEffect,    // as kError, or kReset without a status; carried out once `requests` further
                  // requests have come or `time` has passed, whichever is first
  kThrottle,      // over `rate` requests a second: `status` (503), `code` (SlowDown)
  // To the effect.
  kDuplicateEffect,          // carried out twice at once; the second answer is sent
  kFlipAtRest,               // one bit of what is stored differs from what was sent
  kIgnoreConditions,         // If-Match and If-None-Match of writes
  kIgnoreConditionsInRaces,  // they are checked, but `time` before the write
  kAllowIfMatchOnMissing,    // a swap of what does not exist creates it
  kStaleReads,               // `requests` reads after this write see the state before it
  kStaleLists,               // `requests` listings after this write do not show its key
  // To the answer.
  kDelay,              // `time` before the request is looked at
  kClockSkew,          // the store's clock is `time` ahead for this request
  kResetInBody,        // a RST after `bytes` of the body
  kStallInBody,        // nothing more after `bytes` of the body
  kShortBody,          // a FIN after `bytes` of the body; Content-Length is right
  kShortLength,        // `bytes` fewer, and Content-Length says so
  kNoLength,           // no Content-Length; a FIN after `bytes` of the body
  kLongBody,           // `bytes` more, and Content-Length says so
  kWrongRange,         // the bytes that begin `bytes` later; Content-Range as asked
  kWrongContentRange,  // the right bytes; Content-Range says they begin `bytes` later
  kIgnoreRange,        // 200 and the whole object
  kFlipOnWire,         // bit `bytes` of the body differs
  // To listings.
  kHideRecent,    // objects younger than `time` are left out
  kEmptyListing,  // 200, nothing in it
  kNoToken,       // IsTruncated, but no continuation token
  kDuplicateEntries,
  kUnordered,
};

struct Fault {
  FaultKind kind = FaultKind::kError;
  int status = 0;
  std::string code = {};
  std::string message = {};
  bool effect = false;
  std::uint64_t bytes = 0;
  Duration time{0};
  std::uint32_t requests = 0;
  double rate = 0;
};

// Which requests a fault happens to. Every request that fits is counted, the first `skip` are
// spared, the next `times` are hit; 0 is no limit.
struct FaultRule {
  std::string operation = "*";
  std::string method = {};        // "": any
  std::string bucket = {};        // "": any
  std::string key_contains = {};  // "": any, and operations on buckets
  std::uint64_t skip = 0;
  std::uint64_t times = 0;
  double probability = 1;  // of being hit
  Fault fault = {};
};

// The faults of one request.
class FaultPlan {
 public:
  void add(const Fault& fault) { faults_.push_back(fault); }
  // The first of that kind, in the order of the rules.
  [[nodiscard]] const Fault* find(FaultKind kind) const;
  [[nodiscard]] bool has(FaultKind kind) const { return find(kind) != nullptr; }
  // The first that takes the place of an answer.
  [[nodiscard]] const Fault* instead() const;
  [[nodiscard]] bool empty() const { return faults_.empty(); }

 private:
  std::vector<Fault> faults_;
};

class FaultScript {
 public:
  explicit FaultScript(std::uint64_t seed) : random_(seed) {}

  // kExhausted: more than kMaxRules.
  Status add(FaultRule rule);
  Status add(const std::vector<FaultRule>& rules);
  void clear();
  // `now` is monotonic.
  FaultPlan plan(std::string_view operation, std::string_view method, std::string_view bucket,
                 std::string_view key, Duration now);
  // How many requests each rule has hit, in the order they were added.
  [[nodiscard]] std::vector<std::uint64_t> hits() const;

 private:
  struct State {
    FaultRule rule;
    std::uint64_t seen = 0;
    std::uint64_t hit = 0;
    double tokens = -1;  // of kThrottle; below zero: not begun
    Duration filled{0};
  };
  static bool throttled(State& state, Duration now);

  mutable std::mutex mutex_;
  SeededRandom random_;
  std::vector<State> rules_;
};

std::string_view fault_name(FaultKind kind);  // "reset_in_body"

// A JSON array of rules, or one rule: {"operation": "GetObject", "method": "GET", "bucket": "b",
// "key_contains": "x", "skip": 0, "times": 1, "probability": 1, "fault": "reset_in_body",
// "bytes": 100, "status": 503, "code": "SlowDown", "message": "", "effect": false, "ms": 20,
// "seconds": 1, "requests": 3, "rate": 3500}. kInvalid: which field of which rule is wrong.
Result<std::vector<FaultRule>> parse_faults(std::string_view json);

}  // namespace kedge::emulator
