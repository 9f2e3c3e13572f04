// What a set of segments says together, where a head or a segment is lost: one live row a key, and
// what the sources count.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "engine/index.h"
#include "engine/page_reader.h"
#include "engine/segment.h"
#include "engine/state_draft.h"

namespace kedge {

// Objects of segments, by their numbers, sorted.
using DeadNumbers = std::map<Id128, std::vector<std::uint32_t>>;

// Reads every live row of the segments, which are of the snapshot and not damaged. Of each key and
// space the newest row stays (rule 6), and the draft kills the others; rows in `dead` are dead
// already. The counts of sources become those of what stays, but for the sources in `uncounted`.
Status keep_newest(PageReader& reader, const SnapshotPtr& snapshot,
                   std::span<const SegmentPtr> segments, const DeadNumbers& dead,
                   const std::set<std::uint32_t>& uncounted, StateDraft& draft, Deadline deadline);

}  // namespace kedge
