// The scan of the vectors plane: distances of every live row in scope, block by block, in parallel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/index.h"
#include "engine/lookup.h"
#include "engine/page_reader.h"
#include "engine/segment.h"
#include "format/space.h"

namespace kedge {

struct ScanSegment {
  SegmentPtr segment;               // not damaged, with rows
  std::vector<NumberRange> ranges;  // of objects; increasing, disjoint, not empty
};

struct ScanQuery {
  std::span<const float> vector;
  const Space& space;
  bool by_object = false;  // only the nearest row of each object, of equal ones the first
};

struct ScanCandidate {
  float distance = 0;         // never NaN
  std::uint32_t segment = 0;  // position in the list given
  std::uint32_t row = 0;
  std::uint32_t object = 0;
};

struct ScanResult {
  std::vector<ScanCandidate> candidates;  // of segments that were read to the end
  std::vector<Error> errors;              // one for each segment that was not
};

// What one round of the scan reads: the memory that it takes beside the cache.
inline constexpr std::uint64_t kScanWindow = 128ULL << 20;

// One round for each kScanWindow bytes.
ScanResult scan_segments(PageReader& reader, Executor& executor, const Head& head,
                         std::span<const ScanSegment> segments, const ScanQuery& query,
                         SearchTrace* trace, Deadline deadline);

}  // namespace kedge
