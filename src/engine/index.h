// An index on a store: snapshots to read, intents to write. docs/architecture.md follows one write
// and one query.
//
// Truth is the merge of the docs planes, newest segment first, minus deletes; there is no second
// ledger. Threads: any method, from any thread; snapshots are immutable and shared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "commit/collect.h"
#include "commit/head_log.h"
#include "format/index_state.h"
#include "format/rows.h"
#include "store/object_store.h"

namespace kedge {

// What everything runs on; all outlive the index.
struct Environment {
  ObjectStore& store;  // the index's
  Clock& clock;
  Random& random;
  Executor& executor;
  Log& log;
};

struct IndexOptions {
  std::string prefix;  // of the index in the store; "" or ends with '/'
  HeadLogOptions head;
  std::uint64_t cache_bytes = 256ULL << 20;  // blocks and pages kept in memory by this handle
  std::uint32_t max_small_segments = 8;      // more segments under small_rows are merged
  std::uint32_t small_rows = 32'768;
  std::uint32_t max_segment_rows = 65'536;  // merges make none larger, so that one fits memory
};

class Segment;  // an opened segment: entry and directory (engine/segment.h)

// One generation, opened: head, state, directories, deletes. Readers hold it as long as they like.
class Snapshot {
 public:
  [[nodiscard]] const HeadPtr& head() const { return head_; }
  [[nodiscard]] const IndexState& state() const { return state_; }
  [[nodiscard]] std::uint64_t generation() const { return head_->envelope.generation; }
  // nullptr: no such source, space.
  [[nodiscard]] const SourceEntry* source(std::uint32_t number) const;
  [[nodiscard]] const SourceEntry* source(std::string_view uri) const;
  [[nodiscard]] const Space* space(const Id128& id) const;
  // nullptr: the snapshot names no such segment.
  [[nodiscard]] std::shared_ptr<const Segment> segment(const Id128& id) const;
  [[nodiscard]] const std::vector<std::shared_ptr<const Segment>>& segments() const {
    return segments_;
  }

 private:
  friend class SnapshotOpener;
  HeadPtr head_;
  IndexState state_;
  std::vector<std::shared_ptr<const Segment>> segments_;  // as in state_.segments
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// A key of a source.
struct ObjectKey {
  std::uint32_t source = 0;
  std::string key;
  auto operator<=>(const ObjectKey&) const = default;
};

// A live object, without its chunks.
struct LiveObject {
  ObjectRow row;
  Id128 segment;
  std::uint32_t number = 0;  // in the segment
  std::uint32_t first_chunk = 0;
  std::uint32_t chunk_count = 0;
};

// "Put this version", derived to rows and deletes at every rebase.
struct PutIntent {
  IndexedObject object;
};
// "This key is absent, proven at store time T" (or out of scope, decided at T).
struct AbsentIntent {
  ObjectKey key;
  Timestamp proven_at;
};
using Intent = std::variant<PutIntent, AbsentIntent>;

// Changes to sources and spaces that go with a commit. Runs at every rebase on the newest state;
// must touch only spaces, and of sources only what sync writes (see SourceEntry). An error ends the
// commit with it.
using StateEdit = std::function<Status(IndexState&)>;

struct CommitReport {
  std::uint64_t generation = 0;
  Id128 commit_id;
  std::uint64_t puts = 0;  // intents that took effect
  std::uint64_t deletes = 0;
  std::uint64_t superseded = 0;  // intents that lost to a newer version of the same key
  std::uint64_t rebases = 0;
};

// For keys whose two versions were read within 2 s of each other: asks the source which is current.
// Returns the tag, or kNotFound. Empty function: the later read wins.
using Settle = std::function<Result<std::string>(const ObjectKey&)>;

struct SearchRequest {
  std::vector<float> query;  // dimension of the space, normalised for cosine
  Id128 space;
  std::size_t k = 10;           // results wanted
  bool group_by_object = true;  // best chunk of each object; else chunks
  bool collapse_equal = true;   // equal chunk_hash counts once (kept: the first by score, then key)
  std::optional<std::uint32_t> source;
  std::string key_prefix;
  std::function<bool(const LiveObject&)> accept;  // further filter on objects; may be empty
  bool allow_partial = false;                     // go on without segments that cannot be read
};

struct Hit {
  LiveObject object;
  ChunkRow chunk;
  std::uint32_t chunk_number = 0;  // 0-based in the object
  float distance = 0;              // of the metric: cosine 1 - dot; l2 squared; dot negated
  float score = 0;                 // greater is better: cosine similarity, -distance, dot
};

struct SearchTrace {  // --explain
  std::uint32_t rounds = 0;
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  std::uint64_t segments = 0;
  std::uint64_t rows_scanned = 0;
  double seconds = 0;
};

struct SearchResult {
  std::vector<Hit> hits;
  bool partial = false;
  std::vector<std::string> unreadable;  // segments left out, with the reason
  SearchTrace trace;
};

// Streams the live rows of one source in key order. One thread.
class ObjectCursor {
 public:
  virtual ~ObjectCursor() = default;
  // nullopt at the end.
  virtual Result<std::optional<LiveObject>> next(Deadline deadline) = 0;
};

class Index {
 public:
  virtual ~Index() = default;

  // kNotFound: no index there (or it was dropped).
  static Result<std::unique_ptr<Index>> open(const Environment& environment, IndexOptions options,
                                             Deadline deadline);
  // Makes an empty index (again, after a drop). kConflict: there is one.
  static Result<std::unique_ptr<Index>> create(const Environment& environment, IndexOptions options,
                                               Deadline deadline);

  // ---- reading
  // The newest generation: one GET of the head; directories and deletes only of segments not open
  // yet.
  virtual Result<SnapshotPtr> latest(Deadline deadline) = 0;
  // A retained generation.
  virtual Result<SnapshotPtr> at(std::uint64_t generation, Deadline deadline) = 0;
  // The snapshot of the last latest(), without a request.
  [[nodiscard]] virtual SnapshotPtr current() const = 0;

  // Exact: scans every row of the space. Two dependent rounds.
  // kExpired: the snapshot's generation is not retained any more. kCorrupt: a file is damaged or
  // lost, by name.
  virtual Result<SearchResult> search(const SnapshotPtr& snapshot, const SearchRequest& request,
                                      Deadline deadline) = 0;
  // One entry a key, nullopt where nothing is live.
  virtual Result<std::vector<std::optional<LiveObject>>> find(const SnapshotPtr& snapshot,
                                                              std::span<const ObjectKey> keys,
                                                              Deadline deadline) = 0;
  virtual Result<std::vector<ChunkRow>> chunks(const SnapshotPtr& snapshot,
                                               const LiveObject& object, Deadline deadline) = 0;
  // chunk_count x dimension, f32.
  virtual Result<std::vector<float>> vectors(const SnapshotPtr& snapshot, const LiveObject& object,
                                             Deadline deadline) = 0;
  // `source` whole, from the first key after `after`.
  virtual std::unique_ptr<ObjectCursor> scan(const SnapshotPtr& snapshot, std::uint32_t source,
                                             std::string after) = 0;

  // ---- writing
  // One commit of all intents (at most kMaxIntents, of distinct keys, of one space) and edits. Old
  // versions are looked up and deletes derived here, again at every rebase. Rule 6 decides between
  // versions of one key. Errors: kUnavailable with the commit id where the outcome is unknown;
  // kExpired; as the store's.
  virtual Result<CommitReport> commit(std::vector<Intent> intents, const StateEdit& edit,
                                      const Settle& settle, Deadline deadline) = 0;
  // Merges what is due (small segments, over 20 % dead), at most `max_merges`; how many were done.
  virtual Result<std::uint64_t> maintain(std::size_t max_merges, Deadline deadline) = 0;
  // Ends the index: the head is swapped for a dropped one; collect() then removes the files.
  virtual Status drop(Deadline deadline) = 0;
  virtual Result<CommitReport> rollback(std::uint64_t generation, Deadline deadline) = 0;
  virtual Result<CollectReport> collect(const CollectOptions& options, Deadline deadline) = 0;

  // Reads every file that the newest head names, whole, and checks every page: what is damaged or
  // lost, by name.
  virtual Result<std::vector<std::string>> check_files(Deadline deadline) = 0;

  virtual HeadLog& log() = 0;
};

inline constexpr std::size_t kMaxIntents = 65'536;
// Two reads of one key closer than this are settled by asking the source.
inline constexpr Duration kReadOrderMargin = std::chrono::seconds(2);

}  // namespace kedge
