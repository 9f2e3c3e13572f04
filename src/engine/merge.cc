// Merges: several segments become one, without their dead objects. Vectors are copied bit by bit;
// object numbers are mapped. A merge that is overtaken by deletes translates them; of two merges
// that share an input the second gives up.
#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/writer.h"

namespace kedge {
namespace {

constexpr std::uint32_t kDeadShare = 5;     // over 1 in 5 dead: due
constexpr std::size_t kManySegments = 192;  // past that the large ones are merged too
constexpr std::uint32_t kNoNumber =
    UINT32_MAX;  // of an object that was dead when its segment was read

bool mostly_dead(const SegmentEntry& entry) {
  return std::uint64_t{entry.dead_objects()} * kDeadShare > entry.objects;
}

// What a merge should take, as positions in the state; empty: nothing is due.
std::vector<std::size_t> choose(const IndexState& state, const IndexOptions& options) {
  const auto rows = [&](std::size_t i) { return state.segments[i].rows; };
  std::vector<std::size_t> small;
  std::uint64_t small_rows = 0;
  for (std::size_t i = 0; i < state.segments.size(); ++i) {
    if (rows(i) >= options.small_rows) continue;
    small.push_back(i);
    small_rows += rows(i);
  }
  std::stable_sort(small.begin(), small.end(),
                   [&](std::size_t a, std::size_t b) { return rows(a) < rows(b); });
  if (small.size() > options.max_small_segments || small_rows >= 2ULL * options.small_rows) {
    // From the smallest on, as long as the next is not much larger than all before it together:
    // each row is then copied a logarithmic number of times.
    std::vector<std::size_t> taken;
    std::uint64_t sum = 0;
    for (const std::size_t i : small) {
      const bool fits = sum + rows(i) <= options.max_segment_rows;
      const bool close =
          taken.size() < 2 || rows(i) <= 2 * sum || small_rows >= 2ULL * options.small_rows;
      if (!fits || !close) break;
      taken.push_back(i);
      sum += rows(i);
    }
    if (taken.size() >= 2) return taken;
  }
  for (std::size_t i = 0; i < state.segments.size(); ++i) {
    if (mostly_dead(state.segments[i])) return {i};
  }
  if (state.segments.size() > kManySegments) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < state.segments.size(); ++i) order.push_back(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return rows(a) < rows(b); });
    if (std::uint64_t{rows(order[0])} + rows(order[1]) <= options.max_segment_rows)
      return {order[0], order[1]};
  }
  return {};
}

class Merge {
 public:
  Merge(IndexImpl& index, SnapshotPtr snapshot, Deadline deadline)
      : index_(index), snapshot_(std::move(snapshot)), deadline_(deadline) {}

  Status read(const std::vector<std::size_t>& positions) {
    std::uint8_t level = 0;
    for (const std::size_t i : positions) {
      inputs_.push_back(snapshot_->segments()[i]);
      level = std::max(level, inputs_.back()->entry().level);
    }
    const SegmentEntry& first = inputs_.front()->entry();
    SegmentBuilder builder(inputs_.front()->directory().dimension, first.space);
    std::uint32_t order = 0;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      maps_.emplace_back(inputs_[i]->directory().objects, kNoNumber);
      KEDGE_TRY(copy(*inputs_[i], maps_.back(), builder, order));
    }
    if (order == 0) return {};
    built_ =
        std::move(builder).finish(Id128::random(index_.environment().random),
                                  static_cast<std::uint8_t>(std::min<int>(level + 1, kMaxLevel)));
    for (std::vector<std::uint32_t>& map : maps_) {
      for (std::uint32_t& number : map) {
        if (number != kNoNumber) number = built_->number_of[number];
      }
    }
    return {};
  }

  // kConflict: an input is not named any more, so another merge took it.
  Result<Draft> rebase(const HeadPtr& base) {
    const SnapshotPtr now = KEDGE_TRY(index_.open_snapshot(base, deadline_));
    IndexState state = now->state();
    std::vector<std::uint32_t> late;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const SegmentPtr current = now->segment(inputs_[i]->id());
      if (current == nullptr) return {Code::kConflict, kTaken};
      for (const std::uint32_t number : current->dead()) {
        if (maps_[i][number] != kNoNumber) late.push_back(maps_[i][number]);
      }
    }
    std::sort(late.begin(), late.end());
    Draft draft;
    std::vector<std::pair<Id128, Bytes>> directories;
    std::vector<SegmentEntry> kept;
    if (built_ && late.size() < built_->entry.objects) {
      SegmentEntry entry = built_->entry;
      const Extent& extent = entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
      const ByteView directory = ByteView(built_->file).subspan(extent.offset, extent.size);
      directories.emplace_back(entry.id, Bytes(directory.begin(), directory.end()));
      draft.puts.emplace_back(FileRef{.key = entry.file_key(), .size = entry.bytes}, built_->file);
      set_dead(entry, late, state, draft);
      kept.push_back(std::move(entry));
    }
    for (SegmentEntry& entry : state.segments) {
      const bool input =
          std::any_of(inputs_.begin(), inputs_.end(),
                      [&](const SegmentPtr& segment) { return segment->id() == entry.id; });
      if (!input) kept.push_back(std::move(entry));
    }
    state.segments = std::move(kept);
    inline_directories(state, directories);
    KEDGE_TRY(state.check());
    draft.payload = state.encode();
    draft.files = state.files();
    return draft;
  }

  static constexpr const char* kTaken = "another merge took a segment of this one";

 private:
  // Deletes made since the inputs were read.
  void set_dead(SegmentEntry& entry, const std::vector<std::uint32_t>& late,
                const IndexState& state, Draft& draft) {
    std::size_t others = 0;
    for (const SegmentEntry& other : state.segments) others += other.dead.size();
    if (late.size() <= kMaxInlineDead && others + late.size() <= kMaxInlineDeadTotal) {
      entry.dead = late;
      return;
    }
    Bytes body = encode_del_file(entry.id, late);
    entry.del_file = Id128::random(index_.environment().random);
    entry.del_bytes = body.size();
    entry.del_count = static_cast<std::uint32_t>(late.size());
    const FileRef file{.key = entry.del_key(), .size = entry.del_bytes};
    draft.puts.emplace_back(file, std::move(body));
  }

  // Adds the live objects of one input; map[number] becomes their order of adding.
  Status copy(const Segment& segment, std::vector<std::uint32_t>& map, SegmentBuilder& builder,
              std::uint32_t& order) {
    const SegmentDirectory& directory = segment.directory();
    constexpr std::size_t kPages = 16;
    for (std::size_t first = 0; first < directory.docs.size(); first += kPages) {
      std::vector<PageWant> wants;
      for (std::size_t p = first; p < std::min(directory.docs.size(), first + kPages); ++p) {
        wants.push_back({segment.file().get(), directory.docs[p], "docs page"});
      }
      const std::vector<BlockPtr> pages =
          KEDGE_TRY(index_.reader().read_all(*snapshot_->head(), wants, nullptr, deadline_));
      auto number = static_cast<std::uint32_t>(first * kDocsPageObjects);
      std::vector<std::pair<std::uint32_t, DocsEntry>> live;
      for (const BlockPtr& page : pages) {
        for (DocsEntry& entry : KEDGE_TRY(parse_docs_page(page->bytes, number, directory))) {
          if (!segment.is_dead(number)) live.emplace_back(number, std::move(entry));
          ++number;
        }
      }
      KEDGE_TRY(copy_objects(segment, live, map, builder, order));
    }
    return {};
  }

  Status copy_objects(const Segment& segment,
                      std::vector<std::pair<std::uint32_t, DocsEntry>>& live,
                      std::vector<std::uint32_t>& map, SegmentBuilder& builder,
                      std::uint32_t& order) {
    const SegmentDirectory& directory = segment.directory();
    // Every page and block of these objects in one round; they follow each other.
    std::map<std::uint32_t, std::size_t> text_at;
    std::map<std::uint32_t, std::size_t> block_at;
    std::vector<PageWant> wants;
    for (const auto& [number, entry] : live) {
      for (std::uint32_t c = entry.first_chunk; c < entry.first_chunk + entry.chunk_count; ++c) {
        if (text_at.emplace(c / kTextPageChunks, wants.size()).second) {
          wants.push_back({segment.file().get(), directory.text[c / kTextPageChunks], "text page"});
        }
        const std::uint32_t block = c / kVectorBlockRows;
        if (block_at.emplace(block, wants.size()).second) {
          wants.push_back({segment.file().get(), directory.vectors[block], "vector block",
                           block * kVectorBlockRows});
        }
      }
    }
    const std::vector<BlockPtr> blocks =
        KEDGE_TRY(index_.reader().read_all(*snapshot_->head(), wants, nullptr, deadline_));
    std::map<std::uint32_t, std::vector<TextEntry>> text;
    for (const auto& [page, at] : text_at) {
      text[page] = KEDGE_TRY(parse_text_page(blocks[at]->bytes, page * kTextPageChunks, directory));
    }
    for (auto& [number, entry] : live) {
      IndexedObject object;
      object.row = std::move(entry.row);
      for (std::uint32_t c = entry.first_chunk; c < entry.first_chunk + entry.chunk_count; ++c) {
        object.chunks.push_back(text[c / kTextPageChunks][c % kTextPageChunks].chunk);
        const VectorRow row =
            blocks[block_at[c / kVectorBlockRows]]->vectors.row(c % kVectorBlockRows);
        object.vectors.insert(object.vectors.end(), row.values, row.values + directory.dimension);
      }
      KEDGE_TRY(builder.add(std::move(object)));
      map[number] = order++;
    }
    return {};
  }

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  Deadline deadline_;
  std::vector<SegmentPtr> inputs_;
  std::vector<std::vector<std::uint32_t>> maps_;  // old object number to new, one an input
  std::optional<SegmentBuilder::Built> built_;
};

}  // namespace

Result<bool> IndexImpl::merge_once(Deadline deadline) {
  const SnapshotPtr snapshot = KEDGE_TRY(latest(deadline));
  const std::vector<std::size_t> positions = choose(snapshot->state(), options_);
  if (positions.empty()) return false;
  Merge merge(*this, snapshot, deadline);
  KEDGE_TRY(merge.read(positions));
  CommitOutcome outcome = log_.commit(
      snapshot->head(), [&](const HeadPtr& head) { return merge.rebase(head); }, deadline);
  if (const auto* refused = std::get_if<NotCommitted>(&outcome)) {
    if (refused->reason.code == Code::kConflict && refused->reason.message == Merge::kTaken)
      return false;
  }
  KEDGE_TRY(take(std::move(outcome), {}, deadline));
  return true;
}

Result<std::uint64_t> IndexImpl::maintain(std::size_t max_merges, Deadline deadline) {
  std::uint64_t done = 0;
  while (done < max_merges && KEDGE_TRY(merge_once(deadline))) ++done;
  return done;
}

}  // namespace kedge
