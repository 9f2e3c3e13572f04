// Merges: several segments become one, without their dead objects. Vectors are copied bit by bit;
// object numbers are mapped. A merge that is overtaken by deletes translates them; of two merges
// that share an input the second gives up.
#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.h"
#include "engine/cursor.h"
#include "engine/index_impl.h"
#include "engine/lookup.h"
#include "engine/state_draft.h"

namespace kedge {
namespace {

constexpr std::uint32_t kDeadShare = 5;          // over 1 in 5 dead: due
constexpr std::size_t kManySegments = 192;       // past that the large ones are merged too
constexpr std::uint32_t kNoNumber = UINT32_MAX;  // of an object that the merge leaves out

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

  // Reads the inputs and builds the segment: what lies in memory is the new file and a window.
  Status build() {
    std::uint8_t level = 0;
    std::uint64_t bytes = 0;
    for (const SegmentPtr& input : inputs_) {
      level = std::max(level, input->entry().level);
      bytes += input->entry().bytes;
      maps_.emplace_back(input->directory().objects, kNoNumber);
    }
    SegmentWriter writer(index_.random_id(), dimension(), bytes);
    KEDGE_TRY(copy_objects(writer));
    if (writer.objects() == 0) return {};
    KEDGE_TRY(copy_vectors(writer));
    built_ =
        std::move(writer).finish(inputs_.front()->entry().space,
                                 static_cast<std::uint8_t>(std::min<int>(level + 1, kMaxLevel)));
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

  // The live objects of all inputs in key order. What is kept of them is where their chunks are.
  Status copy_objects(SegmentWriter& writer) {
    RowCursor rows(index_.reader(), snapshot_, inputs_);
    std::vector<RowCursor::Row> window;
    std::uint64_t bytes = 0;
    while (true) {
      std::optional<RowCursor::Row> row = KEDGE_TRY(rows.next(deadline_));
      if (row && left_out(row->entry.row)) continue;
      if (row) {
        bytes += sizeof(RowCursor::Row) + row->entry.chunk_count * sizeof(TextEntry);
        window.push_back(*std::move(row));
        if (bytes < index_.options().merge_window_bytes) continue;
      }
      KEDGE_TRY(copy_chunks(window, writer));
      if (window.empty()) return {};
      window.clear();
      bytes = 0;
    }
  }

  // The chunks of a window of objects: every text page that has one of them, in one round.
  Status copy_chunks(std::vector<RowCursor::Row>& window, SegmentWriter& writer) {
    Pages pages(*this, text_want, kTextPageChunks);
    for (const RowCursor::Row& row : window)
      pages.want(row.track, row.entry.first_chunk, row.entry.chunk_count);
    KEDGE_TRY(pages.read());
    std::map<std::pair<std::size_t, std::uint32_t>, std::vector<TextEntry>> text;
    for (const auto& [place, block] : pages.blocks) {
      const SegmentDirectory& directory = inputs_[place.first]->directory();
      text[place] =
          KEDGE_TRY(parse_text_page(block->bytes, place.second * kTextPageChunks, directory));
    }
    std::vector<ChunkRow> chunks;
    for (RowCursor::Row& row : window) {
      KEDGE_TRY(check_order(row));
      const std::uint32_t first = row.entry.first_chunk;
      chunks.clear();
      for (std::uint32_t c = first; c < first + row.entry.chunk_count; ++c)
        chunks.push_back(
            std::move(text[{row.track, c / kTextPageChunks}][c % kTextPageChunks].chunk));
      maps_[row.track][row.number] = writer.objects();
      places_.push_back({static_cast<std::uint32_t>(row.track), first, row.entry.chunk_count});
      KEDGE_TRY(writer.add(std::move(row.entry.row), chunks));
    }
    return {};
  }

  // Inputs are bytes of a store: what a sound index has in order may not be.
  Status check_order(const RowCursor::Row& row) {
    std::string key = sort_key(row.entry.row.source, row.entry.row.key);
    if (!places_.empty() && key <= last_key_) {
      return {Code::kCorrupt,
              str_cat(row.segment->file()->key, ": key '", printable(row.entry.row.key), "' is ",
                      key == last_key_ ? "live in another segment too" : "not in order")};
    }
    last_key_ = std::move(key);
    return {};
  }

  // In windows too; each block of vectors is read again for every window that needs a row of it.
  Status copy_vectors(SegmentWriter& writer) {
    const std::uint64_t row_bytes = 2 * std::uint64_t{dimension()} + 16;
    for (std::size_t begin = 0; begin < places_.size();) {
      Pages pages(*this, vectors_want, kVectorBlockRows);
      std::size_t end = begin;
      for (std::uint64_t bytes = 0;
           end < places_.size() && bytes < index_.options().merge_window_bytes; ++end) {
        const Place& place = places_[end];
        pages.want(place.input, place.first_chunk, place.chunk_count);
        bytes += place.chunk_count * row_bytes;
      }
      KEDGE_TRY(pages.read());
      for (; begin < end; ++begin) {
        const Place& place = places_[begin];
        for (std::uint32_t c = 0; c < place.chunk_count; ++c) {
          const std::uint32_t row = place.first_chunk + c;
          const BlockPtr& block = pages.blocks.at({place.input, row / kVectorBlockRows});
          writer.add_vector(static_cast<std::uint32_t>(begin), c,
                            block->vectors.row(row % kVectorBlockRows).values);
        }
      }
    }
    return {};
  }

  // Pages or blocks of the inputs that hold some chunks, read in one round.
  struct Pages {
    using Want = PageWant (*)(const Segment&, std::size_t);
    Pages(Merge& merge, Want want_page, std::uint32_t chunks_a_page)
        : merge_(merge), want_page_(want_page), chunks_a_page_(chunks_a_page) {}

    void want(std::size_t input, std::uint32_t first_chunk, std::uint32_t count) {
      if (count == 0) return;
      for (std::uint32_t page = first_chunk / chunks_a_page_;
           page <= (first_chunk + count - 1) / chunks_a_page_; ++page) {
        blocks.emplace(std::pair(input, page), nullptr);
      }
    }
    Status read() {
      std::vector<PageWant> wants;
      for (const auto& [place, block] : blocks)
        wants.push_back(want_page_(*merge_.inputs_[place.first], place.second));
      std::vector<BlockPtr> found = KEDGE_TRY(merge_.read(wants));
      std::size_t next = 0;
      for (auto& [place, block] : blocks) block = std::move(found[next++]);
      return {};
    }

    std::map<std::pair<std::size_t, std::uint32_t>, BlockPtr> blocks;  // by input and page

   private:
    Merge& merge_;
    Want want_page_;
    std::uint32_t chunks_a_page_;
  };

  Result<std::vector<BlockPtr>> read(const std::vector<PageWant>& wants) {
    return index_.reader().read_all(*snapshot_->head(), wants, nullptr, deadline_, Keep::kNever);
  }

  [[nodiscard]] std::uint32_t dimension() const { return inputs_.front()->directory().dimension; }

  struct Place {
    std::uint32_t input = 0;
    std::uint32_t first_chunk = 0;
    std::uint32_t chunk_count = 0;
  };

  IndexImpl& index_;
  SnapshotPtr snapshot_;
  std::vector<SegmentPtr> inputs_;
  Deadline deadline_;
  std::vector<std::vector<std::uint32_t>> maps_;  // old object number to new, one an input
  std::vector<Place> places_;                     // of the chunks of each new object
  std::string last_key_;                          // of the last object added, as sort key
  std::optional<BuiltSegment> built_;             // none: no input had a live object
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
