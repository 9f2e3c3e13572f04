// One head on a store, its history, and nothing of what it is the head of: the index and the
// embedding cache both stand on it. docs/commit.md has the protocol, its ten invariants and a
// picture of the states.
//
//   <prefix>head                               the one mutable file
//   <prefix>history/<generation>-<commit id>   bodies of committed heads only (20 digits),
//   create-only everything else under <prefix>             files: immutable, named by heads,
//   deleted by collect() alone
//
// Threads: any method, from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "format/envelope.h"
#include "store/object_store.h"

namespace kedge {

// A committed state. Immutable; shared by readers.
struct Head {
  Envelope envelope;  // ids, generation, floors, pins, named files, payload (format/envelope.h)
  Tag tag;            // of the head file; empty for a state read from history
  Timestamp last_modified;  // of the file it was read from
  Timestamp
      store_time;  // the store's clock when it was read: uploads begun after this began after it
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

// What the next generation shall be. The log fills in ids, generation, pairs, history, floors and
// pins.
struct Draft {
  Bytes payload;
  std::vector<FileRef> files;    // everything the payload names, after this commit
  std::vector<Upload> uploaded;  // those of `files` that the parent does not name, put before now
  std::vector<std::pair<FileRef, Bytes>>
      puts;              // those to be put in the commit's first round, beside the history body
  bool dropped = false;  // the index ends with this commit
  std::function<void(Envelope&)>
      amend;  // may change pins, retention, grace, features; nothing else. May be empty.
};

// Builds the draft on a base: called with the parent, and again with each head that got in between.
// An error ends the commit as NotCommitted with that error. Must not write to the head.
using Rebase = std::function<Result<Draft>(const HeadPtr& base)>;

struct Committed {
  HeadPtr head;
};
struct NotCommitted {
  Error reason;  // kExpired: a named upload is too old to name, upload again under a new id. Others
                 // as they came.
};
// The swap may have happened or may still happen. Nothing may be deleted or done again on account
// of it; any later commit settles it.
struct UnknownOutcome {
  Id128 commit_id;
  std::uint64_t base_generation = 0;
};
using CommitOutcome = std::variant<Committed, NotCommitted, UnknownOutcome>;

struct HeadLogOptions {
  Duration retention = std::chrono::hours(24);  // of replaced generations; never under grace
  Duration grace = std::chrono::hours(24);      // of unnamed files; never under kMinGrace
  std::size_t max_head_bytes = 256 * 1024;
};
inline constexpr Duration kMinGrace = std::chrono::hours(2);
// How long after the parent's gc_floor an upload must have begun for a commit to name it (rule 5).
inline constexpr Duration kFloorMargin = std::chrono::hours(1);

class HeadLog {
 public:
  // `prefix` is "" or ends with '/'. All references must outlive the log.
  HeadLog(ObjectStore& store, std::string prefix, Clock& clock, Random& random, Log& log,
          HeadLogOptions options);

  // Makes generation 1. kConflict: there is a head already (or an earlier copy of this call made
  // it: then Committed).
  CommitOutcome create(const Draft& first, Deadline deadline);

  // The current state: one GET. kNotFound: no head.
  // kCorrupt: neither the head nor a history body parses. kUnsupported: a required feature is
  // unknown, by name.
  Result<HeadPtr> read(Deadline deadline);
  // A retained generation, from the head or its history body. kExpired: not retained any more.
  // kNotFound: never was.
  Result<HeadPtr> read_generation(std::uint64_t generation, Deadline deadline);
  // The retained generations, newest first, from the history listing and the head.
  Result<std::vector<HeadPtr>> history(std::size_t limit, Deadline deadline);

  // One commit on `base` or whatever follows it: rules 1 to 4. Nothing is retried below; lost races
  // rebase with back-off (full jitter by the Random, scaled to the measured commit time) until the
  // deadline.
  CommitOutcome commit(HeadPtr base, const Rebase& rebase, Deadline deadline);

  // Puts files whose names nobody else can have (their keys hold a random id), for a later
  // Draft::uploaded. `seen` is the newest store time this process has from before the call (a
  // head's store_time will do).
  Result<std::vector<Upload>> upload(std::vector<std::pair<std::string, ByteView>> files,
                                     Timestamp seen, Deadline deadline);

  // A commit with the contents of a retained generation.
  CommitOutcome rollback(std::uint64_t generation, Deadline deadline);

  // A key under the prefix.
  [[nodiscard]] std::string path(std::string_view relative) const;
  [[nodiscard]] ObjectStore& store() const { return store_; }
  [[nodiscard]] const HeadLogOptions& options() const { return options_; }

 private:
  ObjectStore& store_;
  std::string prefix_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  HeadLogOptions options_;
};

}  // namespace kedge
