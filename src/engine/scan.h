// The scan of the vectors plane: distances of every live row in scope, block by block, in parallel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/index.h"
#include "engine/lookup.h"
#include "engine/page_reader.h"
#include "engine/segment.h"
#include "engine/top_rows.h"
#include "format/object_bitmap.h"
#include "format/space.h"

namespace kedge {

// A segment with what of it is in the scope of a search.
struct ScanSegment {
  SegmentPtr segment;               // not damaged, with rows
  std::vector<NumberRange> ranges;  // of objects; increasing, disjoint, not empty
  // A bit an object, set for those that are dead or out of scope: the segment's own, or `narrowed`.
  const std::uint64_t* excluded = nullptr;
  std::vector<std::uint64_t> narrowed;
  std::uint64_t in_scope = 0;  // objects, without dead ones
};
// Everything, the ranges, or the objects of the set that live; of the last, with none in scope
// where none do.
ScanSegment whole_segment(SegmentPtr segment);
ScanSegment part_of_segment(SegmentPtr segment, std::vector<NumberRange> ranges);
ScanSegment objects_of_segment(SegmentPtr segment, const ObjectBitmap& objects);

struct ExactScan {
  std::span<const float> vector;
  const Space& space;
  bool by_object = false;  // only the nearest row of each object, of equal ones the first
};

struct ScanResult {
  std::vector<RowHit> rows;   // in any order, of segments that were read to the end
  std::vector<Error> errors;  // one for each segment that was not
};

// One round for each window of bytes.
ScanResult scan_segments(PageReader& reader, Executor& executor, const Head& head,
                         std::span<const ScanSegment> segments, const ExactScan& query,
                         SearchTrace* trace, Deadline deadline);

}  // namespace kedge
