// One simulated history on one store: syncs of a bucket that changes under them, with a model that
// fails; writers of made-up objects; mergers, a collector, readers, and somebody who pins and rolls
// back. Each has a machine of its own: a clock that is wrong and jumps, connections that fail, and
// crashes. First all of that, for safety; then nothing fails any more, and all that was begun ends
// within so many calls, and one sync brings index and bucket together.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/sync.h"
#include "store/hook_store.h"
#include "store/retry_store.h"
#include "tests/sim/bucket.h"
#include "tests/sim/checker.h"
#include "tests/sim/history.h"
#include "tests/sim/stage.h"
#include "tests/sim/turn.h"

namespace kedge::sim {

class Play;

struct PlayOptions {
  std::uint64_t seed = 1;
  std::uint64_t steps = 600;
  Parts without = {};                     // what is left out
  std::vector<std::uint64_t> turns = {};  // those that happen; empty: all
  // For tests of the shrinker: called after each turn, and fails where it likes.
  std::function<void(Play&)> planted = {};
};
// Of the test that runs: a history may begin where others have failed.
std::size_t failures_so_far();
// The parts that fail or end something.
Parts all_troubles();

// Who acts. Interleavings are counted by pairs of them: the first one writes while the second one
// is in the middle of something.
enum class Role : std::uint8_t { kWriter, kSync, kMerger, kCollector, kSteerer, kReader, kFinder };
inline constexpr std::size_t kRoles = static_cast<std::size_t>(Role::kFinder) + 1;
inline constexpr std::string_view kRoleNames[kRoles] = {"writer",  "sync",   "merger", "collector",
                                                        "steerer", "reader", "finder"};

// What happened, so that a run in which nothing did is not taken for a proof.
struct PlayCounts {
  std::uint64_t generations = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t refused = 0;
  std::uint64_t unknown = 0;
  std::uint64_t merges = 0;
  std::uint64_t collections = 0;
  std::uint64_t removed = 0;
  std::uint64_t rollbacks = 0;
  std::uint64_t syncs = 0;
  std::uint64_t synced = 0;
  std::uint64_t deleted = 0;
  std::uint64_t withheld = 0;
  std::uint64_t pending = 0;
  std::uint64_t vanished = 0;
  std::uint64_t crashes = 0;
  std::uint64_t jumps = 0;
  std::uint64_t store_jumps = 0;
  std::uint64_t freezes = 0;
  std::uint64_t late_effects = 0;
  std::uint64_t before = 0;  // store calls that failed so (store/fault_store.h)
  std::uint64_t after = 0;
  std::uint64_t late = 0;
  std::uint64_t twice = 0;
  std::uint64_t echoed = 0;
  std::uint64_t torn = 0;
  std::uint64_t stale = 0;
  std::uint64_t cut = 0;
  std::uint64_t model_busy = 0;
  std::uint64_t model_errors = 0;
  std::uint64_t model_short = 0;
  std::uint64_t model_wide = 0;
  std::uint64_t model_nan = 0;
  std::uint64_t reads_compared = 0;
  std::uint64_t snapshots_expired = 0;
  std::array<std::array<std::uint64_t, kRoles>, kRoles> pairs{};  // [who writes][who is at work]
  std::uint64_t bucket_pairs = 0;  // the bucket changes while a sync is at work
  std::uint64_t most_calls = 0;    // of one actor, from the end of faults to its own end

  PlayCounts& operator+=(const PlayCounts& other);
};

struct PlayCount {
  std::string_view name;
  std::uint64_t PlayCounts::*value;
};
inline constexpr PlayCount kPlayCounts[] = {
    {"generations", &PlayCounts::generations},
    {"commits acknowledged", &PlayCounts::acknowledged},
    {"commits refused", &PlayCounts::refused},
    {"commits in doubt", &PlayCounts::unknown},
    {"merges", &PlayCounts::merges},
    {"collections", &PlayCounts::collections},
    {"files removed", &PlayCounts::removed},
    {"rollbacks", &PlayCounts::rollbacks},
    {"syncs", &PlayCounts::syncs},
    {"objects indexed by them", &PlayCounts::synced},
    {"deleted", &PlayCounts::deleted},
    {"withheld", &PlayCounts::withheld},
    {"pending", &PlayCounts::pending},
    {"vanished between listing and reading", &PlayCounts::vanished},
    {"crashes", &PlayCounts::crashes},
    {"clock jumps", &PlayCounts::jumps},
    {"jumps of the store's clock", &PlayCounts::store_jumps},
    {"machines asleep", &PlayCounts::freezes},
    {"calls failed before their effect", &PlayCounts::before},
    {"calls failed after it", &PlayCounts::after},
    {"calls with a late effect", &PlayCounts::late},
    {"calls that came twice", &PlayCounts::twice},
    {"calls that came again later", &PlayCounts::echoed},
    {"calls failed in part", &PlayCounts::torn},
    {"stale listings", &PlayCounts::stale},
    {"listings cut short", &PlayCounts::cut},
    {"effects that landed late", &PlayCounts::late_effects},
    {"busy answers of the model", &PlayCounts::model_busy},
    {"errors of the model", &PlayCounts::model_errors},
    {"short batches", &PlayCounts::model_short},
    {"batches of another dimension", &PlayCounts::model_wide},
    {"batches with NaN", &PlayCounts::model_nan},
    {"searches equal to the true state", &PlayCounts::reads_compared},
    {"searches of expired snapshots", &PlayCounts::snapshots_expired},
    {"changes of the bucket under a sync", &PlayCounts::bucket_pairs},
};

// A machine: what one actor runs on.
class Machine {
 public:
  Machine(Play& play, std::uint64_t seed, bool faults);

  // The index as this machine opens it; kept until it crashes. nullptr if it could not be opened.
  Index* index();
  // For index(), before its first call.
  IndexOptions& options() { return options_; }
  ObjectStore& store() { return retrying_; }          // of the index, and of the embedding cache
  ObjectStore& source() { return source_retrying_; }  // the bucket
  // Whatever runs on it reaches no store any more.
  void crash();
  // After every operation: whether the machine had crashed; then it starts again.
  bool restarted();
  // Nothing fails any more. Late effects stay.
  void heal();

  Random& random() { return random_; }
  FaultStore& faults() { return faults_; }
  [[nodiscard]] std::uint64_t suffered(Fault fault) const {
    return faults_.suffered(fault) + source_faults_.suffered(fault);
  }
  ActorClock& clock() { return clock_; }
  // Some operations may take as long as a machine sleeps.
  Deadline soon() {
    return Deadline::after(clock_, std::chrono::minutes(random_.below(3) == 0 ? 6000 : 10));
  }

 private:
  Play& play_;
  SeededRandom random_;
  SeededRandom faults_random_;
  ActorClock clock_;
  FaultStore faults_;
  HookStore hooked_;
  RetryStore retrying_;
  FaultStore source_faults_;
  HookStore source_hooked_;
  RetryStore source_retrying_;
  IndexOptions options_;
  std::unique_ptr<Index> index_;
};

class Play {
 public:
  explicit Play(PlayOptions options);

  // Safety, then liveness: `steps` steps, then healing, quiet, and what must hold when nothing is
  // going on any more.
  void run();
  [[nodiscard]] bool failed() const { return failures_so_far() > failures_before_; }

  // ---- for the actors
  World& world() { return world_; }
  Stage& stage() { return stage_; }
  Checker& checker() { return *checker_; }
  History& history() { return history_; }
  ObjectStore& store() { return store_; }
  Bucket& bucket() { return bucket_; }
  ModelRecord& models() { return models_; }
  [[nodiscard]] bool has(Part part) const { return !options_.without.has(part); }
  // No rollback goes back before it: every source is there.
  [[nodiscard]] std::uint64_t first_generation() const { return first_generation_; }
  const IndexOptions& index_options() const { return world_.options.index; }
  PlayCounts& counts() { return counts_; }
  [[nodiscard]] bool over() const { return over_; }
  // Called by every machine around every call of the index's store, and of the bucket.
  void on_call(const Call& call, Moment moment);
  void on_source_call(const Call& call, Moment moment);

  // What a writer sees of a made-up object; the time is the store's.
  struct Seen {
    std::optional<std::uint64_t> version;
    Timestamp time;
  };
  Seen look_at_source(const ObjectKey& key);
  Result<std::string> current_tag(const ObjectKey& key);
  const std::vector<ObjectKey>& keys() const { return keys_; }
  // What a sync that saw `key` would commit.
  Intent observe(const ObjectKey& key, std::uint64_t attempt);

  [[nodiscard]] std::uint64_t trace() const { return trace_; }

  // For directed cases: a machine, whose faults are random or those of the case; and an index on
  // one that never fails, for the director itself.
  Machine& add_machine(bool faults);
  Machine& director() { return *machines_.front(); }
  Index& direct() { return *director().index(); }
  // Commits what there is of the keys, and tells the checker.
  Result<CommitReport> commit(Index& index, const std::vector<ObjectKey>& keys, Deadline deadline);
  // What happens to made-up objects.
  void put(const ObjectKey& key) { made_up_[key] = ++versions_; }
  void erase(const ObjectKey& key) { made_up_[key] = std::nullopt; }

 private:
  void add_actors();
  void turn(const Turn& turn);
  void change(const Turn& turn);
  void trouble(const Turn& turn);
  void trace(const Call& call);
  void count_pairs(const Call& call);
  void drain();
  void calm();
  void calm_made_up(Index& index);
  void calm_bucket(Index& index);
  void rewrite_bucket(Index& index);
  void expect_vectors_of_models(Index& index);
  void count_faults();

  PlayOptions options_;
  std::size_t failures_before_ = failures_so_far();
  World world_;
  SeededRandom director_;
  ActorClock store_clock_;
  MemoryStore store_;
  Bucket bucket_;
  ModelRecord models_;
  Stage stage_;
  std::vector<ObjectKey> keys_;
  std::map<ObjectKey, std::optional<std::uint64_t>> made_up_;
  std::uint64_t versions_ = 0;
  std::unique_ptr<Checker> checker_;
  std::uint64_t first_generation_ = 0;
  History history_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<Role> roles_;            // by actor
  std::vector<Machine*> machines_of_;  // likewise
  PlayCounts counts_;
  bool over_ = false;
  std::map<std::size_t, Duration> frozen_until_;  // by actor: its machine sleeps, wherever it is
  std::vector<std::uint64_t> calls_;              // by actor
  std::uint64_t trace_ = 14695981039346656037ULL;
};

// The number and the name of the bucket among the sources.
inline constexpr std::uint32_t kBucketSource = 3;

// A run of the real sync on that machine, over its connections. `failures`: of the model; nullptr:
// it does not fail.
Result<SyncReport> sync_bucket(Play& play, Machine& machine, Index& index, Random* failures,
                               std::optional<std::uint64_t> approve);

// The bodies of the actors: each goes on until play.over().
void write_loop(Play& play, Machine& machine);
void sync_loop(Play& play, Machine& machine);
void merge_loop(Play& play, Machine& machine);
void collect_loop(Play& play, Machine& machine);
void read_loop(Play& play, Machine& machine);
void find_loop(Play& play, Machine& machine);
void steer_loop(Play& play, Machine& machine);

}  // namespace kedge::sim
