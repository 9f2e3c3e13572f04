// An index on a store: snapshots to read, intents to write. docs/architecture.md follows one write
// and one query.
//
// Truth is the merge of the docs planes, newest segment first, minus deletes; there is no second
// ledger. Threads: any method, from any thread; snapshots are immutable and shared.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
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
#include "engine/filter.h"
#include "engine/warm.h"
#include "format/index_state.h"
#include "format/rows.h"
#include "store/object_store.h"

namespace kedge {

class DiskCache;

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
  DiskCache* disk_cache = nullptr;           // nullptr: none; outlives the index
  // Whether opening it for the first time reads the opening file beside the head: one round instead
  // of two for a request more. Not where the disk cache knows the index already.
  bool read_opening = false;
  // Of codes and refine rows that are taken into memory whole once searches have looked at as many
  // bytes of codes as there are, eight at least: what that costs was then spent once already. 0:
  // only by load().
  std::uint64_t plane_bytes = 0;
  // Segments with fewer rows and objects than small_rows are small. A commit merges before it would
  // make more of them than this, or of more than twice small_rows together.
  std::uint32_t max_small_segments = 8;
  std::uint32_t small_rows = 32'768;
  std::uint32_t max_segment_rows = kMaxSegmentRows;  // merges make none larger
  std::uint64_t max_segment_bytes = 1ULL << 40;      // likewise
  std::uint64_t merge_window_bytes = 4ULL << 20;     // of chunks read ahead by a merge
  // Of pages that a search, a filter or warming reads in one round, beside the cache; what needs
  // more takes several.
  std::uint64_t window_bytes = 128ULL << 20;
  std::uint32_t tree_rows = 65'536;  // rows without a tree that are made to stand on one
  std::uint32_t list_rows = 0;       // rows a list of a new tree; 0: by their number
  // A space of at most so many rows is searched exactly: that costs no more.
  std::uint64_t few_rows = 4096;
  std::uint32_t least_tree_rows = 8'192;  // fewer are one list, compacted or not
  // Of what a build, merge or compaction holds beside the cache. Past it goes to temporary files in
  // scratch_folder, which exists; "": TMPDIR, else /tmp.
  std::uint64_t memory_bytes = 256ULL << 20;
  std::string scratch_folder;
};

class Segment;    // an opened segment: entry and directory (engine/segment.h)
struct OpenTree;  // engine/open_tree.h
class Rotation;   // ann/rotation.h

// One generation, opened: head, state, directories, deletes. Readers hold it as long as they like.
// A segment whose directory or del file is damaged or lost is in it all the same, as such: what
// needs it fails by name, and a search may go on without it.
class Snapshot {
 public:
  [[nodiscard]] const HeadPtr& head() const { return head_; }
  [[nodiscard]] const IndexState& state() const { return state_; }
  [[nodiscard]] std::uint64_t generation() const { return head_->envelope.generation; }
  // Dependent rounds that opening it took: 1 for the head, 2 with what had to be read behind it.
  [[nodiscard]] std::uint32_t rounds() const { return rounds_; }
  // nullptr: no such source, space.
  [[nodiscard]] const SourceEntry* source(std::uint32_t number) const;
  [[nodiscard]] const SourceEntry* source(std::string_view uri) const;
  [[nodiscard]] const Space* space(const Id128& id) const;
  // nullptr: the snapshot names no such tree, or it is damaged or lost: lists are then scanned
  // whole.
  [[nodiscard]] std::shared_ptr<const OpenTree> tree(const Id128& id) const;
  // Of a space that the snapshot names.
  [[nodiscard]] std::shared_ptr<const Rotation> rotation(const Id128& space) const;
  // nullptr: the snapshot names no such segment.
  [[nodiscard]] std::shared_ptr<const Segment> segment(const Id128& id) const;
  [[nodiscard]] const std::vector<std::shared_ptr<const Segment>>& segments() const {
    return segments_;
  }

 private:
  friend class SnapshotOpener;
  HeadPtr head_;
  IndexState state_;
  std::uint32_t rounds_ = 1;
  std::vector<std::shared_ptr<const Segment>> segments_;  // as in state_.segments
  std::vector<std::shared_ptr<const OpenTree>> trees_;    // those that could be read
  std::map<Id128, std::shared_ptr<const Rotation>> rotations_;
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
// "This key is absent, proven at store time T" (or out of scope, decided at T). At kAlways it wins
// over every version and is not remembered: any version committed later is live again.
struct AbsentIntent {
  static constexpr Timestamp kAlways{std::numeric_limits<std::int64_t>::max()};
  ObjectKey key;
  Timestamp proven_at;
};
using Intent = std::variant<PutIntent, AbsentIntent>;

// Changes to sources and spaces that go with a commit. Runs at every rebase on the newest state,
// before the intents; must touch only spaces, and of sources only what sync writes (see
// SourceEntry). It may remove a source: its rows are dead from then on. An error ends the commit
// with it.
using StateEdit = std::function<Status(IndexState&)>;

struct CommitReport {
  std::uint64_t generation = 0;
  Id128 commit_id;
  std::uint64_t puts = 0;        // versions that are live now
  std::uint64_t deletes = 0;     // objects that were live and are proven absent
  std::uint64_t superseded = 0;  // intents that lost to a newer version of the same key
  std::uint64_t rebases = 0;
};

// For keys whose two versions were read within 2 s of each other: asks the source which is current.
// Returns the tag, or kNotFound. Where it is empty, fails, or names neither, the later read wins.
using Settle = std::function<Result<std::string>(const ObjectKey&)>;

// What of a hit is completed.
enum class Detail : std::uint8_t {
  kRow,        // segment, object number, chunk number and distance: no page beside the rows is read
  kReference,  // the object, and the chunk's bytes in it
  kChunk,      // the chunk with lines, context and hashes: on a tree one round more
};

struct SearchRequest {
  std::vector<float> query;  // dimension of the space, normalised for cosine
  Id128 space;
  std::size_t k = 10;           // results wanted, 1 to kMaxHits
  bool group_by_object = true;  // best chunk of each object; else chunks
  // Hits with equal chunk_hash count once (kept: the first by distance, then key, then chunk). An
  // object whose best chunk is equal to one that is kept is a copy, and left out.
  bool collapse_equal = true;
  std::optional<std::uint32_t> source;
  std::string key_prefix;
  std::optional<Filter> filter;  // applied before the search
  // A further filter on objects, pure: it may be asked more than once about one. May be empty.
  std::function<bool(const LiveObject&)> accept;
  bool allow_partial = false;  // go on without segments that cannot be read
  // Every row on the vectors plane. So are the rows of a space that has at most kFewRows, which
  // costs no more.
  bool exact = false;
  double recall = 0.95;      // of the k nearest, on average: how many lists are looked into
  std::uint32_t probes = 0;  // lists of a tree, instead of `recall`; then also how many rows are
  std::uint32_t rerank = 0;  // measured on the vectors plane at the end
  // Anything but kChunk needs collapse_equal off: copies are told by their hashes.
  Detail detail = Detail::kChunk;
};

struct Hit {
  LiveObject object;
  ChunkRow chunk;
  std::uint32_t chunk_number = 0;  // 0-based in the object
  // Of the metric: cosine 1 - dot; l2 squared; dot negated. Of five bits a dimension unless
  // SearchResult::exact.
  float distance = 0;
  float score = 0;  // greater is better: cosine similarity, -distance, dot
};

struct SearchTrace {  // --explain
  std::uint32_t rounds = 0;
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  std::uint64_t hedges = 0;       // requests that were sent a second time, since they were late
  std::uint64_t disk_blocks = 0;  // from the disk cache
  std::uint64_t disk_bytes = 0;
  std::uint64_t segments = 0;
  std::uint64_t rows_scanned = 0;
  double seconds = 0;
};

struct SearchResult {
  std::vector<Hit> hits;
  bool exact = false;  // distances are those of the vectors plane
  bool partial = false;
  std::vector<std::string> unreadable;  // why segments were left out, each naming its file
  SearchTrace trace;
};

// Streams the live rows of one source in key order. One thread.
class ObjectCursor {
 public:
  virtual ~ObjectCursor() = default;
  // nullopt at the end.
  virtual Result<std::optional<LiveObject>> next(Deadline deadline) = 0;
};

struct RepairReport {
  std::uint64_t generation = 0;            // of the new head
  std::uint64_t body_generation = 0;       // of the history body it stands on
  std::vector<std::string> recovered;      // files newer than that body
  std::vector<std::string> not_recovered;  // what could not be, with the reason
};

// A file of a generation that is damaged or lost, or what the head says wrongly of the rows.
struct Damage {
  std::string what;  // names the file and the place
  Code code = Code::kCorrupt;
  std::optional<Id128> segment;  // whose file or del file it is
  std::optional<Id128> tree;     // likewise
};
// What opening the snapshot showed, without a further look.
std::vector<Damage> known_damage(const Snapshot& snapshot);

struct MendOptions {
  // Sources that cannot bring their rows back now, each with the reason: a segment that may have
  // rows of one of them stays as it is.
  std::map<std::uint32_t, std::string> held;
  std::size_t max_keys = 1000;  // named in a report
};

// A segment that was damaged, or whose del file was.
struct DamagedSegment {
  std::string file;
  std::string kept;                    // why it is named still; "": it is named no more
  std::vector<std::uint32_t> sources;  // that may have rows in it
  std::uint64_t objects = 0;           // that were live, remembered absences included
  // Keys that were live, as far as they can be read; dead ones too where the del file is lost. Of
  // all segments of a report the first MendOptions::max_keys.
  std::vector<ObjectKey> keys;
};

struct MendReport {
  std::uint64_t generation = 0;  // of the commit that named them no more; 0: there was none
  std::vector<DamagedSegment> segments;
  std::map<std::uint32_t, std::uint64_t> let_go;  // live objects that went, by source
  std::uint64_t trees = 0;                        // made anew, or named no more
};

// Whether a commit first merges what must not wait. kLater is for many commits in a row that a
// compaction ends; past kManySegments it merges all the same.
enum class Merging : std::uint8_t { kNow, kLater };

// How far a merge is: of its rows so many. From the thread that called.
using RowsProgress = std::function<void(std::uint64_t done, std::uint64_t rows)>;

// Intents whose segment is made, in memory: nothing of it is in the store yet.
class PreparedCommit {
 public:
  virtual ~PreparedCommit() = default;
};

class Index {
 public:
  virtual ~Index() = default;

  // kNotFound: no index there (or it was dropped).
  static Result<std::unique_ptr<Index>> open(const Environment& environment, IndexOptions options,
                                             Deadline deadline);
  // Also one that was dropped, and nothing is opened of it: for log(), collect() and rollback().
  // kNotFound: there never was one.
  static Result<std::unique_ptr<Index>> attach(const Environment& environment, IndexOptions options,
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

  // In order of distance, key and chunk. By codes two dependent rounds for references (codes;
  // refine rows and docs pages), one more for rows measured exactly, for chunks on a tree, with a
  // filter, and with a prefix or conditions on keys. Exact: vectors, then docs and text pages; a
  // round for each window of bytes. More where many candidates are copies or not accepted, or
  // what the filter holds of lies far away. kInvalid: a query of another dimension, with NaN or
  // infinity, or zero under cosine. kNotFound: no such space. kExpired: the snapshot's generation
  // is not retained any more. kCorrupt: a file is damaged or lost, by name.
  virtual Result<SearchResult> search(const SnapshotPtr& snapshot, const SearchRequest& request,
                                      Deadline deadline) = 0;
  // Several searches at once, on all threads of the executor: one result or error a request, in
  // order, as search() gives it. Lists that many of them look into are scanned together, and pages
  // that several need are read once; a trace counts the rounds of the batch, and that of the first
  // what they cost.
  virtual std::vector<Result<SearchResult>> search_many(const SnapshotPtr& snapshot,
                                                        std::span<const SearchRequest> requests,
                                                        Deadline deadline) = 0;
  // Loads planes of rows whole into memory, codes of all segments first, then refine rows, then
  // vectors, as far as `max_bytes` go; searches read them there from then on. Gives the bytes that
  // the snapshot's segments have in memory.
  virtual Result<std::uint64_t> load(const SnapshotPtr& snapshot, std::uint64_t max_bytes,
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

  // Reads what searches of the snapshot need into the disk cache, as much as it keeps.
  // kUnsupported: there is none.
  virtual Result<WarmReport> warm(const SnapshotPtr& snapshot, const WarmOptions& options,
                                  Deadline deadline) = 0;

  // ---- writing
  // One commit of all intents (at most kMaxIntents, of distinct keys, of sources of one space: that
  // of their recipe, or the only one) and edits. Old versions are looked up and deletes derived
  // here, again at every rebase. Rule 6 decides between versions of one key. kUnavailable with the
  // commit id: the outcome is unknown; the same intents may be committed again. kConflict: a source
  // of a put is not in the index (any more). kInvalid: a row that breaks a limit, by key. kExpired;
  // as the store's. Threads share commits; callbacks must make none here (engine/group_commit.h).
  virtual Result<CommitReport> commit(std::vector<Intent> intents, const StateEdit& edit,
                                      const Settle& settle, Deadline deadline,
                                      Merging merging = Merging::kNow) = 0;
  // The same in two steps, for many commits in a row: one is made ready while the one before is
  // under way. Sources are those that the newest snapshot of this handle has. Must not outlive the
  // index; is of use once, in any thread.
  virtual Result<std::unique_ptr<PreparedCommit>> prepare(std::vector<Intent> intents,
                                                          Deadline deadline) = 0;
  virtual Result<CommitReport> commit(std::unique_ptr<PreparedCommit> prepared, Deadline deadline,
                                      Merging merging = Merging::kNow) = 0;
  // Merges what is due (small segments, over 20 % dead), at most `max_merges`; how many were done.
  virtual Result<std::uint64_t> maintain(std::size_t max_merges, Deadline deadline) = 0;
  // Makes one segment of each space's, or of as many as fit one, on a tree where it has rows enough
  // for one; `again` also where there is nothing to gain but a new tree. How many spaces were
  // rewritten.
  virtual Result<std::uint64_t> compact(bool again, Deadline deadline,
                                        const RowsProgress& progress = {}) = 0;
  // Ends the index: the head is swapped for a dropped one; collect() then removes the files.
  virtual Status drop(Deadline deadline) = 0;
  virtual Result<CommitReport> rollback(std::uint64_t generation, Deadline deadline) = 0;
  virtual Result<CollectReport> collect(const CollectOptions& options, Deadline deadline) = 0;

  // Reads every file that the newest head names, whole, and checks every page, that no key is live
  // twice, and the counts and set hashes of sources against their rows: what is damaged or lost, by
  // name.
  virtual Result<std::vector<Damage>> find_damage(Deadline deadline) = 0;
  // The same, in words.
  virtual Result<std::vector<std::string>> check_files(Deadline deadline) = 0;

  // Under a sound head: one commit that names a damaged segment no more, nor one whose dead objects
  // are not known, and counts what is left; then trees that segments still stand on are made anew,
  // by compactions. What was let go the next sync of its source brings back: the set hash is not
  // the listing's any more. Nothing is deleted: older generations have their files, damaged as they
  // are. `damage`: what find_damage() gave; a segment that is not named any more is left out.
  // kCorrupt: more is damaged than that; look again.
  virtual Result<MendReport> mend(std::span<const Damage> damage, const MendOptions& options,
                                  Deadline deadline) = 0;

  // Rule 10: where the head cannot be read, the newest history body, and the segments and del files
  // newer than it that are found by listing, become the head. kInvalid: the head is whole.
  virtual Result<RepairReport> repair(Deadline deadline) = 0;

  virtual HeadLog& log() = 0;
};

inline constexpr std::size_t kManySegments = 192;
inline constexpr std::size_t kMaxIntents = 65'536;
inline constexpr std::size_t kMaxHits = 100'000;
// How long an absence is remembered after it was proven, by the store's clock.
inline constexpr Duration kAbsenceKept = std::chrono::hours(24);
// Two reads of one key, or a read and an absence, closer than this are settled by asking the
// source.
inline constexpr Duration kReadOrderMargin = std::chrono::seconds(2);

}  // namespace kedge
