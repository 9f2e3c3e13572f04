// One head on a store, its history, and nothing of what it is the head of: the index and the
// embedding cache both stand on it. docs/commit.md has the protocol, its ten invariants and a
// picture of the states.
//
//   <prefix>head                               the one mutable file
//   <prefix>history/<generation>-<commit id>   bodies of committed heads only (20 digits, 32 hex),
//                                              create-only
//   everything else under <prefix>             files: immutable, named by heads, deleted by
//                                              collect() alone (commit/collect.h)
//
// Threads: any method, from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "commit/history.h"
#include "format/envelope.h"
#include "store/object_store.h"

namespace kedge {

// A committed state. Immutable; shared by readers.
struct Head {
  Envelope envelope;        // ids, generation, floors, pins, named files, payload
  Bytes raw;                // the bytes of the file: what history keeps
  Tag tag;                  // of the head file; empty if this state is not (any more) read from it
  Timestamp last_modified;  // of the file it was read from; for an own commit at or before it
  // The store's clock when it was read: uploads begun after this began after it.
  Timestamp store_time;
  // Read from the newest history body because the head does not parse (rule 10): readers may go on,
  // writers may not.
  bool recovered = false;
};
using HeadPtr = std::shared_ptr<const Head>;

// A file that this process uploaded and no committed head names yet.
struct Upload {
  FileRef file;
  Timestamp began;  // the store's clock, at or before the upload began
};

// What the next generation shall be. The log fills in ids, generation, pairs, history and floors.
struct Draft {
  Bytes payload;
  // Everything the payload names after this commit, in any order. Each must be named by the parent
  // or by `named_by`, or be in `uploaded` or `puts` (rule 5), else the commit is refused.
  std::vector<FileRef> files;
  std::vector<Upload> uploaded;  // put before now; those not in `files` are of no consequence
  // To be put in the commit's first round, beside the history body; all of them in `files`. A key
  // is put once however often the draft is built again: it names the same bytes.
  std::vector<std::pair<FileRef, Bytes>> puts;
  HeadPtr named_by;      // a generation that the parent still retains (rollback). May be empty.
  bool dropped = false;  // the index ends with this commit; names no files
  // May change pins, retention, grace and features; nothing else. May be empty.
  std::function<void(Envelope&)> amend;
};

// Builds the draft on a base: called with the parent, and again with each head that got in between.
// An error ends the commit as NotCommitted with that error. Must not write to the head.
using Rebase = std::function<Result<Draft>(const HeadPtr& base)>;

struct Committed {
  HeadPtr head;  // this commit's state; others may already stand upon it
};
struct NotCommitted {
  // kExpired: a named upload is too old to name, upload again under a new id. kNotFound: the index
  // was dropped. Others as they came. Nothing may be deleted: that is for collect().
  Error reason;
};
// The swap may have happened or may still happen. Nothing may be deleted or done again on account
// of it; any later commit settles it, and HeadLog::settle() looks.
struct UnknownOutcome {
  Id128 commit_id;
  std::uint64_t base_generation = 0;
  Error last;  // the last thing the store said
};
using CommitOutcome = std::variant<Committed, NotCommitted, UnknownOutcome>;

struct HeadLogOptions {
  // Of generation 1; later heads carry them on, and Draft::amend changes them.
  Duration retention = std::chrono::hours(24);  // of replaced generations; never under grace
  Duration grace = std::chrono::hours(24);      // of unnamed files; never under kMinGrace
  std::size_t max_head_bytes = kMaxHeadBytes;
  std::vector<std::string> known_features;  // heads that require another are refused
};
// How long after the parent's gc_floor an upload must have begun for a commit to name it (rule 5).
inline constexpr Duration kFloorMargin = std::chrono::hours(1);
// How often a swap that the store refuses with a final code (not kUnavailable, not kConflict) is
// sent again before the outcome stays unknown, and how often a head that cannot be read as one is.
inline constexpr int kMaxRefusals = 4;
// How long a store that gives no definite answer is asked where the caller has no deadline.
inline constexpr Duration kPatience = std::chrono::minutes(2);

class Pace;  // commit/pace.h

class HeadLog {
 public:
  // `prefix` is "" or ends with '/'. All references must outlive the log. `executor` runs the first
  // round of a commit in parallel; without one its two calls follow each other.
  HeadLog(ObjectStore& store, std::string prefix, Clock& clock, Random& random, Log& log,
          HeadLogOptions options, Executor* executor = nullptr);
  ~HeadLog();

  // Makes generation 1, or, upon a dropped head, the next one. kConflict: there is an index
  // already, made by somebody else (if an earlier copy of this call made it: Committed).
  CommitOutcome create(const Draft& first, Deadline deadline);

  // The current state: one GET, and `known` itself where the store says that it is the head still
  // (If-None-Match): its times are those of when it was read. `known` may be null. kNotFound: no
  // head. kCorrupt: neither the head nor a history body parses. kUnsupported: a required feature is
  // unknown, by name.
  Result<HeadPtr> read(Deadline deadline, const HeadPtr& known = nullptr);
  // As read, and in the same round the file `beside`, a key under the prefix, whole. What comes of
  // that is in `file`, and nothing else depends on it.
  Result<HeadPtr> read_beside(std::string_view beside, Result<Blob>& file, Deadline deadline);
  // A retained generation, from the head or its history body. kExpired: not retained any more.
  // kNotFound: never was. kCorrupt: lost, or does not parse.
  Result<HeadPtr> read_generation(std::uint64_t generation, Deadline deadline);
  // The retained generations, newest first, from the history listing and the head.
  Result<std::vector<HeadPtr>> history(std::size_t limit, Deadline deadline);

  // One commit on `base` or whatever follows it: rules 1 to 5. Nothing is retried below; lost races
  // rebase with back-off (full jitter by the Random, scaled to the measured commit time) until the
  // deadline.
  CommitOutcome commit(HeadPtr base, const Rebase& rebase, Deadline deadline);

  // Whether an unknown outcome can be told by now: sends nothing.
  CommitOutcome settle(const UnknownOutcome& outcome, Deadline deadline);

  // Puts files whose names nobody else can have (their keys hold a random id), for a later
  // Draft::uploaded. `seen` is the newest store time this process has from before the call (a
  // head's store_time will do).
  Result<std::vector<Upload>> upload(std::vector<std::pair<std::string, ByteView>> files,
                                     Timestamp seen, Deadline deadline);

  // A commit with the contents of a retained generation; also upon a dropped head.
  // kExpired, kNotFound: as read_generation.
  CommitOutcome rollback(std::uint64_t generation, Deadline deadline);

  // Pins are commits with the parent's contents. kConflict: the name is taken. kExpired: the
  // generation is not retained. kNotFound: no such pin. Listing them is read()->envelope.pins.
  CommitOutcome add_pin(std::string_view name, std::uint64_t generation, Deadline deadline);
  CommitOutcome remove_pin(std::string_view name, Deadline deadline);

  // Where the head does not parse (rule 10): swaps in what `rebase` makes of the newest history
  // body that does, as its generation + 2. Uploads named by it must be found by listing. kInvalid:
  // the head is whole.
  CommitOutcome repair(const Rebase& rebase, Deadline deadline);

  // For collect() alone: a commit with the parent's contents, gc_floor = max(old, now - grace) and
  // the retained_from that follows from the ages of the history (rules 5b and 8). Also upon a
  // dropped head. Where that would change nothing it is Committed with the head as it is.
  CommitOutcome fence(Timestamp now, Deadline deadline);

  // What a reader of `snapshot` tells its caller when `key` is not there (rule 8): kExpired if the
  // snapshot is not retained any more, else kCorrupt.
  Error explain_missing(const Head& snapshot, std::string_view key, Deadline deadline);

  // How many writers seem to commit to this head now, this one included: 1 where nobody else does.
  [[nodiscard]] std::size_t writers() const;

  // A key under the prefix.
  [[nodiscard]] std::string path(std::string_view relative) const;
  [[nodiscard]] ObjectStore& store() const { return store_; }
  [[nodiscard]] Clock& clock() const { return clock_; }
  [[nodiscard]] Log& log() const { return log_; }
  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  [[nodiscard]] const HeadLogOptions& options() const { return options_; }

  // History bodies, read in parallel and checked against their names: each kNotFound, kCorrupt,
  // kUnsupported or as the store's.
  std::vector<Result<HeadPtr>> read_bodies(std::span<const HistoryEntry> entries,
                                           Deadline deadline);
  Result<HeadPtr> read_body(std::uint64_t generation, const Id128& commit_id, Deadline deadline);

 private:
  friend class CommitRun;

  enum class Features { kKnown, kAny };
  // The head as it is now, without falling back to history. With any features, for its ids only.
  Result<HeadPtr> load(Deadline deadline, Features features = Features::kKnown);
  // As load, or `known`.
  Result<HeadPtr> revalidate(const HeadPtr& known, Deadline deadline);
  Result<HeadPtr> parse_blob(Result<Blob> blob, std::string_view key,
                             Features features = Features::kKnown);
  // Where the head could not be read as one: once more, then from history.
  Result<HeadPtr> or_history(Result<HeadPtr> head, Deadline deadline);
  Result<HeadPtr> newest_body(Deadline deadline);
  Error explain_absent_generation(std::uint64_t generation, Deadline deadline);
  Id128 commit_id();
  std::uint64_t random_below(std::uint64_t bound);
  void saw(Timestamp store_time);

  ObjectStore& store_;
  std::string prefix_;
  Clock& clock_;
  Random& random_;
  std::mutex random_mutex_;
  Log& log_;
  HeadLogOptions options_;
  Executor& executor_;
  std::unique_ptr<Pace> pace_;
  std::atomic<std::int64_t> newest_seen_micros_{0};  // the newest store time any call returned
};

}  // namespace kedge
