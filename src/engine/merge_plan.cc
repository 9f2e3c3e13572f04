#include "engine/merge_plan.h"

#include <algorithm>
#include <map>
#include <utility>

namespace kedge {
namespace {

constexpr std::uint32_t kDeadShare = 5;  // over 1 in 5 dead: due
// A row lies in a list with so many times the rows of the average list: the data has left the tree.
// Equal rows crowd in any tree, so it is made anew only once there are half as many rows more.
constexpr double kCrowded = 3;
constexpr double kGrownSince = 1.5;

std::uint64_t weight(const SegmentEntry& entry) { return std::max(entry.rows, entry.objects); }

bool mostly_dead(const SegmentEntry& entry) {
  return std::uint64_t{entry.dead_objects()} * kDeadShare > entry.objects;
}

// The segments of one space that can be read, lightest first.
struct OfSpace {
  Id128 space;
  std::vector<SegmentPtr> flat;    // without a tree
  std::vector<SegmentPtr> listed;  // on the newest tree
  std::vector<SegmentPtr> stale;   // on an older one
  std::uint64_t rows = 0;          // dead ones included
  std::uint64_t flat_rows = 0;

  [[nodiscard]] std::vector<SegmentPtr> all() const {
    std::vector<SegmentPtr> out = flat;
    out.insert(out.end(), listed.begin(), listed.end());
    out.insert(out.end(), stale.begin(), stale.end());
    return out;
  }
};

std::vector<OfSpace> by_space(const Snapshot& snapshot) {
  std::map<Id128, OfSpace> spaces;
  for (const SegmentPtr& segment : snapshot.segments()) {
    if (segment->damage()) continue;
    const SegmentEntry& entry = segment->entry();
    OfSpace& space = spaces[entry.space];
    space.space = entry.space;
    const TreeEntry* newest = snapshot.state().newest_tree(entry.space);
    auto& kind = entry.tree.is_zero()                            ? space.flat
                 : newest != nullptr && newest->id == entry.tree ? space.listed
                                                                 : space.stale;
    kind.push_back(segment);
    space.rows += entry.rows;
    if (entry.tree.is_zero()) space.flat_rows += entry.rows;
  }
  std::vector<OfSpace> out;
  for (auto& [id, space] : spaces) {
    for (auto* kind : {&space.flat, &space.listed, &space.stale}) {
      std::stable_sort(kind->begin(), kind->end(), [](const SegmentPtr& a, const SegmentPtr& b) {
        return weight(a->entry()) < weight(b->entry());
      });
    }
    out.push_back(std::move(space));
  }
  return out;
}

// From the lightest on, as long as the next is not much heavier than all before it together: each
// row is then copied a logarithmic number of times. Empty unless at least two fit in one.
std::vector<SegmentPtr> lightest(const std::vector<SegmentPtr>& segments,
                                 const IndexOptions& options, bool all) {
  std::vector<SegmentPtr> taken;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  for (const SegmentPtr& segment : segments) {
    const SegmentEntry& entry = segment->entry();
    const bool fits = rows + weight(entry) <= options.max_segment_rows &&
                      bytes + entry.bytes <= options.max_segment_bytes;
    const bool close = all || taken.size() < 2 || weight(entry) <= 2 * rows;
    if (!fits || !close) break;
    taken.push_back(segment);
    rows += weight(entry);
    bytes += entry.bytes;
  }
  if (taken.size() < 2) taken.clear();
  return taken;
}

// Whether what lives of them is one segment. How many rows the dead objects have is not known: that
// they have their share of them is right to within a few in a hundred.
bool fits_one(const std::vector<SegmentPtr>& segments, const IndexOptions& options) {
  constexpr double kSpare = 1.05;
  double rows = 0;
  double bytes = 0;
  for (const SegmentPtr& segment : segments) {
    const SegmentEntry& entry = segment->entry();
    const double live = 1.0 - static_cast<double>(entry.dead_objects()) / entry.objects;
    rows += kSpare * live * static_cast<double>(weight(entry));
    bytes += kSpare * live * static_cast<double>(entry.bytes);
  }
  return rows <= options.max_segment_rows &&
         bytes <= static_cast<double>(options.max_segment_bytes);
}

// Where there are more small segments than there may be, once `coming` more are there.
MergePlan plan_flat(const Snapshot& snapshot, const OfSpace& space, const IndexOptions& options,
                    std::size_t coming) {
  const bool heavy = space.flat_rows >= options.tree_rows;
  if (heavy && fits_one(space.flat, options)) {
    if (snapshot.state().newest_tree(space.space) != nullptr)
      return {space.flat, MergePlan::Target::kNewestTree};
    return {space.flat, MergePlan::Target::kNewTree};
  }
  if (space.flat.size() + coming <= options.max_small_segments) return {};
  return {lightest(space.flat, options, heavy), MergePlan::Target::kOneList};
}

// How many rows the list of a row has, on average over the rows on the tree, in lists of average
// size: 1 where all are equal.
double crowding(const TreeEntry& tree, const OfSpace& space) {
  std::vector<double> lists(tree.leaves);
  double rows = 0;
  for (const SegmentPtr& segment : space.listed) {
    const std::vector<ListRef>& of = segment->directory().lists;
    for (std::size_t l = 0; l < std::min(of.size(), lists.size()); ++l) {
      lists[l] += of[l].rows;
      rows += of[l].rows;
    }
  }
  double squares = 0;
  for (const double size : lists) squares += size * size;
  return rows == 0 ? 1 : squares / rows * static_cast<double>(lists.size()) / rows;
}

bool outgrown(const TreeEntry& tree, const OfSpace& space) {
  const auto trained = static_cast<double>(std::max<std::uint64_t>(tree.rows, 1));
  const auto rows = static_cast<double>(space.rows);
  return rows > static_cast<double>(kOutgrown) * trained ||
         (rows > kGrownSince * trained && crowding(tree, space) > kCrowded);
}

}  // namespace

MergePlan plan_before_commit(const Snapshot& snapshot, const IndexOptions& options,
                             std::size_t coming) {
  for (const OfSpace& space : by_space(snapshot)) {
    MergePlan plan = plan_flat(snapshot, space, options, coming);
    if (!plan.inputs.empty()) return plan;
  }
  return {};
}

MergePlan plan_merge(const Snapshot& snapshot, const IndexOptions& options) {
  for (const OfSpace& space : by_space(snapshot)) {
    MergePlan plan = plan_flat(snapshot, space, options, 0);
    if (!plan.inputs.empty()) return plan;
    const TreeEntry* tree = snapshot.state().newest_tree(space.space);
    if (tree != nullptr && outgrown(*tree, space) && fits_one(space.all(), options))
      return {space.all(), MergePlan::Target::kNewTree};
    if (!space.stale.empty()) return {{space.stale.front()}, MergePlan::Target::kNewestTree};
    const std::size_t fragments = space.rows <= kManyRows ? kMaxFragments : kMaxFragmentsAbove;
    if (space.listed.size() > fragments) {
      plan = {lightest(space.listed, options, false), MergePlan::Target::kNewestTree};
      if (!plan.inputs.empty()) return plan;
    }
    for (const SegmentPtr& segment : space.all()) {
      if (!mostly_dead(segment->entry())) continue;
      return {{segment},
              segment->entry().tree.is_zero() ? MergePlan::Target::kOneList
                                              : MergePlan::Target::kNewestTree};
    }
    if (snapshot.segments().size() > kManySegments) {
      plan = {lightest(space.flat, options, false), MergePlan::Target::kOneList};
      if (!plan.inputs.empty()) return plan;
    }
  }
  return {};
}

MergePlan plan_retraining(const Snapshot& snapshot, const IndexOptions& options, const Id128& id) {
  for (const OfSpace& space : by_space(snapshot)) {
    if (space.space == id && fits_one(space.all(), options))
      return {space.all(), MergePlan::Target::kNewTree};
  }
  return {};
}

MergePlan plan_compaction(const Snapshot& snapshot, const IndexOptions& options, const Id128& id,
                          bool again) {
  for (const OfSpace& space : by_space(snapshot)) {
    if (space.space != id) continue;
    const bool wants_tree = space.rows >= options.least_tree_rows;
    const TreeEntry* tree = snapshot.state().newest_tree(id);
    const std::vector<SegmentPtr> all = space.all();
    const bool fits = tree != nullptr && snapshot.tree(tree->id) != nullptr &&
                      tree->rows <= 2 * space.rows && 2 * tree->rows >= space.rows;
    const bool done = all.size() == 1 && all.front()->entry().dead_objects() == 0 &&
                      (wants_tree ? fits && !space.listed.empty() : !space.flat.empty());
    if (done && !again) return {};
    if (!fits_one(all, options)) {
      return {lightest(all, options, true),
              tree == nullptr ? MergePlan::Target::kNewTree : MergePlan::Target::kNewestTree};
    }
    if (!wants_tree) return {all, MergePlan::Target::kOneList};
    return {all, fits && !again ? MergePlan::Target::kNewestTree : MergePlan::Target::kNewTree};
  }
  return {};
}

}  // namespace kedge
