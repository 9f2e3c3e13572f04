// Opening a generation: round 1 the head, round 2 the directories and deletes that are not known
// yet.
#include <algorithm>
#include <map>
#include <utility>

#include "base/allocation.h"
#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/open_tree.h"
#include "engine/opening.h"
#include "engine/row_coder.h"

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

OpenTreePtr Snapshot::tree(const Id128& id) const {
  const auto found = std::find_if(trees_.begin(), trees_.end(),
                                  [&](const OpenTreePtr& tree) { return tree->entry.id == id; });
  return found == trees_.end() ? nullptr : *found;
}

std::shared_ptr<const Rotation> Snapshot::rotation(const Id128& space) const {
  return rotations_.at(space);
}

SegmentPtr Snapshot::segment(const Id128& id) const {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [&](const SegmentPtr& segment) { return segment->id() == id; });
  return found == segments_.end() ? nullptr : *found;
}

// Builds a snapshot, taking from an earlier one what it shares with it.
class SnapshotOpener {
 public:
  // `disk`: nullptr for none. `opening` outlives the call of run().
  SnapshotOpener(HeadLog& log, DiskCache* disk, const Opening& opening, HeadPtr head,
                 SnapshotPtr earlier, Deadline deadline)
      : log_(log),
        disk_(disk),
        opening_(opening),
        earlier_(std::move(earlier)),
        deadline_(deadline),
        out_(std::make_shared<Snapshot>()) {
    out_->head_ = std::move(head);
  }

  Result<SnapshotPtr> run() {
    auto state = IndexState::parse(out_->head_->envelope.payload);
    if (!state.ok())
      return {state.code(),
              str_cat("generation ", out_->generation(), ": ", state.error().message)};
    out_->state_ = *std::move(state);
    for (const SegmentEntry& entry : out_->state_.segments) plan(entry);
    take_rotations();
    for (const TreeEntry& tree : out_->state_.trees) plan_tree(tree);
    KEDGE_TRY(read());
    // What memory does not suffice for is not damaged: a repair would drop it.
    for (const Plan& plan : plans_) {
      if (plan.damage && is_memory_error(*plan.damage)) return *plan.damage;
    }
    for (std::size_t i = 0; i < plans_.size(); ++i) finish(plans_[i], out_->state_.segments[i]);
    return SnapshotPtr(std::move(out_));
  }

 private:
  struct Plan {
    SegmentPtr known;  // in the earlier snapshot, with the same deletes
    SegmentFilePtr file;
    std::vector<std::uint32_t> in_del_file;
    std::optional<Error> damage;
  };

  // What of a segment is known, and what has to be read.
  void plan(const SegmentEntry& entry) {
    Plan& plan = plans_.emplace_back();
    SegmentPtr known = earlier_ == nullptr ? nullptr : earlier_->segment(entry.id);
    if (known != nullptr && known->damage()) known = nullptr;  // it may be back
    if (known != nullptr) {
      plan.file = known->file();
    } else if (!entry.directory.empty()) {
      take_directory(plan, entry, entry.directory);
    } else if (!take_known_directory(plan, entry)) {
      const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
      want(false, entry.file_key(), extent.offset, extent.size);
    }
    const bool same_file = known != nullptr && known->entry().del_file == entry.del_file;
    if (same_file && known->entry().dead == entry.dead) {
      plan.known = std::move(known);
    } else if (same_file) {
      const auto& inlined = known->entry().dead;
      std::set_difference(known->dead().begin(), known->dead().end(), inlined.begin(),
                          inlined.end(), std::back_inserter(plan.in_del_file));
    } else if (!entry.del_file.is_zero()) {
      if (!take_known_deletes(plan, entry)) want(true, entry.del_key(), 0, entry.del_bytes);
    }
  }

  void take_rotations() {
    for (const Space& space : out_->state_.spaces) {
      const Id128 id = space.id();
      const bool known = earlier_ != nullptr && earlier_->space(id) != nullptr;
      out_->rotations_[id] = known ? earlier_->rotation(id) : rotation_of(space);
    }
  }

  void plan_tree(const TreeEntry& tree) {
    OpenTreePtr known = earlier_ == nullptr ? nullptr : earlier_->tree(tree.id);
    if (known != nullptr) {
      out_->trees_.push_back(std::move(known));
    } else if (!take_known_tree(tree)) {
      tree_wants_.push_back(&tree);
    }
  }

  // What lies in the opening file or the disk cache need not be read: then the head is all that
  // opening waits for. Of what is there and cannot be read the store's copy decides. `take`:
  // whether the bytes are what they should be.
  template <typename Take>
  bool take_copy(const std::optional<BlockName>& name, const Take& take) {
    if (!name) return false;
    if (const std::optional<ByteView> bytes = opening_.find(*name); bytes && take(*bytes)) {
      fresh_.push_back({*name, *bytes});
      return true;
    }
    if (disk_ == nullptr) return false;
    const std::optional<Bytes> bytes = std::move(disk_->find(std::span(&*name, 1)).front());
    return bytes && take(*bytes);
  }

  bool take_known_directory(Plan& plan, const SegmentEntry& entry) {
    return take_copy(directory_block(entry), [&](ByteView bytes) {
      take_directory(plan, entry, bytes);
      const bool sound = !plan.damage;
      plan.damage.reset();
      return sound;
    });
  }

  bool take_known_deletes(Plan& plan, const SegmentEntry& entry) {
    return take_copy(deletes_block(entry), [&](ByteView bytes) {
      auto dead = parse_del_file(bytes, entry.id, entry.objects);
      if (!dead.ok() || dead->size() != entry.del_count) return false;
      plan.in_del_file = *std::move(dead);
      return true;
    });
  }

  bool take_known_tree(const TreeEntry& entry) {
    return take_copy(tree_block(entry), [&](ByteView bytes) {
      Result<OpenTreePtr> tree = open_tree(entry, bytes);
      if (!tree.ok()) return false;
      out_->trees_.push_back(*std::move(tree));
      return true;
    });
  }

  void want(bool deletes, const std::string& key, std::uint64_t offset, std::uint64_t size) {
    wants_.emplace_back(plans_.size() - 1, deletes);
    requests_.push_back({.key = log_.path(key),
                         .offset = offset,
                         .length = size,
                         .if_match = {},
                         .version_id = {}});
  }

  Status read() {
    for (const TreeEntry* tree : tree_wants_) {
      requests_.push_back({.key = log_.path(tree->file_key()),
                           .offset = 0,
                           .length = tree->bytes,
                           .if_match = {},
                           .version_id = {}});
    }
    std::vector<Result<Blob>> blobs;
    if (!requests_.empty()) blobs = log_.store().read(requests_, deadline_);
    out_->rounds_ = requests_.empty() ? 1 : 2;
    const auto keep = [&](const std::optional<BlockName>& name, const Bytes& body) {
      if (name) fresh_.push_back({*name, body});
    };
    for (std::size_t r = 0; r < wants_.size(); ++r) {
      const auto [i, deletes] = wants_[r];
      const SegmentEntry& entry = out_->state_.segments[i];
      const std::string key = deletes ? entry.del_key() : entry.file_key();
      if (!blobs[r].ok()) {
        Error error = blobs[r].error();
        if (error.code == Code::kNotFound)
          error = log_.explain_missing(*out_->head_, key, deadline_);
        if (error.code == Code::kInvalid)
          error = {Code::kCorrupt, str_cat(key, ": the file is cut short")};
        if (error.code != Code::kCorrupt) return error;
        if (!plans_[i].damage) plans_[i].damage = std::move(error);
      } else if (deletes) {
        take_deletes(plans_[i], entry, blobs[r]->body);
        if (!plans_[i].in_del_file.empty()) keep(deletes_block(entry), blobs[r]->body);
      } else {
        take_directory(plans_[i], entry, blobs[r]->body);
        if (plans_[i].file != nullptr) keep(directory_block(entry), blobs[r]->body);
      }
    }
    for (std::size_t t = 0; t < tree_wants_.size(); ++t) {
      const TreeEntry& entry = *tree_wants_[t];
      const std::size_t trees = out_->trees_.size();
      KEDGE_TRY(take_tree(entry, blobs[wants_.size() + t]));
      if (out_->trees_.size() > trees) keep(tree_block(entry), blobs[wants_.size() + t]->body);
    }
    if (disk_ != nullptr && !fresh_.empty()) disk_->insert(fresh_, MakeRoom::kOldest);
    return {};
  }

  // Without its tree a segment is scanned whole: slower, and as right.
  Status take_tree(const TreeEntry& entry, const Result<Blob>& blob) {
    Result<OpenTreePtr> tree =
        blob.ok() ? open_tree(entry, blob->body) : Result<OpenTreePtr>(blob.error());
    if (tree.ok()) {
      out_->trees_.push_back(*std::move(tree));
      return {};
    }
    Error error = tree.error();
    if (error.code == Code::kNotFound)
      error = log_.explain_missing(*out_->head_, entry.file_key(), deadline_);
    const bool damaged = error.code == Code::kCorrupt || error.code == Code::kInvalid;
    if (!damaged) return error;
    log_.log().error(str_cat(error.message,
                             ": searches read whole segments until `kedge compact` makes a tree"));
    return {};
  }

  static void take_deletes(Plan& plan, const SegmentEntry& entry, ByteView bytes) {
    auto dead = parse_del_file(bytes, entry.id, entry.objects);
    if (!dead.ok()) {
      plan.damage = Error{dead.code(), str_cat(entry.del_key(), ": ", dead.error().message)};
    } else if (dead->size() != entry.del_count) {
      plan.damage = Error{Code::kCorrupt, str_cat(entry.del_key(), ": holds ", dead->size(),
                                                  " numbers, the head says ", entry.del_count)};
    } else {
      plan.in_del_file = *std::move(dead);
    }
  }

  static void take_directory(Plan& plan, const SegmentEntry& entry, ByteView bytes) {
    auto file = open_segment_file(entry, bytes);
    if (file.ok()) {
      plan.file = *std::move(file);
    } else {
      plan.damage = file.error();
    }
  }

  void finish(Plan& plan, const SegmentEntry& entry) {
    if (plan.known != nullptr) {
      out_->segments_.push_back(plan.known);
      return;
    }
    std::vector<std::uint32_t> dead;
    std::merge(plan.in_del_file.begin(), plan.in_del_file.end(), entry.dead.begin(),
               entry.dead.end(), std::back_inserter(dead));
    if (!plan.damage && std::adjacent_find(dead.begin(), dead.end()) != dead.end()) {
      plan.damage =
          Error{Code::kCorrupt, str_cat(entry.file_key(), ": an object is named dead twice")};
    }
    if (plan.damage) {
      log_.log().error(plan.damage->message);
      out_->segments_.push_back(std::make_shared<const Segment>(entry, *std::move(plan.damage)));
    } else {
      out_->segments_.push_back(
          std::make_shared<const Segment>(entry, std::move(plan.file), std::move(dead)));
    }
  }

  HeadLog& log_;
  DiskCache* disk_;
  const Opening& opening_;
  SnapshotPtr earlier_;
  Deadline deadline_;
  std::shared_ptr<Snapshot> out_;
  std::vector<Plan> plans_;  // as in the state
  std::vector<const TreeEntry*> tree_wants_;
  std::vector<std::pair<std::size_t, bool>> wants_;
  std::vector<ReadRequest> requests_;
  std::vector<BlockEntry> fresh_;  // for the disk cache; borrow what was read
};

Result<SegmentFilePtr> open_segment_file(const SegmentEntry& entry, ByteView directory) {
  auto file = std::make_shared<SegmentFile>();
  file->id = entry.id;
  file->key = entry.file_key();
  file->bytes = entry.bytes;
  const auto named = [&](const Error& error) {
    return Error{error.code, str_cat(file->key, ": ", error.message)};
  };
  if (const Status sound = check_page(directory_page(entry), directory, "directory"); !sound.ok())
    return named(sound.error());
  auto parsed = SegmentDirectory::parse(directory);
  if (!parsed.ok()) return named(parsed.error());
  if (const Status fits = parsed->matches(entry); !fits.ok()) return named(fits.error());
  file->directory = *std::move(parsed);
  return SegmentFilePtr(std::move(file));
}

Result<SnapshotPtr> IndexImpl::open_snapshot(const HeadPtr& head, Deadline deadline,
                                             const Opening& opening) {
  if (head->envelope.dropped)
    return {Code::kNotFound, str_cat("the index was dropped: ", printable(log_.path("head")))};
  const SnapshotPtr earlier = current();
  const bool whole =
      earlier != nullptr &&
      std::none_of(earlier->segments().begin(), earlier->segments().end(),
                   [](const SegmentPtr& segment) { return segment->damage().has_value(); });
  if (whole && earlier->head()->envelope.commit_id == head->envelope.commit_id) return earlier;
  return SnapshotOpener(log_, options_.disk_cache, opening, head, earlier, deadline).run();
}

}  // namespace kedge
