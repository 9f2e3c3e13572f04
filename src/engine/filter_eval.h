// A filter over segments: which of their objects it holds of, by the attributes plane.
#pragma once

#include <span>
#include <vector>

#include "engine/filter.h"
#include "engine/index.h"
#include "engine/page_reader.h"
#include "engine/segment.h"
#include "format/object_bitmap.h"

namespace kedge {

// One bitmap a segment, in order; dead objects are in it where the filter holds of them. Reads the
// pages of the values asked for in one round for each window of bytes, and where a condition is on
// keys or sources, docs pages in one round before (find_bounds). Of a segment without the plane the
// docs pages are read whole. Precondition: no segment is damaged. kInvalid: conditions on more than
// kMaxKeyConditions keys, each counted once for every source. Else as PageReader::read_all().
Result<std::vector<ObjectBitmap>> matching(PageReader& reader, const Head& head,
                                           std::span<const SourceEntry> sources,
                                           std::span<const SegmentPtr> segments,
                                           const Filter& filter, SearchTrace* trace,
                                           Deadline deadline);

inline constexpr std::size_t kMaxKeyConditions = 65'536;

}  // namespace kedge
