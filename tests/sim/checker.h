// What must hold after every step, whoever failed where:
//   I1   an acknowledged commit stays, until newer versions or a rollback replace it
//   I2   what is live was submitted, whole, or lay in the bucket; what was refused never shows
//   I3   one live version a key, never older than what was there
//   I4   every file that a retained generation names exists
//   I13  the lineage is a chain, and history holds the bytes of each replaced head
//   R8   a generation stays readable for the retention (docs/commit.md, rule 8)
// It reads the store without faults, and knows what was submitted, never what should have won.
//
// Threads: whoever speaks on the stage.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/testing.h"
#include "tests/sim/bucket.h"

namespace kedge::sim {

// What is live of one key: what find() says, and how many chunks it has.
struct Seen {
  ObjectRow row;
  std::uint32_t chunks = 0;
  bool operator==(const Seen&) const = default;
};
using State = std::map<ObjectKey, Seen>;

class Checker {
 public:
  // `store` is the true one.
  Checker(World& world, ObjectStore& store, IndexOptions options);

  // Rows of this source are those of a bucket that is synced: what is live of it must have lain
  // there when it was read, and what is gone must have been absent since.
  void judge_by(std::uint32_t source, const Bucket* bucket) {
    judged_source_ = source;
    bucket_ = bucket;
  }

  // A commit is about to be tried. Its number, to be written into the titles of what it puts.
  std::uint64_t next_attempt() { return ++attempts_; }
  static std::string title(std::uint64_t attempt) { return "attempt " + std::to_string(attempt); }
  void submitted(std::uint64_t attempt, const std::vector<Intent>& intents);
  void acknowledged(std::uint64_t attempt, const CommitReport& report);
  void refused(std::uint64_t attempt);
  void rollback_submitted(std::uint64_t to) { rollbacks_.insert(to); }

  // After every step: the new generation, if there is one, against all that is known.
  void look();
  // After a removal: I4 over all that is promised.
  void check_files_of_retained();

  // nullptr: never seen.
  [[nodiscard]] const State* state(std::uint64_t generation) const;
  [[nodiscard]] bool retained(std::uint64_t generation) const;
  [[nodiscard]] std::uint64_t newest() const { return newest_; }

 private:
  struct Generation {
    Id128 commit_id;
    Envelope envelope;
    Bytes raw;
    State state;
    std::map<ObjectKey, Timestamp> floors;  // nothing older may be live
    bool rolled_back = false;
    Timestamp seen_at;
  };

  State read_state(const SnapshotPtr& snapshot);
  void check_lineage(const Head& head);
  void check_rows(const State& state, const Snapshot& snapshot);
  bool follows(const Generation& before, const State& after, std::string& why) const;
  // Whether some absence of the key that may have been committed explains that nothing is live.
  [[nodiscard]] bool absence_explains(const ObjectKey& key, Timestamp version) const;
  void raise_floors(Generation& generation) const;
  void check_floor(std::uint64_t number, const ObjectKey& key, Timestamp floor);

  World& world_;
  ObjectStore& store_;
  SeededRandom ids_{4711};
  std::unique_ptr<Index> index_;
  std::uint32_t judged_source_ = 0;
  const Bucket* bucket_ = nullptr;
  std::map<std::uint64_t, Generation> generations_;
  std::uint64_t newest_ = 0;
  Tag head_tag_;
  std::uint64_t attempts_ = 0;
  std::map<std::uint64_t, std::vector<std::pair<ObjectKey, Timestamp>>> times_;  // by attempt
  std::map<std::pair<ObjectKey, std::string>, Seen> put_;                        // by title
  std::map<ObjectKey, std::map<std::uint64_t, Timestamp>> absences_;             // by attempt
  std::set<std::uint64_t> refused_;
  std::set<std::uint64_t> rollbacks_;  // generations that were asked for
};

}  // namespace kedge::sim
