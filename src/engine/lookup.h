// Where a key lives: keys page, then docs page; the key in the docs page decides, never the hash.
// docs/format.md, "Keys plane".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/index.h"
#include "engine/page_reader.h"
#include "engine/segment.h"

namespace kedge {

// (source as 4 big-endian bytes, key): the order of objects in segments.
std::string sort_key(std::uint32_t source, std::string_view key);

struct LiveRef {
  std::size_t segment = 0;  // position in the list given
  LiveObject object;
};

// Every live row of each key over the segments given, in two rounds. Exactly one is expected over a
// whole snapshot.
Result<std::vector<std::vector<LiveRef>>> find_live(PageReader& reader, const Head& head,
                                                    std::span<const SegmentPtr> segments,
                                                    std::span<const ObjectKey> keys,
                                                    Deadline deadline);

// The first object number of the segment whose sort key is not below `bound`; the count of objects
// if there is none.
Result<std::uint32_t> lower_bound_object(PageReader& reader, const Head& head,
                                         const Segment& segment, const std::string& bound,
                                         SearchTrace* trace, Deadline deadline);

// The least string above every string that begins with `prefix`; nothing if there is none.
std::optional<std::string> after_prefix(std::string prefix);

LiveObject make_live(const Segment& segment, std::uint32_t number, DocsEntry entry);

inline constexpr std::size_t kLookupBatch = 4096;  // keys looked up in one pair of rounds

}  // namespace kedge
