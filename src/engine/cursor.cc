#include "engine/cursor.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "engine/index_impl.h"

namespace kedge {
namespace {

// Pages ahead, of all segments together, so that memory does not grow with their number.
constexpr std::size_t kPagesAhead = 128;
constexpr std::size_t kMaxPagesAhead = 16;  // of one

// The live rows of one source, for readers of the index.
class SourceCursor final : public ObjectCursor {
 public:
  SourceCursor(PageReader& reader, const SnapshotPtr& snapshot, KeyRange range)
      : rows_(reader, snapshot, std::move(range)) {}

  Result<std::optional<LiveObject>> next(Deadline deadline) override {
    while (true) {
      std::optional<RowCursor::Row> row = KEDGE_TRY(rows_.next(deadline));
      if (!row) return std::optional<LiveObject>();
      if (row->entry.row.status == ObjectStatus::kAbsent) continue;
      return std::optional<LiveObject>(
          make_live(*row->segment, row->number, std::move(row->entry)));
    }
  }

 private:
  RowCursor rows_;
};

class NoObjects final : public ObjectCursor {
 public:
  Result<std::optional<LiveObject>> next(Deadline) override { return std::optional<LiveObject>(); }
};

}  // namespace

RowCursor::RowCursor(PageReader& reader, SnapshotPtr snapshot, std::span<const SegmentPtr> whole)
    : reader_(reader), snapshot_(std::move(snapshot)), keep_(Keep::kNever), started_(true) {
  for (const SegmentPtr& segment : whole) {
    Track& track = tracks_.emplace_back();
    track.segment = segment;
    track.left = {0, segment->directory().objects};
  }
}

Result<std::optional<RowCursor::Row>> RowCursor::next(Deadline deadline) {
  if (!started_) KEDGE_TRY(start(deadline));
  const auto key = [](const Track& track) {
    const ObjectRow& row = track.entries.front().row;
    return std::tie(row.source, row.key);
  };
  Track* least = nullptr;
  for (Track& track : tracks_) {
    KEDGE_TRY(show_row(track, deadline));
    if (track.left.begin == track.left.end) continue;
    if (least == nullptr || key(track) < key(*least)) least = &track;
  }
  if (least == nullptr) return std::optional<Row>();
  Row row{.track = static_cast<std::size_t>(least - tracks_.data()),
          .segment = least->segment,
          .number = least->left.begin++,
          .entry = std::move(least->entries.front())};
  least->entries.pop_front();
  return std::optional<Row>(std::move(row));
}

Status RowCursor::start(Deadline deadline) {
  const std::vector<std::vector<NumberRange>> found = KEDGE_TRY(number_ranges(
      reader_, *snapshot_->head(), snapshot_->segments(), {&range_, 1}, nullptr, deadline));
  for (std::size_t s = 0; s < found.size(); ++s) {
    if (found[s].empty()) continue;
    Track& track = tracks_.emplace_back();
    track.segment = snapshot_->segments()[s];
    track.left = found[s].front();
    track.next_page = track.left.begin / kDocsPageObjects;
  }
  started_ = true;
  return {};
}

// Moves on to the first row left that is not dead, parsed.
Status RowCursor::show_row(Track& track, Deadline deadline) {
  while (track.left.begin < track.left.end) {
    if (track.entries.empty()) KEDGE_TRY(parse_page(track, deadline));
    if (!track.segment->is_dead(track.left.begin)) return {};
    track.entries.pop_front();
    ++track.left.begin;
  }
  return {};
}

Status RowCursor::parse_page(Track& track, Deadline deadline) {
  if (track.pages.empty()) KEDGE_TRY(read_ahead(deadline));
  const std::uint32_t first = track.left.begin / kDocsPageObjects * kDocsPageObjects;
  std::vector<DocsEntry> entries =
      KEDGE_TRY(parse_docs_page(track.pages.front()->bytes, first, track.segment->directory()));
  track.pages.pop_front();
  const auto skipped = static_cast<std::ptrdiff_t>(track.left.begin - first);
  track.entries.assign(std::make_move_iterator(entries.begin() + skipped),
                       std::make_move_iterator(entries.end()));
  return {};
}

// Reads on in every segment that has used up half of what was read, in one round.
Status RowCursor::read_ahead(Deadline deadline) {
  const std::size_t ahead =
      std::clamp<std::size_t>(kPagesAhead / tracks_.size(), 1, kMaxPagesAhead);
  std::vector<PageWant> wants;
  std::vector<Track*> owners;
  for (Track& track : tracks_) {
    if (track.left.begin == track.left.end || track.pages.size() > ahead / 2) continue;
    const std::size_t end =
        std::min(track.end_page(), track.next_page + ahead - track.pages.size());
    for (std::size_t page = track.next_page; page < end; ++page) {
      wants.push_back(docs_want(*track.segment, page));
      owners.push_back(&track);
    }
  }
  std::vector<BlockPtr> blocks =
      KEDGE_TRY(reader_.read_all(*snapshot_->head(), wants, nullptr, deadline, keep_));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    owners[i]->pages.push_back(std::move(blocks[i]));
    ++owners[i]->next_page;
  }
  return {};
}

std::unique_ptr<ObjectCursor> IndexImpl::scan(const SnapshotPtr& snapshot, std::uint32_t source,
                                              std::string after) {
  if (snapshot->source(source) == nullptr) return std::make_unique<NoObjects>();
  KeyRange range = range_of(source, "");
  // The first key above `after` is not below it with a zero byte behind.
  if (!after.empty()) range.begin = sort_key(source, after + '\0');
  return std::make_unique<SourceCursor>(reader_, snapshot, std::move(range));
}

}  // namespace kedge
