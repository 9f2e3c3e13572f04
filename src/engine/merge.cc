// Merges: several segments become one, without their dead objects (rebuild.cc), and one commit puts
// it in their place. A merge that is overtaken by deletes translates them; of two merges that share
// an input the second gives up. A new tree comes with the first segment on it.
#include <algorithm>
#include <utility>

#include "base/memory.h"
#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/merge_plan.h"
#include "engine/rebuild.h"
#include "engine/state_draft.h"
#include "engine/train.h"

namespace kedge {
namespace {

constexpr std::uint32_t kPromised = 950;  // recall in thousandths, one of those that are calibrated
constexpr double kLeast = 0.9;

class Merge {
 public:
  Merge(IndexImpl& index, SnapshotPtr snapshot, MergePlan plan, Deadline deadline,
        const RowsProgress& progress)
      : index_(index),
        snapshot_(std::move(snapshot)),
        plan_(std::move(plan)),
        deadline_(deadline),
        progress_(progress) {}

  Status build() {
    const bool large = is_large(plan_.inputs, index_.options());
    if (large) release_free_memory();
    KEDGE_TRY(choose_tree());
    if (large) release_free_memory();
    rebuild_.emplace(index_, snapshot_, plan_.inputs, tree_, deadline_);
    rebuild_->set_calibration(calibration_.get());
    rebuild_->set_progress(&progress_);
    KEDGE_TRY(rebuild_->run());
    if (!rebuild_->has_segment()) return {};
    if (calibration_ != nullptr) take_points();
    const SegmentEntry& entry = rebuild_->entry();
    const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
    Bytes directory(extent.size);
    KEDGE_TRY(rebuild_->file().read(extent.offset, directory));
    file_ = KEDGE_TRY(open_segment_file(entry, directory));
    return upload();
  }

  Result<Draft> rebase(const HeadPtr& base) {
    const SnapshotPtr now = KEDGE_TRY(index_.open_newest(base, deadline_));
    StateDraft draft(index_, *now);
    std::vector<std::uint32_t> late;
    for (std::size_t i = 0; i < plan_.inputs.size(); ++i) {
      const Segment& input = *plan_.inputs[i];
      KEDGE_TRY(translate(input, now->segment(input.id()), rebuild_->maps()[i], late));
      draft.remove(input.id());
    }
    if (rebuild_->has_segment()) {
      if (tree_ != nullptr) KEDGE_TRY(name_tree(draft.state()));
      draft.add(rebuild_->entry(), file_, late);
    }
    Draft out = KEDGE_TRY(draft.finish());
    out.uploaded = uploaded_;
    return out;
  }

  // Whether the merge ended because somebody else changed what it was of.
  [[nodiscard]] bool gave_up() const { return gave_up_; }
  // Whether the data has left the tree that the segment stands on: where the tree's own points find
  // kLeast of the nearest rows they say they find kPromised.
  [[nodiscard]] bool left_tree() const { return left_tree_; }

 private:
  Status choose_tree() {
    const Id128& space = plan_.inputs.front()->entry().space;
    const auto has_rows = [](const SegmentPtr& s) { return s->directory().rows > 0; };
    if (plan_.target == MergePlan::Target::kNewestTree) {
      const TreeEntry* newest = snapshot_->state().newest_tree(space);
      if (newest != nullptr) tree_ = snapshot_->tree(newest->id);
      // One that is damaged is replaced.
      if (tree_ == nullptr) plan_.target = MergePlan::Target::kNewTree;
    }
    std::vector<SegmentPtr> segments;
    std::copy_if(plan_.inputs.begin(), plan_.inputs.end(), std::back_inserter(segments), has_rows);
    if (segments.empty()) return {};
    if (plan_.target == MergePlan::Target::kNewTree) {
      trained_ = KEDGE_TRY(train_tree(index_, *snapshot_, segments, deadline_));
      tree_ = trained_.tree;
      calibration_ = std::move(trained_.calibration);
    } else if (tree_ != nullptr && has_most_rows()) {
      calibration_ = KEDGE_TRY(sample_questions(index_, *snapshot_, segments, deadline_));
    }
    return {};
  }

  // Whether what a search finds among the inputs tells of all of their space: of fewer rows the
  // nearest are farther away, and in more lists.
  [[nodiscard]] bool has_most_rows() const {
    std::uint64_t mine = 0;
    std::uint64_t all = 0;
    for (const SegmentPtr& input : plan_.inputs) mine += input->entry().rows;
    for (const SegmentPtr& segment : snapshot_->segments()) {
      if (segment->entry().space == plan_.inputs.front()->entry().space)
        all += segment->entry().rows;
    }
    return 2 * mine > all;
  }

  // How many lists hold how much of the nearest, as it is now.
  void take_points() {
    points_ = calibration_->points(tree_->tree);
    if (trained_.tree != nullptr) return;
    const TreeEntry* known = snapshot_->state().tree(tree_->entry.id);
    if (known == nullptr) return;
    for (const ProbePoint& point : known->points) {
      if (point.recall == kPromised)
        left_tree_ = calibration_->share_within(tree_->tree, point.probes) < kLeast;
    }
    // A new tree comes with points of its own, where one can be made.
    left_tree_ = left_tree_ &&
                 !plan_retraining(*snapshot_, index_.options(), tree_->entry.space).inputs.empty();
    if (left_tree_) points_.clear();
  }

  // Before the commit, since what is large takes its time.
  Status upload() {
    const Timestamp began = KEDGE_TRY(index_.log().store().now(deadline_));
    std::vector<std::pair<FileRef, ByteView>> files;
    const SegmentEntry& entry = rebuild_->entry();
    files.emplace_back(FileRef{.key = entry.file_key(), .size = entry.bytes},
                       KEDGE_TRY(rebuild_->file().view()));
    if (trained_.tree != nullptr) {
      files.emplace_back(FileRef{.key = tree_->entry.file_key(), .size = tree_->entry.bytes},
                         trained_.file);
    }
    std::vector<std::string> keys;
    for (const auto& [file, body] : files) keys.push_back(index_.log().path(file.key));
    std::vector<PutRequest> requests;
    for (std::size_t i = 0; i < files.size(); ++i)
      requests.push_back({.key = keys[i], .body = files[i].second});
    requests.front().file = rebuild_->file().file();
    requests.front().taken = [this](std::uint64_t offset, std::uint64_t size) {
      rebuild_->file().let_go(offset, size);
    };
    for (const Result<Written>& written : index_.log().store().put(requests, deadline_)) {
      if (!written.ok()) return written.error();
    }
    for (const auto& [file, body] : files) uploaded_.push_back({.file = file, .began = began});
    return {};
  }

  // Deletes made since the input was read, by their numbers in the new segment.
  Status translate(const Segment& read, const SegmentPtr& now,
                   const std::vector<std::uint32_t>& map, std::vector<std::uint32_t>& late) {
    // Taken by another merge; or brought back, with objects that this one left out as dead.
    gave_up_ = now == nullptr || now->damage() ||
               std::any_of(read.dead().begin(), read.dead().end(),
                           [&](std::uint32_t number) { return !now->is_dead(number); });
    if (gave_up_) return {Code::kConflict, str_cat(read.file()->key, " is another merge's")};
    for (const std::uint32_t number : now->dead()) {
      if (map[number] != Rebuild::kLeftOut) late.push_back(map[number]);
    }
    return {};
  }

  // The tree of the new segment is named first; of older ones the newest that a segment still
  // stands on.
  Status name_tree(IndexState& state) {
    for (TreeEntry& known : state.trees) {
      if (known.id != tree_->entry.id) continue;
      if (!points_.empty()) known.points = points_;
      return {};
    }
    if (trained_.tree == nullptr) {
      gave_up_ = true;
      return {Code::kConflict, "the tree of this merge was replaced"};
    }
    TreeEntry entry = tree_->entry;
    entry.points = points_;
    std::size_t others = 0;
    for (const TreeEntry& tree : state.trees) others += tree.space == entry.space ? 1 : 0;
    if (others >= 2) {
      gave_up_ = true;
      return {Code::kConflict, "two trees are under way already: merge first"};
    }
    state.trees.insert(state.trees.begin(), std::move(entry));
    return {};
  }

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  MergePlan plan_;
  Deadline deadline_;
  const RowsProgress& progress_;
  OpenTreePtr tree_;
  TrainedTree trained_;
  std::unique_ptr<Calibration> calibration_;
  std::optional<Rebuild> rebuild_;
  std::vector<ProbePoint> points_;
  SegmentFilePtr file_;
  std::vector<Upload> uploaded_;
  bool gave_up_ = false;
  bool left_tree_ = false;
};

}  // namespace

Result<bool> IndexImpl::merge(const SnapshotPtr& snapshot, MergePlan plan, Deadline deadline,
                              const RowsProgress& progress) {
  if (plan.inputs.empty()) return false;
  const Id128 space = plan.inputs.front()->entry().space;
  Merge merge(*this, snapshot, std::move(plan), deadline, progress);
  KEDGE_TRY(merge.build());
  CommitOutcome outcome = log_.commit(
      snapshot->head(), [&](const HeadPtr& head) { return merge.rebase(head); }, deadline);
  if (std::holds_alternative<NotCommitted>(outcome) && merge.gave_up()) return false;
  KEDGE_TRY(take(std::move(outcome), {}, deadline));
  if (!merge.left_tree()) return true;
  const SnapshotPtr now = KEDGE_TRY(latest(deadline));
  KEDGE_TRY(this->merge(now, plan_retraining(*now, options_, space), deadline, progress));
  return true;
}

Result<bool> IndexImpl::make_room(const SnapshotPtr& base, Deadline deadline) {
  return merge(base, plan_before_commit(*base, options_, 1), deadline);
}

Result<std::uint64_t> IndexImpl::maintain(std::size_t max_merges, Deadline deadline) {
  std::uint64_t done = 0;
  while (done < max_merges) {
    const SnapshotPtr snapshot = KEDGE_TRY(latest(deadline));
    if (!KEDGE_TRY(merge(snapshot, plan_merge(*snapshot, options_), deadline))) break;
    ++done;
  }
  return done;
}

Result<std::uint64_t> IndexImpl::compact(bool again, Deadline deadline,
                                         const RowsProgress& progress) {
  std::uint64_t done = 0;
  SnapshotPtr snapshot = KEDGE_TRY(latest(deadline));
  std::vector<Id128> spaces;
  for (const Space& space : snapshot->state().spaces) spaces.push_back(space.id());
  for (const Id128& space : spaces) {
    if (snapshot->space(space) == nullptr) continue;
    MergePlan plan = plan_compaction(*snapshot, options_, space, again);
    if (KEDGE_TRY(merge(snapshot, std::move(plan), deadline, progress))) ++done;
    snapshot = KEDGE_TRY(latest(deadline));
  }
  // Each merge wrote it; one that is lost or old is made again here.
  if (done == 0) keep_opening(nullptr, *snapshot, deadline);
  return done;
}

}  // namespace kedge
