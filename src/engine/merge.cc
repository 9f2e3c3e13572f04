// Merges: several segments become one, without their dead objects. Vectors are copied bit by bit;
// object numbers are mapped. A merge that is overtaken by deletes translates them; of two merges
// that share an input the second gives up.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/strings.h"
#include "engine/index_impl.h"
#include "engine/lookup.h"
#include "engine/state_draft.h"

namespace kedge {
namespace {

constexpr std::uint32_t kDeadShare = 5;             // over 1 in 5 dead: due
constexpr std::size_t kManySegments = 192;          // past that the large ones are merged too
constexpr std::uint32_t kNoNumber = UINT32_MAX;     // of an object that the merge leaves out
constexpr std::uint64_t kCopyWindow = 16ULL << 20;  // of pages held while they are copied

// ---- what is due

std::uint64_t weight(const SegmentEntry& entry) { return std::max(entry.rows, entry.objects); }

bool is_small(const SegmentEntry& entry, const IndexOptions& options) {
  return weight(entry) < options.small_rows && entry.bytes * 2 <= options.max_segment_bytes;
}

bool mostly_dead(const SegmentEntry& entry) {
  return std::uint64_t{entry.dead_objects()} * kDeadShare > entry.objects;
}

// The segments of each space that can be read, lightest first.
std::vector<std::vector<SegmentPtr>> by_space(const Snapshot& snapshot) {
  std::map<Id128, std::vector<SegmentPtr>> spaces;
  for (const SegmentPtr& segment : snapshot.segments()) {
    if (!segment->damage()) spaces[segment->entry().space].push_back(segment);
  }
  std::vector<std::vector<SegmentPtr>> out;
  for (auto& [space, segments] : spaces) {
    std::stable_sort(segments.begin(), segments.end(),
                     [](const SegmentPtr& a, const SegmentPtr& b) {
                       return weight(a->entry()) < weight(b->entry());
                     });
    out.push_back(std::move(segments));
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

// Where one space has more small segments than it may, once `coming` more are there.
std::vector<SegmentPtr> due_small(const Snapshot& snapshot, const IndexOptions& options,
                                  std::size_t coming) {
  for (std::vector<SegmentPtr>& segments : by_space(snapshot)) {
    std::erase_if(segments,
                  [&](const SegmentPtr& segment) { return !is_small(segment->entry(), options); });
    std::uint64_t rows = 0;
    for (const SegmentPtr& segment : segments) rows += weight(segment->entry());
    const bool heavy = rows >= 2 * std::uint64_t{options.small_rows};
    if (segments.size() + coming <= options.max_small_segments && !heavy) continue;
    std::vector<SegmentPtr> taken = lightest(segments, options, heavy);
    if (!taken.empty()) return taken;
  }
  return {};
}

std::vector<SegmentPtr> due(const Snapshot& snapshot, const IndexOptions& options) {
  std::vector<SegmentPtr> taken = due_small(snapshot, options, 0);
  if (!taken.empty()) return taken;
  for (const SegmentPtr& segment : snapshot.segments()) {
    if (!segment->damage() && mostly_dead(segment->entry())) return {segment};
  }
  if (snapshot.segments().size() <= kManySegments) return {};
  for (const std::vector<SegmentPtr>& segments : by_space(snapshot)) {
    taken = lightest(segments, options, false);
    if (!taken.empty()) return taken;
  }
  return {};
}

// ---- one merge

class Merge {
 public:
  Merge(IndexImpl& index, SnapshotPtr snapshot, std::vector<SegmentPtr> inputs, Deadline deadline)
      : index_(index),
        snapshot_(std::move(snapshot)),
        inputs_(std::move(inputs)),
        deadline_(deadline) {}

  // Reads the inputs and builds the segment.
  Status build() {
    std::uint8_t level = 0;
    SegmentBuilder builder(inputs_.front()->directory().dimension, inputs_.front()->entry().space);
    for (const SegmentPtr& input : inputs_) {
      level = std::max(level, input->entry().level);
      maps_.emplace_back(input->directory().objects, kNoNumber);
      KEDGE_TRY(copy(*input, maps_.back(), builder));
    }
    if (builder.objects() == 0) return {};
    built_ = std::move(builder).finish(
        index_.random_id(), static_cast<std::uint8_t>(std::min<int>(level + 1, kMaxLevel)));
    for (std::vector<std::uint32_t>& map : maps_) {
      for (std::uint32_t& number : map) {
        if (number != kNoNumber) number = built_->number_of[number];
      }
    }
    const Extent& extent = built_->entry.planes[static_cast<std::size_t>(Plane::kDirectory)];
    file_ = KEDGE_TRY(open_segment_file(
        built_->entry, ByteView(built_->file).subspan(extent.offset, extent.size)));
    return {};
  }

  Result<Draft> rebase(const HeadPtr& base) {
    const SnapshotPtr now = KEDGE_TRY(index_.open_newest(base, deadline_));
    StateDraft draft(index_, *now);
    std::vector<std::uint32_t> late;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      KEDGE_TRY(translate(*inputs_[i], now->segment(inputs_[i]->id()), maps_[i], late));
      draft.remove(inputs_[i]->id());
    }
    const bool named = built_ && draft.add(built_->entry, file_, late);
    Draft out = KEDGE_TRY(draft.finish());
    // The bytes are handed over once: later drafts of this commit name them.
    if (named && !built_->file.empty()) {
      out.puts.emplace_back(FileRef{.key = built_->entry.file_key(), .size = built_->entry.bytes},
                            std::move(built_->file));
      built_->file.clear();
    }
    return out;
  }

  // Whether the merge ended because somebody else changed what it was of.
  [[nodiscard]] bool gave_up() const { return gave_up_; }

 private:
  // Deletes made since the input was read, by their numbers in the new segment.
  Status translate(const Segment& read, const SegmentPtr& now,
                   const std::vector<std::uint32_t>& map, std::vector<std::uint32_t>& late) {
    // Taken by another merge; or brought back, with objects that this one left out as dead.
    gave_up_ = now == nullptr || now->damage() ||
               std::any_of(read.dead().begin(), read.dead().end(),
                           [&](std::uint32_t number) { return !now->is_dead(number); });
    if (gave_up_) return {Code::kConflict, str_cat(read.file()->key, " is another merge's")};
    for (const std::uint32_t number : now->dead()) {
      if (map[number] != kNoNumber) late.push_back(map[number]);
    }
    return {};
  }

  // Rows of sources that are gone, and absences so old that nothing they were for can come.
  [[nodiscard]] bool left_out(const ObjectRow& row) const {
    if (snapshot_->source(row.source) == nullptr) return true;
    return row.status == ObjectStatus::kAbsent &&
           row.read_time + kAbsenceKept < snapshot_->head()->store_time;
  }

  // Adds the live objects of one input; map[number] becomes their order of adding.
  Status copy(const Segment& segment, std::vector<std::uint32_t>& map, SegmentBuilder& builder) {
    const SegmentDirectory& directory = segment.directory();
    for (std::size_t page = 0; page < directory.docs.size();) {
      const std::size_t first = page;
      std::uint64_t bytes = 0;
      while (page < directory.docs.size() && (page == first || bytes < kCopyWindow)) {
        const std::uint32_t after = page + 1 < directory.docs.size()
                                        ? directory.first_chunk_of_page[page + 1]
                                        : directory.rows;
        const std::uint64_t rows = after - directory.first_chunk_of_page[page];
        bytes += directory.docs[page].size + rows * (2 * std::uint64_t{directory.dimension} + 64);
        ++page;
      }
      KEDGE_TRY(copy_pages(segment, first, page, map, builder));
    }
    return {};
  }

  // The objects of the docs pages [first, last).
  Status copy_pages(const Segment& segment, std::size_t first, std::size_t last,
                    std::vector<std::uint32_t>& map, SegmentBuilder& builder) {
    std::vector<PageWant> wants;
    for (std::size_t page = first; page < last; ++page) wants.push_back(docs_want(segment, page));
    const std::vector<BlockPtr> pages = KEDGE_TRY(read(wants));
    auto number = static_cast<std::uint32_t>(first * kDocsPageObjects);
    std::vector<std::pair<std::uint32_t, DocsEntry>> live;
    for (const BlockPtr& page : pages) {
      for (DocsEntry& entry :
           KEDGE_TRY(parse_docs_page(page->bytes, number, segment.directory()))) {
        if (!segment.is_dead(number) && !left_out(entry.row))
          live.emplace_back(number, std::move(entry));
        ++number;
      }
    }
    return copy_objects(segment, live, map, builder);
  }

  Status copy_objects(const Segment& segment,
                      std::vector<std::pair<std::uint32_t, DocsEntry>>& live,
                      std::vector<std::uint32_t>& map, SegmentBuilder& builder) {
    const SegmentDirectory& directory = segment.directory();
    // Every page and block of these objects in one round; they follow each other.
    std::map<std::uint32_t, std::size_t> text_at;
    std::map<std::uint32_t, std::size_t> block_at;
    std::vector<PageWant> wants;
    for (const auto& [number, entry] : live) {
      for (std::uint32_t c = entry.first_chunk; c < entry.first_chunk + entry.chunk_count; ++c) {
        if (text_at.emplace(c / kTextPageChunks, wants.size()).second)
          wants.push_back(text_want(segment, c / kTextPageChunks));
        if (block_at.emplace(c / kVectorBlockRows, wants.size()).second)
          wants.push_back(vectors_want(segment, c / kVectorBlockRows));
      }
    }
    const std::vector<BlockPtr> blocks = KEDGE_TRY(read(wants));
    std::map<std::uint32_t, std::vector<TextEntry>> text;
    for (const auto& [page, at] : text_at)
      text[page] = KEDGE_TRY(parse_text_page(blocks[at]->bytes, page * kTextPageChunks, directory));
    for (auto& [number, entry] : live) {
      IndexedObject object;
      object.row = std::move(entry.row);
      object.chunks.reserve(entry.chunk_count);
      object.vectors.reserve(std::size_t{entry.chunk_count} * directory.dimension);
      for (std::uint32_t c = entry.first_chunk; c < entry.first_chunk + entry.chunk_count; ++c) {
        object.chunks.push_back(text[c / kTextPageChunks][c % kTextPageChunks].chunk);
        const VectorRow row =
            blocks[block_at[c / kVectorBlockRows]]->vectors.row(c % kVectorBlockRows);
        object.vectors.insert(object.vectors.end(), row.values, row.values + directory.dimension);
      }
      if (!keys_.insert(sort_key(object.row.source, object.row.key)).second) {
        return {Code::kCorrupt, str_cat(segment.file()->key, ": key '", printable(object.row.key),
                                        "' is live in another segment too")};
      }
      map[number] = builder.objects();
      KEDGE_TRY(builder.add(std::move(object)));
    }
    return {};
  }

  Result<std::vector<BlockPtr>> read(const std::vector<PageWant>& wants) {
    return index_.reader().read_all(*snapshot_->head(), wants, nullptr, deadline_, Keep::kNever);
  }

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  std::vector<SegmentPtr> inputs_;
  Deadline deadline_;
  std::vector<std::vector<std::uint32_t>> maps_;  // old object number to new, one an input
  std::set<std::string> keys_;                    // of all objects added, as sort keys
  std::optional<SegmentBuilder::Built> built_;    // none: no input had a live object
  SegmentFilePtr file_;
  bool gave_up_ = false;
};

}  // namespace

Result<bool> IndexImpl::merge(const SnapshotPtr& snapshot, std::vector<SegmentPtr> inputs,
                              Deadline deadline) {
  if (inputs.empty()) return false;
  Merge merge(*this, snapshot, std::move(inputs), deadline);
  KEDGE_TRY(merge.build());
  CommitOutcome outcome = log_.commit(
      snapshot->head(), [&](const HeadPtr& head) { return merge.rebase(head); }, deadline);
  if (std::holds_alternative<NotCommitted>(outcome) && merge.gave_up()) return false;
  KEDGE_TRY(take(std::move(outcome), {}, deadline));
  return true;
}

Result<bool> IndexImpl::make_room(const SnapshotPtr& base, Deadline deadline) {
  return merge(base, due_small(*base, options_, 1), deadline);
}

Result<std::uint64_t> IndexImpl::maintain(std::size_t max_merges, Deadline deadline) {
  std::uint64_t done = 0;
  while (done < max_merges) {
    const SnapshotPtr snapshot = KEDGE_TRY(latest(deadline));
    if (!KEDGE_TRY(merge(snapshot, due(*snapshot, options_), deadline))) break;
    ++done;
  }
  return done;
}

}  // namespace kedge
