// One simulated history: a bucket that changes, writers that look at it and commit what they saw,
// a merger, collectors, readers, and somebody who pins and rolls back, on one store. Each has a
// machine of its own: a clock that is wrong, a connection that fails, and crashes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/hook_store.h"
#include "store/retry_store.h"
#include "tests/sim/checker.h"
#include "tests/sim/history.h"
#include "tests/sim/stage.h"

namespace kedge::sim {

struct PlayOptions {
  std::uint64_t seed = 1;
  std::uint64_t steps = 600;
  bool faults = true;
  bool rollbacks = true;  // whether somebody pins and rolls back
};

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
  std::uint64_t crashes = 0;
  std::uint64_t late_effects = 0;
  std::uint64_t before = 0;  // store calls that failed so (store/fault_store.h)
  std::uint64_t after = 0;
  std::uint64_t late = 0;
  std::uint64_t twice = 0;
  std::uint64_t echoed = 0;
  std::uint64_t reads_compared = 0;
  std::uint64_t snapshots_expired = 0;
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
    {"crashes", &PlayCounts::crashes},
    {"calls failed before their effect", &PlayCounts::before},
    {"calls failed after it", &PlayCounts::after},
    {"calls with a late effect", &PlayCounts::late},
    {"calls that came twice", &PlayCounts::twice},
    {"calls that came again later", &PlayCounts::echoed},
    {"effects that landed late", &PlayCounts::late_effects},
    {"searches equal to the true state", &PlayCounts::reads_compared},
    {"searches of expired snapshots", &PlayCounts::snapshots_expired},
};

class Play;

// A machine: what one actor runs on.
class Machine {
 public:
  Machine(Play& play, std::uint64_t seed, bool faults);

  // The index as this machine opens it; kept until it crashes. nullptr if it could not be opened.
  Index* index();
  // For index(), before its first call.
  IndexOptions& options() { return options_; }
  // After every operation: whether the machine had crashed; then it starts again.
  bool restarted();

  Random& random() { return random_; }
  FaultStore& faults() { return faults_; }
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
  IndexOptions options_;
  std::unique_ptr<Index> index_;
};

class Play {
 public:
  explicit Play(PlayOptions options);

  // `steps` steps, then healing, quiet, and what must hold when nothing is going on any more.
  void run();

  // ---- for the actors
  World& world() { return world_; }
  Stage& stage() { return stage_; }
  Checker& checker() { return *checker_; }
  History& history() { return history_; }
  ObjectStore& store() { return store_; }
  const IndexOptions& index_options() const { return world_.options.index; }
  PlayCounts& counts() { return counts_; }
  [[nodiscard]] bool over() const { return over_; }
  // Called by every machine around every store call.
  void on_call(const Call& call, Moment moment);

  // What the bucket holds; the time is the store's.
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
  // Commits what the bucket holds of the keys, and tells the checker.
  Result<CommitReport> commit(Index& index, const std::vector<ObjectKey>& keys, Deadline deadline);
  // What happens in the bucket.
  void put(const ObjectKey& key) { bucket_[key] = ++versions_; }
  void erase(const ObjectKey& key) { bucket_[key] = std::nullopt; }

 private:
  void add_actors();
  void turn();
  void pass_time();
  bool is_frozen(std::size_t actor);
  void calm();
  void count_faults();

  PlayOptions options_;
  World world_;
  SeededRandom director_;
  MemoryStore store_;
  Stage stage_;
  std::vector<ObjectKey> keys_;
  std::map<ObjectKey, std::optional<std::uint64_t>> bucket_;
  std::uint64_t versions_ = 0;
  std::unique_ptr<Checker> checker_;
  History history_;
  std::vector<std::unique_ptr<Machine>> machines_;
  PlayCounts counts_;
  bool over_ = false;
  std::map<std::size_t, Duration> frozen_until_;  // by actor: its machine sleeps, wherever it is
  std::uint64_t trace_ = 14695981039346656037ULL;
};

// The bodies of the actors: each goes on until play.over().
void write_loop(Play& play, Machine& machine);
void merge_loop(Play& play, Machine& machine);
void collect_loop(Play& play, Machine& machine);
void read_loop(Play& play, Machine& machine);
void find_loop(Play& play, Machine& machine);
void steer_loop(Play& play, Machine& machine);

}  // namespace kedge::sim
