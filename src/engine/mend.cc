// Damaged segments, del files and trees under a sound head.
//
// A segment that cannot be read whole is named no more, with all its rows: where the del file is
// lost, dead rows would come to life again otherwise. What that leaves is counted from the rows
// themselves, so that the next sync sees what its source has and the index has not. A segment that
// may have rows of a source that cannot bring them back stays, and so does whatever shares a source
// with it: a source is counted only where every row of it can be read.
#include <algorithm>
#include <set>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/recount.h"
#include "engine/state_draft.h"

namespace kedge {
namespace {

constexpr std::size_t kPagesAtOnce = 64;

// The source of a bound (4 big-endian bytes and a key); `missing` where it has none.
std::uint32_t source_of(const std::string& bound, std::uint32_t missing) {
  if (bound.size() < 4) return missing;
  std::uint32_t out = 0;
  for (int i = 0; i < 4; ++i)
    out = out << 8 | static_cast<unsigned char>(bound[static_cast<std::size_t>(i)]);
  return out;
}

// By its bounds and its space: all rows of a source are in the space of its recipe.
std::vector<std::uint32_t> sources_of(const IndexState& state, const SegmentEntry& entry) {
  const std::uint32_t first = source_of(entry.lower, 0);
  const std::uint32_t last = source_of(entry.upper, UINT32_MAX);
  std::vector<std::uint32_t> out;
  for (const SourceEntry& source : state.sources) {
    const Id128& space = source.recipe.space;
    if (source.number < first || source.number > last) continue;
    if (space.is_zero() || space == entry.space) out.push_back(source.number);
  }
  return out;
}

class Mend {
 public:
  Mend(IndexImpl& index, SnapshotPtr snapshot, const MendOptions& options, Deadline deadline)
      : index_(index), snapshot_(std::move(snapshot)), options_(options), deadline_(deadline) {}

  Status plan(std::span<const Damage> damage) {
    for (const Damage& one : damage) {
      if (!one.segment && !one.tree) miscounted_ = true;
      if (one.segment) add(*one.segment, one.code);
    }
    for (const SegmentPtr& segment : snapshot_->segments()) {
      if (segment->damage()) add(segment->id(), segment->damage()->code);
    }
    hold();
    for (const auto& [id, segment] : segments_) KEDGE_TRY(describe(id));
    return {};
  }

  [[nodiscard]] bool has_commit() const {
    return miscounted_ || std::any_of(segments_.begin(), segments_.end(),
                                      [](const auto& one) { return one.second.kept.empty(); });
  }

  Result<Draft> rebase(const HeadPtr& base) {
    const SnapshotPtr now = KEDGE_TRY(index_.open_newest(base, deadline_));
    StateDraft draft(index_, *now);
    std::vector<SegmentPtr> sound;
    for (const SegmentPtr& segment : now->segments()) {
      const auto known = segments_.find(segment->id());
      if (known == segments_.end()) {
        if (segment->damage()) return *segment->damage();
        sound.push_back(segment);
      } else if (known->second.kept.empty()) {
        draft.remove(segment->id());
      }
    }
    std::set<std::uint32_t> uncounted;
    for (const auto& [source, reason] : held_) uncounted.insert(source);
    KEDGE_TRY(keep_newest(index_.reader(), now, sound, {}, uncounted, draft, deadline_));
    count_what_went(*now, draft.state());
    return draft.finish();
  }

  // Whether a segment of the space stays that cannot be read.
  [[nodiscard]] bool keeps_damage_in(const Id128& space) const {
    return std::any_of(segments_.begin(), segments_.end(), [&](const auto& one) {
      const SegmentPtr segment = snapshot_->segment(one.first);
      return !one.second.kept.empty() && segment->entry().space == space;
    });
  }

  MendReport report() {
    for (auto& [id, segment] : segments_) report_.segments.push_back(std::move(segment));
    return std::move(report_);
  }

 private:
  void add(const Id128& id, Code code) {
    const SegmentPtr segment = snapshot_->segment(id);
    if (segment == nullptr) return;
    DamagedSegment& of = segments_[id];
    of.file = segment->entry().file_key();
    of.sources = sources_of(snapshot_->state(), segment->entry());
    of.objects = segment->entry().objects - segment->entry().dead_objects();
    // A later version of kedge reads it: it is no worse than this one.
    if (code == Code::kUnsupported) of.kept = "it is of a format that this version does not know";
  }

  void hold() {
    held_ = options_.held;
    for (bool more = true; more;) {
      more = false;
      for (auto& [id, segment] : segments_) {
        for (const std::uint32_t source : segment.sources) {
          const auto held = held_.find(source);
          if (segment.kept.empty() && held != held_.end()) segment.kept = held->second;
        }
        if (segment.kept.empty()) continue;
        for (const std::uint32_t source : segment.sources)
          more = held_.emplace(source, segment.kept).second || more;
      }
    }
  }

  // The keys, as far as directory and docs pages can be read.
  Status describe(const Id128& id) {
    DamagedSegment& out = segments_[id];
    const SegmentPtr segment = KEDGE_TRY(readable(*snapshot_->segment(id)));
    if (segment == nullptr) return {};
    const std::size_t pages = segment->directory().docs.size();
    for (std::size_t first = 0; first < pages && named_ < options_.max_keys;
         first += kPagesAtOnce) {
      std::vector<PageWant> wants;
      for (std::size_t page = first; page < std::min(pages, first + kPagesAtOnce); ++page)
        wants.push_back(docs_want(*segment, page));
      const std::vector<Result<BlockPtr>> blocks =
          index_.reader().read(*snapshot_->head(), wants, nullptr, deadline_, Keep::kNever);
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        if (!blocks[i].ok() && blocks[i].code() == Code::kUnavailable) return blocks[i].error();
        if (blocks[i].ok()) name_keys(*segment, first + i, (*blocks[i])->bytes, out);
      }
    }
    return {};
  }

  void name_keys(const Segment& segment, std::size_t page, ByteView bytes, DamagedSegment& out) {
    auto number = static_cast<std::uint32_t>(page * kDocsPageObjects);
    Result<std::vector<DocsEntry>> entries = parse_docs_page(bytes, number, segment.directory());
    if (!entries.ok()) return;
    for (DocsEntry& entry : *entries) {
      const bool live = !segment.is_dead(number++) && entry.row.status != ObjectStatus::kAbsent &&
                        std::ranges::find(out.sources, entry.row.source) != out.sources.end();
      if (!live || named_ == options_.max_keys) continue;
      out.keys.push_back({entry.row.source, std::move(entry.row.key)});
      ++named_;
    }
  }

  // Of one whose del file is lost the directory may be there; nullptr where it is not.
  Result<SegmentPtr> readable(const Segment& segment) {
    const SegmentEntry& entry = segment.entry();
    if (!segment.damage()) return snapshot_->segment(segment.id());
    Bytes directory = entry.directory;
    if (directory.empty()) {
      const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
      Result<Blob> blob = read_one(index_.log().store(),
                                   {.key = index_.log().path(entry.file_key()),
                                    .offset = extent.offset,
                                    .length = extent.size,
                                    .if_match = {},
                                    .version_id = {}},
                                   deadline_);
      if (!blob.ok() && blob.code() == Code::kUnavailable) return blob.error();
      if (!blob.ok()) return SegmentPtr();
      directory = std::move(blob->body);
    }
    Result<SegmentFilePtr> file = open_segment_file(entry, directory);
    if (!file.ok()) return SegmentPtr();
    return SegmentPtr(std::make_shared<const Segment>(entry, *std::move(file), entry.dead));
  }

  void count_what_went(const Snapshot& before, const IndexState& after) {
    report_.let_go.clear();
    for (const SourceEntry& source : after.sources) {
      const std::uint64_t live = before.source(source.number)->live_objects;
      if (live > source.live_objects) report_.let_go[source.number] = live - source.live_objects;
    }
  }

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  const MendOptions& options_;
  Deadline deadline_;
  std::map<Id128, DamagedSegment> segments_;
  std::map<std::uint32_t, std::string> held_;
  std::size_t named_ = 0;  // keys
  bool miscounted_ = false;
  MendReport report_;
};

bool stands_on(const IndexState& state, const Id128& tree) {
  return std::ranges::any_of(state.segments,
                             [&](const SegmentEntry& entry) { return entry.tree == tree; });
}

// What moves segments off the tree: all of the space at once where that fits, else one by one.
MergePlan plan_off_tree(const Snapshot& snapshot, const IndexOptions& options, const Id128& tree) {
  const Id128 space = snapshot.state().tree(tree)->space;
  if (!plan_retraining(snapshot, options, space).inputs.empty())
    return plan_compaction(snapshot, options, space, true);
  const bool newest = snapshot.state().newest_tree(space)->id == tree;
  for (const SegmentPtr& segment : snapshot.segments()) {
    if (segment->entry().tree == tree && !segment->damage())
      return {{segment}, newest ? MergePlan::Target::kNewTree : MergePlan::Target::kNewestTree};
  }
  return {};
}

}  // namespace

Result<std::uint64_t> IndexImpl::replace_trees(const std::vector<Id128>& trees, Deadline deadline) {
  std::uint64_t gone = 0;
  for (const Id128& tree : trees) {
    for (std::size_t merges = 0; merges <= kMaxSegments; ++merges) {
      const SnapshotPtr snapshot = KEDGE_TRY(latest(deadline));
      if (snapshot->state().tree(tree) == nullptr || !stands_on(snapshot->state(), tree)) break;
      if (!KEDGE_TRY(merge(snapshot, plan_off_tree(*snapshot, options_, tree), deadline))) break;
    }
    // The newest tree of a space stays named though nothing stands on it, unless it is taken out.
    const Rebase forget = [&](const HeadPtr& base) -> Result<Draft> {
      const SnapshotPtr now = KEDGE_TRY(open_newest(base, deadline));
      StateDraft draft(*this, *now);
      if (!stands_on(now->state(), tree))
        std::erase_if(draft.state().trees, [&](const TreeEntry& e) { return e.id == tree; });
      return draft.finish();
    };
    const SnapshotPtr snapshot = KEDGE_TRY(latest(deadline));
    if (snapshot->state().tree(tree) != nullptr && !stands_on(snapshot->state(), tree))
      KEDGE_TRY(take(log_.commit(snapshot->head(), forget, deadline), {}, deadline));
    if (current()->state().tree(tree) == nullptr) ++gone;
  }
  return gone;
}

Result<MendReport> IndexImpl::mend(std::span<const Damage> damage, const MendOptions& options,
                                   Deadline deadline) {
  const SnapshotPtr snapshot = KEDGE_TRY(latest(deadline));
  Mend mend(*this, snapshot, options, deadline);
  KEDGE_TRY(mend.plan(damage));
  std::uint64_t generation = 0;
  if (mend.has_commit()) {
    CommitOutcome outcome = log_.commit(
        snapshot->head(), [&](const HeadPtr& base) { return mend.rebase(base); }, deadline);
    generation = KEDGE_TRY(take(std::move(outcome), {}, deadline)).generation;
  }
  std::vector<Id128> trees;
  for (const Damage& one : damage) {
    if (!one.tree || one.code == Code::kUnsupported) continue;
    const TreeEntry* tree = snapshot->state().tree(*one.tree);
    if (tree != nullptr && !mend.keeps_damage_in(tree->space)) trees.push_back(tree->id);
  }
  const std::uint64_t replaced = KEDGE_TRY(replace_trees(trees, deadline));
  MendReport report = mend.report();
  report.generation = generation;
  report.trees = replaced;
  return report;
}

}  // namespace kedge
