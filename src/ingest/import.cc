#include "ingest/import.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "format/segment_pages.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kRowsPerTask = 1024;

// What a record is in the index: it has no bytes of its own, so its hash is that of its vector.
IndexedObject object_of(std::uint32_t source, VectorRecord& record, Timestamp now,
                        const Id128& recipe) {
  IndexedObject out;
  out.row.source = source;
  out.row.key = std::move(record.id);
  out.row.last_modified = now;
  out.row.read_time = now;
  out.row.recipe = recipe;
  out.row.metadata = std::move(record.metadata);
  out.vectors.resize(record.values.size());
  return out;
}

// Brings the vector to length 1 where the space is cosine, and to halves.
Status set_vector(IndexedObject& object, std::vector<float>& values, Metric metric) {
  if (metric == Metric::kCosine) {
    double norm = kernels().dot_f32(values.data(), values.data(), values.size());
    // Out of what f32 holds, or near its end.
    if (!(norm > 1e-30 && norm < 1e30)) {
      norm = 0;
      for (const float value : values) norm += double{value} * double{value};
    }
    if (!(norm > 0) || !std::isfinite(norm))
      return {Code::kInvalid, "its length is zero, or not finite: it has no direction"};
    kernels().scale(values.data(), static_cast<float>(1 / std::sqrt(norm)), values.size());
  }
  kernels().f32_to_f16(values.data(), object.vectors.data(), values.size());
  if (!all_finite(std::as_bytes(std::span(object.vectors))))
    return {Code::kInvalid, "a value is beyond 65,504"};
  ChunkRow chunk;
  const Sha256 digest = sha256(std::as_bytes(std::span(object.vectors)));
  std::copy_n(digest.begin(), chunk.chunk_hash.bytes.size(), chunk.chunk_hash.bytes.begin());
  chunk.input_hash = chunk.chunk_hash;
  object.row.content_hash = digest;
  object.row.size = 2 * object.vectors.size();
  object.row.tag = chunk.chunk_hash.hex();
  object.chunks = {chunk};
  return {};
}

class Import {
 public:
  Import(Index& index, VectorInput& input, const std::string& name, const ImportOptions& options,
         Executor& executor, Deadline deadline)
      : index_(index),
        input_(input),
        name_(name),
        options_(options),
        executor_(executor),
        deadline_(deadline),
        space_(record_space(input.dimension(), options)) {}

  Result<ImportReport> run() {
    KEDGE_TRY(register_source());
    report_.space = space_.id();
    Status trouble = read();
    while (!read_.empty() || ready_ != nullptr) {
      // One batch is committed while the next is made ready, and the one behind it is read.
      std::unique_ptr<PreparedCommit> batch = std::move(ready_);
      const std::uint64_t committing = std::exchange(ready_records_, 0);
      std::vector<VectorRecord> records = std::exchange(read_, {});
      Status committed;
      Status prepared;
      const auto commit = [&] { committed = this->commit(std::move(batch)); };
      const auto prepare = [&] { prepared = this->prepare(std::move(records)); };
      const auto read = [&] {
        if (trouble.ok()) trouble = this->read();
      };
      executor_.run_both(commit, [&] { executor_.run_both(prepare, read); });
      KEDGE_TRY(std::move(committed));
      if (committing > 0) {
        report_.records += committing;
        ++report_.commits;
        if (options_.on_progress) options_.on_progress(report_.records);
      }
      KEDGE_TRY(std::move(prepared));
    }
    KEDGE_TRY(std::move(trouble));
    return report_;
  }

 private:
  // The space and the source of records, unless they are there.
  Status register_source() {
    const SnapshotPtr snapshot = KEDGE_TRY(index_.latest(deadline_));
    const SourceEntry* known = snapshot->source(kRecordsUri);
    if (known != nullptr) {
      if (known->recipe.space != space_.id()) {
        const Space* theirs = snapshot->space(known->recipe.space);
        return {Code::kInvalid, str_cat(name_, " has ", input_.dimension(),
                                        " dimensions and is not of the space of "
                                        "the records that the index has (",
                                        theirs == nullptr ? "unknown" : theirs->describe(), ")")};
      }
      source_ = known->number;
      recipe_ = known->recipe.id();
      return {};
    }
    const StateEdit edit = [&](IndexState& state) -> Status {
      const auto same = [&](const Space& space) { return space.id() == space_.id(); };
      if (std::none_of(state.spaces.begin(), state.spaces.end(), same))
        state.spaces.push_back(space_);
      for (const SourceEntry& source : state.sources) {
        if (source.uri == kRecordsUri) return {Code::kConflict, "another import began"};
      }
      SourceEntry source;
      source.number = state.next_source++;
      source.uri = kRecordsUri;
      source.recipe.space = space_.id();
      source_ = source.number;
      recipe_ = source.recipe.id();
      state.sources.push_back(std::move(source));
      return {};
    };
    KEDGE_TRY(index_.commit({}, edit, {}, deadline_));
    return {};
  }

  // The next records of the input, none at its end. What comes before a bad one is kept.
  Status read() {
    const std::size_t wanted = batch_records();
    VectorRecord record;
    while (read_.size() < wanted && KEDGE_TRY(input_.next(record)))
      read_.push_back(std::exchange(record, {}));
    return {};
  }

  Status prepare(std::vector<VectorRecord> records) {
    if (records.empty()) return {};
    now_ = std::max(KEDGE_TRY(index_.log().store().now(deadline_)), now_ + Duration(1));
    std::vector<Intent> intents(records.size());
    const auto convert = [&](std::size_t begin, std::size_t end) -> Status {
      for (std::size_t i = begin; i < end; ++i) {
        IndexedObject object = object_of(source_, records[i], now_, recipe_);
        const Status done = set_vector(object, records[i].values, options_.metric);
        if (!done.ok()) {
          return Error{done.code(), str_cat(name_, ": record '", printable(object.row.key),
                                            "': ", done.error().message)};
        }
        records[i].values = {};
        intents[i] = PutIntent{std::move(object)};
      }
      return {};
    };
    KEDGE_TRY(try_ranges(executor_, records.size(), kRowsPerTask, convert));
    ready_records_ = records.size();
    ready_ = KEDGE_TRY(index_.prepare(std::move(intents), deadline_));
    return {};
  }

  Status commit(std::unique_ptr<PreparedCommit> batch) {
    if (batch == nullptr) return {};
    KEDGE_TRY(index_.commit(std::move(batch), deadline_, options_.merging));
    return {};
  }

  // Three batches are in memory: one as floats, one as halves and then their codes, and one as the
  // file that is being written.
  [[nodiscard]] std::size_t batch_records() const {
    const std::uint64_t record_bytes =
        sizeof(IndexedObject) + sizeof(ChunkRow) + 640 + 11 * std::uint64_t{input_.dimension()};
    return std::clamp<std::size_t>(static_cast<std::size_t>(options_.batch_bytes / record_bytes), 1,
                                   std::min(options_.batch, kMaxIntents));
  }

  Index& index_;
  VectorInput& input_;
  const std::string& name_;
  const ImportOptions& options_;
  Executor& executor_;
  Deadline deadline_;
  Space space_;
  std::uint32_t source_ = 0;
  Id128 recipe_;
  std::vector<VectorRecord> read_;
  std::unique_ptr<PreparedCommit> ready_;
  std::uint64_t ready_records_ = 0;
  Timestamp now_;  // of the batch made ready last: of two records of one key the later stays
  ImportReport report_;
};

}  // namespace

Space record_space(std::uint32_t dimension, const ImportOptions& options) {
  Space space;
  space.provider = kRecordsProvider;
  space.model = options.model;
  space.dimension = dimension;
  space.metric = options.metric;
  space.normalised = options.metric == Metric::kCosine;
  space.pooling = "none";
  space.modality = "vector";
  return space;
}

Result<ImportReport> import_vectors(Index& index, VectorInput& input, const std::string& name,
                                    const ImportOptions& options, Executor& executor,
                                    Deadline deadline) {
  return Import(index, input, name, options, executor, deadline).run();
}

}  // namespace kedge
