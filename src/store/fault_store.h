// A store that fails as real ones do: before or after the effect, late, twice, in part, in the
// middle of a listing. Scripted by rules, or drawn at rates from a seed; and a crash, after which
// the process that holds it reaches the store no more.
//
// Every call is counted from 1: a batch is one call, each page of a listing is one, now() is one.
// A simulation loops over that number. Late effects land in the order they were sent, at the start
// of a later call or when told; a call that was answered lands no effect of its own again unless it
// was to be echoed.
//
// Threads: any method, from any thread; the order of calls decides what fails.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "store/operation.h"
#include "store/wrapped_store.h"

namespace kedge {

enum class Fault {
  kNone,
  kBefore,  // fails, and nothing happened
  kAfter,   // happened, but the answer is lost
  kLate,    // fails; a write lands later, anything else does not happen
  kTwice,   // the request arrives twice at once: the answer is the second one's
  kEcho,    // answered well; a copy of a write lands later again
  kTorn,    // of a batch, the requests named by torn_mask fail before their effect; a call for one
            // key fails
  kStale,   // a listing leaves out, from here on, what was modified within `staleness`
  kCut,     // a listing ends here as if it were complete: an empty one, on its first page
};

inline constexpr std::size_t kFaults = static_cast<std::size_t>(Fault::kCut) + 1;

struct FaultDetail {
  Code code = Code::kUnavailable;  // of what fails
  std::uint64_t late_calls = 0;    // kLate, kEcho: lands before the late_calls-th next call; or
  std::optional<Timestamp> late_until =
      {};  // when `clock` shows this; with neither, when land() is called
  std::uint64_t torn_mask = 0xAAAA'AAAA'AAAA'AAAA;  // kTorn: request i fails if bit i % 64 is set
  Duration staleness = std::chrono::hours(1);
};

// What is to fail: of the calls that match, after `skip` good ones, the next `times`. The first
// rule that applies is taken.
struct FaultRule {
  Fault fault = Fault::kBefore;
  std::uint64_t skip = 0;
  std::uint64_t times = 1;
  std::optional<Operation> operation = {};        // any if absent
  std::function<bool(const Call&)> matches = {};  // all if empty
  FaultDetail detail = {};
};

// Chances for each call, together at most 1. What does not fit a call (late for a read) is not
// drawn for it.
struct FaultRates {
  double before = 0;
  double after = 0;
  double late = 0;
  double twice = 0;
  double echo = 0;
  double torn = 0;
  double stale = 0;
  double cut = 0;
  std::uint64_t max_late_calls = 50;
};

class FaultStore final : public WrappedStore {
 public:
  // `clock` shows when late effects are due.
  FaultStore(ObjectStore& inner, Clock& clock) : WrappedStore(inner), clock_(clock) {}

  void add(FaultRule rule);
  // Faults at random for the calls that no rule takes. `random` is used under a lock of the store's
  // own and must outlive it.
  void set_rates(const FaultRates& rates, Random& random);
  // No rules, no rates; late effects stay.
  void heal();

  // The call of this number suffers `fault` (kBefore, kAfter, kTorn or kLate) and every later one
  // fails with kUnavailable, without effect, until restart().
  void crash_at(std::uint64_t call, Fault fault, FaultDetail detail = {});
  void crash();
  void restart();
  [[nodiscard]] bool crashed() const;

  [[nodiscard]] std::uint64_t calls() const;
  // Calls that suffered this fault, whatever decided it; not those after a crash.
  [[nodiscard]] std::uint64_t suffered(Fault fault) const;
  [[nodiscard]] std::size_t late() const;  // effects that have not landed
  // Lands the oldest late effect; false if there is none.
  bool land();
  void land_all();

  std::vector<Result<Blob>> read(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<Stat>> stat(std::span<const ReadRequest> requests, Deadline deadline) override;
  std::vector<Result<ObjectTags>> tags(std::span<const std::string> keys,
                                       Deadline deadline) override;
  std::vector<Result<Written>> put(std::span<const PutRequest> requests,
                                   Deadline deadline) override;
  Result<Written> create(std::string_view key, ByteView body, Deadline deadline) override;
  Result<Written> swap(std::string_view key, const Tag& expected, ByteView body,
                       Deadline deadline) override;
  std::vector<Result<void>> remove(std::span<const std::string> keys, Deadline deadline) override;
  std::unique_ptr<Listing> list(std::string_view prefix, std::string_view start_after) override;
  Result<Timestamp> now(Deadline deadline) override;

 private:
  friend class FaultListing;
  using Effect = std::function<void(ObjectStore&)>;
  struct Decision {
    Fault fault = Fault::kNone;
    FaultDetail detail;
    Error error;
  };
  struct Late {
    std::uint64_t due_call = 0;  // 0: not by calls
    std::optional<Timestamp> due_time;
    Effect effect;
  };

  Decision decide(const Call& call);
  Decision decide_locked(const Call& call);
  Fault draw(Operation operation, std::size_t keys);
  void send_late(const FaultDetail& detail, Effect effect);
  void land_due();

  template <typename Request, typename Run, typename Copy>
  auto batch(const Call& call, std::span<const Request> requests, const Run& run, const Copy& copy);
  template <typename Run, typename Copy>
  auto single(const Call& call, const Run& run, const Copy& copy);

  Clock& clock_;
  mutable std::mutex mutex_;  // guards all below
  std::vector<FaultRule> rules_;
  std::optional<FaultRates> rates_;
  Random* random_ = nullptr;
  std::uint64_t calls_ = 0;
  std::array<std::uint64_t, kFaults> suffered_{};  // by fault
  std::uint64_t crash_call_ = 0;
  Fault crash_fault_ = Fault::kBefore;
  FaultDetail crash_detail_;
  bool crashed_ = false;
  std::deque<Late> late_;
};

}  // namespace kedge
