// Deletes: what the index has and the listing has not. Absence is proven one by one (a stat that
// says kNotFound), and a large loss is withheld until a person approves its number. docs/sync.md,
// "Absence".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/index.h"
#include "ingest/spill.h"
#include "ingest/sync.h"

namespace kedge {

inline constexpr std::uint64_t kGuardObjects = 10;  // more than this many and
inline constexpr std::uint64_t kGuardPercent =
    10;  // more than this share of the source are withheld

// Whether `proven` of `live` objects may go without approval, where a repair took out `let_go` more
// before, and `gone` of these are gone too.
bool deletes_allowed(std::uint64_t proven, std::uint64_t live,
                     std::optional<std::uint64_t> approved, std::uint64_t let_go = 0,
                     std::uint64_t gone = 0);

class Absence {
 public:
  Absence(const SyncEnvironment& environment, const SyncOptions& options, std::uint32_t source,
          std::uint64_t live_before);

  // A live key that the complete listing did not show.
  Status add_unlisted(const std::string& key);
  // A live key that the patterns leave out now; needs no proof.
  Status add_out_of_scope(const std::string& key, Timestamp decided_at);
  // Keys that vanished between listing and reading; take the same proof.
  [[nodiscard]] Spill& vanished() { return candidates_; }

  // A repair took `let_go` objects out of the index just before, and `gone` of them are not listed:
  // the guard looks at the source as it was.
  void set_let_go(std::uint64_t let_go, std::uint64_t gone) {
    let_go_ = let_go;
    let_go_and_gone_ = gone;
  }

  // Proves, guards and commits; fills deleted, withheld, unproven and the problems of `report`.
  Status settle(SyncReport& report, Deadline deadline);

 private:
  Status prove_batch(const std::vector<std::string>& keys, SyncReport& report, Deadline deadline);
  Status commit_all(SyncReport& report, Deadline deadline);

  const SyncEnvironment& environment_;
  const SyncOptions& options_;
  std::uint32_t source_;
  std::uint64_t live_before_;
  std::uint64_t let_go_ = 0;
  std::uint64_t let_go_and_gone_ = 0;
  Spill candidates_;
  Spill proven_;  // last_modified holds the time of the proof
  std::uint64_t proven_count_ = 0;
  bool listing_lied_ = false;  // an object that it did not show is there
};

}  // namespace kedge
