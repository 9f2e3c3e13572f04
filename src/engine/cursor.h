// Rows in key order: a merge of the docs planes of all segments of a snapshot, read ahead.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "engine/index.h"
#include "engine/lookup.h"
#include "engine/page_reader.h"
#include "engine/segment.h"

namespace kedge {

// Every row in a range of keys that is not dead, absences included, and a key twice if it is live
// twice. One thread. The reader outlives it.
class RowCursor {
 public:
  RowCursor(PageReader& reader, SnapshotPtr snapshot, KeyRange range)
      : reader_(reader), snapshot_(std::move(snapshot)), range_(std::move(range)) {}
  // Every row of these segments of the snapshot, none of them damaged, for one who reads it once.
  RowCursor(PageReader& reader, SnapshotPtr snapshot, std::span<const SegmentPtr> whole);

  struct Row {
    std::size_t track = 0;  // of whole segments: which of them
    SegmentPtr segment;
    std::uint32_t number = 0;
    DocsEntry entry;
  };
  // nullopt at the end. After an error it may be called again.
  Result<std::optional<Row>> next(Deadline deadline);

 private:
  // Where one segment stands.
  struct Track {
    SegmentPtr segment;
    NumberRange left;               // not given out yet
    std::size_t next_page = 0;      // to be read
    std::deque<BlockPtr> pages;     // read, not parsed
    std::deque<DocsEntry> entries;  // parsed; the first is number left.begin
    [[nodiscard]] std::size_t end_page() const {
      return (std::size_t{left.end} + kDocsPageObjects - 1) / kDocsPageObjects;
    }
  };

  Status start(Deadline deadline);
  Status show_row(Track& track, Deadline deadline);
  Status parse_page(Track& track, Deadline deadline);
  Status read_ahead(Deadline deadline);

  PageReader& reader_;
  SnapshotPtr snapshot_;
  KeyRange range_;
  std::vector<Track> tracks_;
  Keep keep_ = Keep::kIfRoom;
  bool started_ = false;
};

}  // namespace kedge
