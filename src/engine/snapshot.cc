// Opening a generation: round 1 the head, round 2 the directories and deletes that are not known
// yet.
#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"

namespace kedge {

const SourceEntry* Snapshot::source(std::uint32_t number) const {
  const auto found = std::find_if(state_.sources.begin(), state_.sources.end(),
                                  [&](const SourceEntry& entry) { return entry.number == number; });
  return found == state_.sources.end() ? nullptr : &*found;
}

const SourceEntry* Snapshot::source(std::string_view uri) const {
  const auto found = std::find_if(state_.sources.begin(), state_.sources.end(),
                                  [&](const SourceEntry& entry) { return entry.uri == uri; });
  return found == state_.sources.end() ? nullptr : &*found;
}

const Space* Snapshot::space(const Id128& id) const {
  const auto found = std::find_if(state_.spaces.begin(), state_.spaces.end(),
                                  [&](const Space& space) { return space.id() == id; });
  return found == state_.spaces.end() ? nullptr : &*found;
}

SegmentPtr Snapshot::segment(const Id128& id) const {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [&](const SegmentPtr& segment) { return segment->id() == id; });
  return found == segments_.end() ? nullptr : *found;
}

// Builds a snapshot, taking from an earlier one what it shares with it.
class SnapshotOpener {
 public:
  SnapshotOpener(HeadLog& log, HeadPtr head, SnapshotPtr earlier, Deadline deadline)
      : log_(log),
        earlier_(std::move(earlier)),
        deadline_(deadline),
        out_(std::make_shared<Snapshot>()) {
    out_->head_ = std::move(head);
  }

  Result<SnapshotPtr> run() {
    out_->state_ = KEDGE_TRY(IndexState::parse(out_->head_->envelope.payload));
    const std::size_t count = out_->state_.segments.size();
    files_.resize(count);
    deletes_.resize(count);
    for (std::size_t i = 0; i < count; ++i) KEDGE_TRY(plan(i));
    KEDGE_TRY(read());
    for (std::size_t i = 0; i < count; ++i) {
      const SegmentEntry& entry = out_->state_.segments[i];
      std::vector<std::uint32_t> dead;
      std::merge(deletes_[i].begin(), deletes_[i].end(), entry.dead.begin(), entry.dead.end(),
                 std::back_inserter(dead));
      if (std::adjacent_find(dead.begin(), dead.end()) != dead.end() ||
          (!dead.empty() && dead.back() >= entry.objects)) {
        return {Code::kCorrupt,
                str_cat(entry.file_key(), ": dead objects repeat or are out of range")};
      }
      out_->segments_.push_back(std::make_shared<const Segment>(entry, files_[i], std::move(dead)));
    }
    return SnapshotPtr(std::move(out_));
  }

 private:
  // What of segment i is known, and what has to be read.
  Status plan(std::size_t i) {
    const SegmentEntry& entry = out_->state_.segments[i];
    const SegmentPtr known = earlier_ == nullptr ? nullptr : earlier_->segment(entry.id);
    if (known != nullptr) {
      files_[i] = known->file();
    } else if (!entry.directory.empty()) {
      KEDGE_TRY(take_directory(i, entry.directory));
    } else {
      const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
      want(i, false, entry.file_key(), extent.offset, extent.size);
    }
    if (entry.del_file.is_zero()) return {};
    if (known != nullptr && known->entry().del_file == entry.del_file) {
      const auto& inline_dead = known->entry().dead;
      std::set_difference(known->dead().begin(), known->dead().end(), inline_dead.begin(),
                          inline_dead.end(), std::back_inserter(deletes_[i]));
      return {};
    }
    want(i, true, entry.del_key(), 0, entry.del_bytes);
    return {};
  }

  void want(std::size_t i, bool deletes, const std::string& key, std::uint64_t offset,
            std::uint64_t size) {
    wants_.emplace_back(i, deletes);
    requests_.push_back({.key = log_.path(key),
                         .offset = offset,
                         .length = size,
                         .if_match = {},
                         .version_id = {}});
  }

  Status read() {
    if (requests_.empty()) return {};
    const std::vector<Result<Blob>> blobs = log_.store().read(requests_, deadline_);
    for (std::size_t r = 0; r < wants_.size(); ++r) {
      const auto [i, deletes] = wants_[r];
      const SegmentEntry& entry = out_->state_.segments[i];
      const std::string key = deletes ? entry.del_key() : entry.file_key();
      if (!blobs[r].ok()) {
        if (blobs[r].code() == Code::kNotFound)
          return log_.explain_missing(*out_->head_, key, deadline_);
        return blobs[r].error();
      }
      if (deletes) {
        Result<std::vector<std::uint32_t>> dead =
            parse_del_file(blobs[r]->body, entry.id, entry.objects);
        if (!dead.ok()) return {dead.code(), str_cat(key, ": ", dead.error().message)};
        deletes_[i] = std::move(dead).value();
      } else {
        KEDGE_TRY(take_directory(i, blobs[r]->body));
      }
    }
    return {};
  }

  Status take_directory(std::size_t i, ByteView bytes) {
    const SegmentEntry& entry = out_->state_.segments[i];
    const PageRef page{.offset = entry.planes[static_cast<std::size_t>(Plane::kDirectory)].offset,
                       .size = static_cast<std::uint32_t>(bytes.size()),
                       .crc = entry.directory_crc};
    auto file = std::make_shared<SegmentFile>();
    file->id = entry.id;
    file->key = entry.file_key();
    file->bytes = entry.bytes;
    const Status sound = check_page(page, bytes, "directory");
    if (!sound.ok()) return {sound.code(), str_cat(file->key, ": ", sound.error().message)};
    Result<SegmentDirectory> directory = SegmentDirectory::parse(bytes);
    if (!directory.ok())
      return {directory.code(), str_cat(file->key, ": ", directory.error().message)};
    KEDGE_TRY(directory->matches(entry));
    file->directory = std::move(directory).value();
    files_[i] = std::move(file);
    return {};
  }

  HeadLog& log_;
  SnapshotPtr earlier_;
  Deadline deadline_;
  std::shared_ptr<Snapshot> out_;
  std::vector<SegmentFilePtr> files_;
  std::vector<std::vector<std::uint32_t>> deletes_;  // of the del file
  std::vector<std::pair<std::size_t, bool>> wants_;
  std::vector<ReadRequest> requests_;
};

Result<SnapshotPtr> IndexImpl::open_snapshot(const HeadPtr& head, Deadline deadline) {
  if (head->envelope.dropped) return {Code::kNotFound, "the index was dropped"};
  const SnapshotPtr earlier = current();
  if (earlier != nullptr && earlier->head()->envelope.commit_id == head->envelope.commit_id)
    return earlier;
  return SnapshotOpener(log_, head, earlier, deadline).run();
}

void inline_directories(IndexState& state,
                        const std::vector<std::pair<Id128, Bytes>>& directories) {
  std::vector<std::pair<std::size_t, SegmentEntry*>> order;
  for (SegmentEntry& entry : state.segments) {
    for (const auto& [id, bytes] : directories) {
      if (id == entry.id) entry.directory = bytes;
    }
    if (!entry.directory.empty()) order.emplace_back(entry.directory.size(), &entry);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t total = 0;
  for (const auto& [size, entry] : order) {
    total += size;
    if (total > kMaxInlineDirectories) entry->directory.clear();
  }
}

}  // namespace kedge
