#include "engine/index.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/lookup.h"
#include "simd/kernels.h"

namespace kedge {

IndexImpl::IndexImpl(const Environment& environment, IndexOptions options)
    : environment_(environment),
      options_(std::move(options)),
      random_(environment.random),
      log_(environment.store, options_.prefix, environment.clock, random_, environment.log,
           options_.head, &environment.executor),
      cache_(options_.cache_bytes),
      reader_(log_, cache_, options_.disk_cache, environment.executor, options_.window_bytes) {}

Result<HeadPtr> committed_head(CommitOutcome outcome) {
  if (auto* done = std::get_if<Committed>(&outcome)) return done->head;
  if (auto* refused = std::get_if<NotCommitted>(&outcome)) return std::move(refused->reason);
  const auto& unknown = std::get<UnknownOutcome>(outcome);
  return Error{Code::kUnavailable,
               str_cat("whether commit ", unknown.commit_id.hex(), " upon generation ",
                       unknown.base_generation, " happened is not known (", unknown.last.message,
                       "); the same may be committed again")};
}

Status IndexImpl::create_first(Deadline deadline) {
  Draft draft;
  draft.payload = IndexState{}.encode();
  KEDGE_TRY(take(log_.create(draft, deadline), {}, deadline));
  return {};
}

Result<std::unique_ptr<Index>> Index::open(const Environment& environment, IndexOptions options,
                                           Deadline deadline) {
  auto index = std::make_unique<IndexImpl>(environment, std::move(options));
  KEDGE_TRY(index->latest(deadline));
  return std::unique_ptr<Index>(std::move(index));
}

Result<std::unique_ptr<Index>> Index::attach(const Environment& environment, IndexOptions options,
                                             Deadline deadline) {
  auto index = std::make_unique<IndexImpl>(environment, std::move(options));
  KEDGE_TRY(index->log().read(deadline));
  return std::unique_ptr<Index>(std::move(index));
}

Result<std::unique_ptr<Index>> Index::create(const Environment& environment, IndexOptions options,
                                             Deadline deadline) {
  auto index = std::make_unique<IndexImpl>(environment, std::move(options));
  KEDGE_TRY(index->create_first(deadline));
  return std::unique_ptr<Index>(std::move(index));
}

SnapshotPtr IndexImpl::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Result<HeadPtr> IndexImpl::first_head(Opening& opening, Deadline deadline) {
  DiskCache* const disk = options_.disk_cache;
  const std::vector<BlockName> mark = {opened_before(log_)};
  if (!options_.read_opening || (disk != nullptr && disk->find(mark).front()))
    return log_.read(deadline);
  Result<Blob> file = Error{Code::kNotFound, ""};
  HeadPtr head = KEDGE_TRY(log_.read_beside(kOpeningKey, file, deadline));
  if (file.ok()) opening = Opening(std::move(file->body));
  mark_opened();
  return head;
}

void IndexImpl::mark_opened() {
  if (options_.disk_cache == nullptr) return;
  const BlockName mark = opened_before(log_);
  const BlockEntry entry{mark, mark.file.bytes};
  options_.disk_cache->insert(std::span(&entry, 1), MakeRoom::kOldest);
}

Result<SnapshotPtr> IndexImpl::latest(Deadline deadline) {
  const SnapshotPtr known = current();
  Opening opening;
  const HeadPtr head = KEDGE_TRY(known == nullptr ? first_head(opening, deadline)
                                                  : log_.read(deadline, known->head()));
  auto snapshot = open_newest(head, deadline, opening);
  // A head that was replaced, and its files collected, while it was opened: once more.
  if (!snapshot.ok() && snapshot.code() == Code::kExpired)
    snapshot = open_newest(KEDGE_TRY(log_.read(deadline)), deadline, opening);
  return snapshot;
}

void IndexImpl::keep_opening(const SnapshotPtr& before, const Snapshot& now, Deadline deadline) {
  if (!opening_changed(before == nullptr ? nullptr : &before->state(), now.state())) return;
  const Status written = write_opening(log_, now.state(), deadline);
  if (!written.ok())
    log_.log().debug(str_cat("the opening file was not written: ", written.error().message));
}

Result<SnapshotPtr> IndexImpl::open_newest(const HeadPtr& head, Deadline deadline,
                                           const Opening& opening) {
  const SnapshotPtr snapshot = KEDGE_TRY(open_snapshot(head, deadline, opening));
  const std::lock_guard lock(mutex_);
  if (current_ == nullptr || current_->generation() <= snapshot->generation()) current_ = snapshot;
  return snapshot;
}

Result<SnapshotPtr> IndexImpl::at(std::uint64_t generation, Deadline deadline) {
  const HeadPtr head = KEDGE_TRY(log_.read_generation(generation, deadline));
  return open_snapshot(head, deadline);
}

Result<CommitReport> IndexImpl::take(CommitOutcome outcome, CommitReport report,
                                     Deadline deadline) {
  const HeadPtr head = KEDGE_TRY(committed_head(std::move(outcome)));
  report.generation = head->envelope.generation;
  report.commit_id = head->envelope.commit_id;
  // The commit stands whether or not it can be opened just now; the next latest() tries again.
  if (head->envelope.dropped) return report;
  const SnapshotPtr before = current();
  const Result<SnapshotPtr> snapshot = open_newest(head, deadline);
  if (snapshot.ok()) {
    keep_opening(before, **snapshot, deadline);
  } else {
    environment_.log.warning(
        str_cat("generation ", report.generation,
                " is committed, but cannot be opened now: ", snapshot.error().message));
  }
  return report;
}

Result<std::vector<std::optional<LiveObject>>> IndexImpl::find(const SnapshotPtr& snapshot,
                                                               std::span<const ObjectKey> keys,
                                                               Deadline deadline) {
  std::vector<std::vector<LiveRef>> found =
      KEDGE_TRY(find_live(reader_, *snapshot->head(), snapshot->segments(), keys, deadline));
  std::vector<std::optional<LiveObject>> out(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (snapshot->source(keys[i].source) == nullptr) continue;
    for (LiveRef& row : found[i]) {
      if (row.object.row.status != ObjectStatus::kAbsent) out[i] = std::move(row.object);
    }
  }
  return out;
}

namespace {

// The text entries of one object's chunks.
Result<std::vector<TextEntry>> text_of(PageReader& reader, const Snapshot& snapshot,
                                       const LiveObject& object, Deadline deadline) {
  const SegmentPtr segment = snapshot.segment(object.segment);
  if (segment == nullptr) return {Code::kInvalid, "the object is of another snapshot"};
  if (segment->damage()) return *segment->damage();
  std::vector<TextEntry> out;
  if (object.chunk_count == 0) return out;
  const SegmentDirectory& directory = segment->directory();
  const std::uint32_t end = object.first_chunk + object.chunk_count;
  std::vector<PageWant> wants;
  for (std::uint32_t page = object.first_chunk / kTextPageChunks; page * kTextPageChunks < end;
       ++page) {
    wants.push_back(text_want(*segment, page));
  }
  const std::vector<BlockPtr> blocks =
      KEDGE_TRY(reader.read_all(*snapshot.head(), wants, nullptr, deadline));
  std::uint32_t number = object.first_chunk / kTextPageChunks * kTextPageChunks;
  for (const BlockPtr& block : blocks) {
    for (TextEntry& entry : KEDGE_TRY(parse_text_page(block->bytes, number, directory))) {
      if (number >= object.first_chunk && number < end) out.push_back(std::move(entry));
      ++number;
    }
  }
  return out;
}

}  // namespace

Result<std::vector<ChunkRow>> IndexImpl::chunks(const SnapshotPtr& snapshot,
                                                const LiveObject& object, Deadline deadline) {
  std::vector<ChunkRow> out;
  for (TextEntry& entry : KEDGE_TRY(text_of(reader_, *snapshot, object, deadline))) {
    out.push_back(std::move(entry.chunk));
  }
  return out;
}

Result<std::vector<float>> IndexImpl::vectors(const SnapshotPtr& snapshot, const LiveObject& object,
                                              Deadline deadline) {
  const std::vector<TextEntry> text = KEDGE_TRY(text_of(reader_, *snapshot, object, deadline));
  const SegmentPtr segment = snapshot->segment(object.segment);
  const SegmentDirectory& directory = segment->directory();
  std::vector<PageWant> wants;
  for (const TextEntry& entry : text) {
    wants.push_back(vectors_want(*segment, entry.row / kVectorBlockRows));
  }
  const std::vector<BlockPtr> blocks =
      KEDGE_TRY(reader_.read_all(*snapshot->head(), wants, nullptr, deadline));
  std::vector<float> out(text.size() * directory.dimension);
  for (std::size_t i = 0; i < text.size(); ++i) {
    kernels().f16_to_f32(blocks[i]->vectors.row(text[i].row % kVectorBlockRows).values,
                         out.data() + i * directory.dimension, directory.dimension);
  }
  return out;
}

Status IndexImpl::drop(Deadline deadline) {
  const HeadPtr head = KEDGE_TRY(log_.read(deadline));
  if (head->envelope.dropped) return {};
  const Rebase nothing = [](const HeadPtr&) -> Result<Draft> {
    Draft draft;
    draft.dropped = true;
    return draft;
  };
  KEDGE_TRY(committed_head(log_.commit(head, nothing, deadline)));
  const std::lock_guard lock(mutex_);
  current_ = nullptr;
  return {};
}

Result<CommitReport> IndexImpl::rollback(std::uint64_t generation, Deadline deadline) {
  return take(log_.rollback(generation, deadline), {}, deadline);
}

Result<CollectReport> IndexImpl::collect(const CollectOptions& options, Deadline deadline) {
  CollectOptions ours = options;
  // Nothing of the embedding cache: that is a store of its own.
  ours.is_ours = [](std::string_view key) {
    return matches_shape(key, "seg/{hh}/{32}") || matches_shape(key, "del/{32}-{32}") ||
           matches_shape(key, "tree/{32}");
  };
  ours.standing = kOpeningKey;
  ours.folders = {"seg/", "del/", "tree/", "probe/", std::string(kOpeningFolder)};
  // A record of a probe, or a key that a probe made to try the store with (store/probe.cc).
  ours.is_passing = [](std::string_view key) {
    constexpr std::string_view kRecord = "probe/{32}";
    constexpr std::size_t kRecordBytes = sizeof("probe/") - 1 + 32;
    if (!matches_shape(key.substr(0, kRecordBytes), kRecord)) return false;
    key.remove_prefix(kRecordBytes);
    return key.empty() || key.front() == '-';
  };
  return kedge::collect(log_, ours, deadline);
}

}  // namespace kedge
