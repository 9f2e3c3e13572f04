// What the director does in one step. A turn is drawn before anything has happened, and the same
// number of draws is made for each, so that turns, troubles and actors can be left out of a history
// without changing what the others are: that is how a seed that fails shrinks (tests/sim/shrink.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace kedge::sim {

// What can be left out of a history, by name: kinds of trouble, and actors.
enum class Part : std::uint8_t {
  kBefore,  // store calls that fail so (store/fault_store.h)
  kAfter,
  kLate,
  kTwice,
  kEcho,
  kTorn,
  kStaleListing,
  kCutListing,
  kModel,  // the model fails
  kCrash,
  kLanding,  // late effects land before their time
  kFreeze,   // a machine sleeps
  kClockJump,
  kHours,  // hours pass at once
  kWriters,
  kSyncs,
  kMerges,
  kCollections,
  kReaders,
  kFinders,
  kSteering,    // pins and rollbacks
  kMadeUp,      // changes of what the writers see
  kBucket,      // changes of the bucket that is synced
  kStoreClock,  // the clock of the index's store jumps
};
inline constexpr std::size_t kParts = static_cast<std::size_t>(Part::kStoreClock) + 1;
inline constexpr std::string_view kPartNames[kParts] = {
    "before", "after",   "late",    "twice",   "echo",     "torn",    "stale",   "cut",
    "model",  "crash",   "land",    "freeze",  "jump",     "hours",   "writers", "syncs",
    "merges", "collect", "readers", "finders", "steering", "made-up", "bucket",  "store-clock"};

// A set of parts, as words between commas: "late,crash".
class Parts {
 public:
  void add(Part part) { bits_ |= 1U << static_cast<unsigned>(part); }
  [[nodiscard]] bool has(Part part) const { return (bits_ >> static_cast<unsigned>(part)) & 1U; }
  [[nodiscard]] std::string print() const;
  // kInvalid: a name that is none.
  static Result<Parts> parse(std::string_view text);

 private:
  std::uint32_t bits_ = 0;
};

// Numbers of turns, as ranges between commas: "3-17,20". Empty: all.
std::string print_turns(const std::vector<std::uint64_t>& turns);
Result<std::vector<std::uint64_t>> parse_turns(std::string_view text);

inline constexpr std::uint32_t kMadeUpKeys = 20;
inline constexpr std::uint32_t kBucketKeys = 12;
// What a bucket can do to a key.
enum class Change : std::uint8_t { kNew, kSame, kOlder, kErase };

// A store's clock is off by at most so much either way: rule 5 allows for an hour between two looks
// at it.
inline constexpr Duration kStoreSkew = std::chrono::minutes(29);

struct Turn {
  Duration passes{0};
  bool hours = false;            // `passes` is in hours
  std::uint32_t made_up = 0;     // a key's number from 1; 0: none
  std::uint32_t bucket = 0;      // likewise
  Change change = Change::kNew;  // of either
  std::uint64_t machine = 0;     // to what the next three happen
  bool lands = false;
  bool crashes = false;
  Duration jumps{0};
  Duration freezes{0};                 // the actor that would go on
  std::optional<Duration> store_skew;  // from now on
  std::uint64_t actor = 0;             // of those that are ready: this one, modulo their number
};
Turn draw_turn(Random& random);

}  // namespace kedge::sim
