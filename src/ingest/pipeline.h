// From listed objects to committed rows: read, extract, chunk, look up, embed, commit. Used by one
// sync; one thread.
//
// Objects pass through in windows: as many as hold kWindowChunks unpaid chunks (or the memory
// limit). The unpaid chunks of a window are embedded in batches sorted by length; each batch is in
// the embedding cache before the next begins. A window's objects become intents; intents are
// committed by rows, bytes or time. A stop ends at the next batch, and what is complete is
// committed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/index.h"
#include "extract/extractor.h"
#include "ingest/chunker.h"
#include "ingest/compare.h"
#include "ingest/sync.h"

namespace kedge {

// An object to be indexed, and what the index has of it.
struct Todo {
  ObjectInfo listed;
  Need need = Need::kNew;
  bool live = false;           // the index has a version of it
  Sha256 content_hash{};       // of that version
  std::uint32_t attempts = 0;  // failed before
  Metadata sidecar = {};       // the attributes of its sidecar, once read
  bool sidecar_racy = false;
  Metadata tags = {};             // once read
  std::string tags_version = {};  // "": they are not asked for
};

// An object read and cut, waiting for vectors.
struct Prepared {
  Todo todo;
  IndexedObject object;
  std::vector<std::string> inputs;  // model inputs, one a chunk; emptied once its vector is known
  std::uint64_t memory_bytes = 0;
};

inline constexpr std::uint32_t kMaxModelFailures =
    3;  // in a row; then the rest of the run is pending
inline constexpr std::size_t kWindowChunks = 1024;
inline constexpr std::size_t kReadBatch = 64;
inline constexpr std::uint64_t kProbeBytes = 4096;  // enough to tell a type
inline constexpr std::uint64_t kProbeAbove =
    256 * 1024;  // larger objects are probed before they are read whole

// Whether a failure may go away by itself. Those of the content stay until the object or the recipe
// changes; those of the surroundings are tried again.
inline bool worth_retrying(Code code) {
  return code != Code::kInvalid && code != Code::kUnsupported && code != Code::kExhausted;
}

class Pipeline {
 public:
  // All references outlive the pipeline. `gone` takes keys that vanished while the index has them.
  Pipeline(const SyncEnvironment& environment, const SyncOptions& options, std::uint32_t source,
           const Recipe& recipe, bool tags, SyncReport& report, SyncProgress& progress, Spill& gone,
           Deadline deadline);

  Status add(Todo todo);
  // Everything that was added is committed, or counted as pending.
  Status finish();
  void count_problem(const std::string& key, std::string reason);

 private:
  Status read_batch();
  Status probe(std::vector<Todo>& batch);
  Status read_sidecars(std::vector<Todo>& batch);
  Status take_blobs(std::vector<Todo>& batch);
  Status read_tags(std::vector<Todo>& batch, std::vector<Result<Blob>>& blobs);
  void prepare(const Todo& todo, Result<Blob>& blob, Result<Prepared>& out);
  void take_chunks(std::vector<Chunk>& chunks, ByteView raw, Prepared& prepared) const;
  Result<Blob> read_changed(ReadRequest request);
  Status settle_read_error(const Todo& todo, const Error& error);
  Status take_prepared(std::vector<Result<Prepared>>& prepared, std::vector<Todo>& batch);
  Status look_up(std::vector<Prepared>& objects);
  Status embed_window();
  void tell_part(const SyncProgress& before, const std::vector<Prepared>& window,
                 std::size_t embedded, std::size_t unpaid);
  // A failure of the model is counted, not returned: what it did not give stays unpaid.
  Status embed_slice(std::vector<std::pair<Id128, const std::string*>> slice);
  void finish_object(Prepared prepared);
  Status record(const Todo& todo, ObjectStatus status, std::string reason, bool retry);
  ObjectRow base_row(const Todo& todo) const;
  Status maybe_commit(bool now);
  void pending(const Todo& todo, std::string reason);
  // What an object failed with while it was read or cut.
  Status settle_failure(const Todo& todo, const Error& error);
  void tell();
  [[nodiscard]] bool stopped() const { return options_.stop.stop_requested(); }
  // Nothing more is started: asked to stop, or the model fails again and again.
  [[nodiscard]] bool giving_up() const { return stopped() || model_failures_ >= kMaxModelFailures; }

  const SyncEnvironment& environment_;
  const SyncOptions& options_;
  std::uint32_t source_;
  Recipe recipe_;
  Id128 recipe_id_;
  bool tags_;
  SyncReport& report_;
  SyncProgress& progress_;
  Spill& gone_;
  Deadline deadline_;

  std::vector<Todo> batch_;
  std::uint64_t batch_bytes_ = 0;
  std::vector<Prepared> window_;
  std::uint64_t window_bytes_ = 0;
  std::size_t window_unpaid_ = 0;
  std::unordered_map<std::string, HalfVector>
      paid_;  // of this window, by the 16 bytes of the input hash
  std::vector<Intent> intents_;
  std::uint64_t intent_rows_ = 0;
  std::uint64_t intent_bytes_ = 0;
  Duration last_commit_{0};
  Timestamp now_;                     // the source store's clock, as of the last answer
  std::uint32_t model_failures_ = 0;  // in a row
};

}  // namespace kedge
