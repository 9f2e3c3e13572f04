// Makes an index equal to a source: list, compare, prove absences, index what is new or changed.
// docs/sync.md.
//
// Rules: absence is proven by a complete listing and a stat that says kNotFound; large deletes are
// withheld until approved; every listed object ends in exactly one count; progress is committed as
// it is made, so that any end of the process loses at most one model batch. One sync at a time per
// call; several processes may sync one source at once (rule 6 of docs/commit.md decides).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "embed/cache.h"
#include "embed/embedder.h"
#include "engine/index.h"
#include "ingest/scope.h"
#include "store/object_store.h"

namespace kedge {

struct SyncEnvironment {
  Index& index;
  ObjectStore& source;  // its keys are the object keys
  Embedder& embedder;
  EmbeddingCache* cache;  // nullptr: pay every time
  Clock& clock;
  Random& random;
  Executor& executor;
  Log& log;
  std::string scratch_folder;  // local; listings are spilled there
};

enum class SyncPhase : std::uint8_t { kListing, kIndexing, kProving, kDone };
struct SyncProgress {
  SyncPhase phase = SyncPhase::kListing;
  std::uint64_t listed = 0;
  std::uint64_t to_do = 0;  // objects to be read, once known
  std::uint64_t done = 0;
  std::uint64_t bytes_to_do = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t chunks_embedded = 0;
  std::uint64_t chunks_from_cache = 0;
  std::string_view key;  // being worked on; valid during the call
};

struct SyncOptions {
  std::string source_uri;      // canonical
  std::optional<Scope> scope;  // absent: as recorded in the index, or the default
  std::optional<std::uint64_t>
      max_object_bytes;  // larger ones are skipped; absent: as recorded, or 64 MiB
  std::uint64_t memory_bytes = 256ULL << 20;  // for objects in flight and the segment being built
  bool dry_run = false;  // list, compare, read, chunk and count; nothing is embedded or written
  std::optional<std::uint64_t> approve_deletes;  // lets exactly this number of withheld deletes go
  // Objects that a repair has just let go of with damaged segments: those that the listing does not
  // show again count as gone where the deletes are guarded.
  std::uint64_t let_go = 0;
  bool full = false;          // compare rows even where the set hash says that nothing changed
  bool refresh_tags = false;  // ask for the tags of unchanged objects too, a request each
  Duration commit_every = std::chrono::seconds(20);
  std::uint32_t commit_rows = 16'384;                 // or when this many rows are built
  std::function<void(const SyncProgress&)> progress;  // called often, from one thread
  std::stop_token stop;  // ends after what is in flight; what is finished is committed
  // The newest generation, if the caller has just read it: the head is not read again.
  SnapshotPtr newest = nullptr;
};

struct ObjectProblem {
  std::string key;
  std::string reason;
};

// Counts of one run. listed == indexed + failed + skipped + pending + vanished, always.
struct SyncReport {
  std::uint64_t listed = 0;    // in scope
  std::uint64_t indexed = 0;   // in the index in the listed version after the run
  std::uint64_t failed = 0;    // recorded with a reason
  std::uint64_t skipped = 0;   // recorded with a reason
  std::uint64_t pending = 0;   // not reached: stopped, or the store or the model failed for now
  std::uint64_t vanished = 0;  // listed, gone when read
  std::uint64_t sidecars = 0;  // beside the listed; and beside nothing that is listed
  std::uint64_t sidecars_alone = 0;
  // Of the indexed:
  std::uint64_t added = 0;
  std::uint64_t changed = 0;
  std::uint64_t unchanged = 0;
  std::uint64_t rewritten = 0;  // changed tag, same bytes: nothing embedded
  // Of the index before:
  std::uint64_t deleted = 0;
  std::uint64_t withheld = 0;  // proven absent or out of scope, not deleted
  std::uint64_t unproven = 0;  // not listed, but the source would not say that they are gone
  // Work:
  std::uint64_t objects_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t chunks = 0;  // of what was indexed in this run
  std::uint64_t chunks_embedded = 0;
  std::uint64_t chunks_from_cache = 0;
  std::uint64_t tokens = 0;         // of chunks embedded (dry run: to be embedded)
  std::uint64_t split_objects = 0;  // of those read: with more than one chunk
  double seconds = 0;
  double model_seconds = 0;
  std::uint64_t commits = 0;
  std::uint64_t generation = 0;
  bool stopped = false;
  bool proven_unchanged = false;  // the set hash was equal: no row was read
  std::vector<ObjectProblem>
      problems;  // the first kMaxProblems of failed, skipped, pending, unproven
};
inline constexpr std::size_t kMaxProblems = 1000;

// kInvalid: another space or overlapping source, with what to do. kUnavailable, kDenied: the
// listing failed; nothing was deleted. Objects never fail the run.
Result<SyncReport> sync_source(const SyncEnvironment& environment, const SyncOptions& options,
                               Deadline deadline);

// ---- drift
enum class DriftKind : std::uint8_t { kMissing, kChanged, kGone, kUnreadable };
struct Drift {
  DriftKind kind = DriftKind::kMissing;
  std::string key;
  std::string detail;  // "size 120 -> 140", an error
};
struct DriftReport {
  std::uint64_t listed = 0;
  std::uint64_t indexed = 0;  // live rows
  std::uint64_t missing = 0;
  std::uint64_t changed = 0;
  std::uint64_t gone = 0;
  std::uint64_t unreadable = 0;
  std::uint64_t unproven = 0;  // not listed, and the source would not say that they are gone
  bool proven_equal = false;   // by the set hash alone
  std::vector<Drift> items;    // the first `max_items`
  [[nodiscard]] bool clean() const { return missing + changed + gone + unreadable + unproven == 0; }
};
struct DriftOptions {
  std::string source_uri;
  std::string scratch_folder;
  std::uint64_t memory_bytes = 64ULL << 20;
  std::size_t max_items = 1000;
  bool full = false;  // read every object and compare content hashes
  std::function<void(const SyncProgress&)> progress;
  std::stop_token stop;
};
// Compares index and source without writing; needs no model. kNotFound: the index has no such
// source.
Result<DriftReport> find_drift(Index& index, ObjectStore& source, const DriftOptions& options,
                               Deadline deadline);

// Takes a source out of the index: all its objects, then its entry. Returns how many objects went.
Result<std::uint64_t> remove_source(Index& index, std::uint32_t source, Deadline deadline);

}  // namespace kedge
