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

// Every row of each key that is not dead, absences included, over the segments given; in two rounds
// for each kLookupBatch keys. Exactly one is expected over a whole snapshot. Fails with the damage
// of a segment that may hold one of the keys.
Result<std::vector<std::vector<LiveRef>>> find_live(PageReader& reader, const Head& head,
                                                    std::span<const SegmentPtr> segments,
                                                    std::span<const ObjectKey> keys,
                                                    Deadline deadline);

// Asks for the first object of a segment whose sort key is not below `bound`.
struct BoundQuery {
  const Segment* segment = nullptr;  // not damaged
  std::string bound;
  std::uint32_t number = 0;  // the answer; the count of objects if there is none
};
// Answers all, in one round unless keys share their first kMaxBound bytes over many pages.
Status find_bounds(PageReader& reader, const Head& head, std::span<BoundQuery> queries,
                   SearchTrace* trace, Deadline deadline);

// Sort keys in [begin, end); to the last where there is no end.
struct KeyRange {
  std::string begin;
  std::optional<std::string> end;
};
// The keys of a source that begin with `prefix`.
KeyRange range_of(std::uint32_t source, std::string_view prefix);

// Object numbers in [begin, end).
struct NumberRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};
// What of a segment lies in a range, both by their position in the lists given.
struct FoundRange {
  std::size_t segment = 0;
  std::size_t range = 0;
  NumberRange numbers;  // not empty
};
// As number_ranges(), of ranges in any order that may overlap; by segment, then range.
Result<std::vector<FoundRange>> find_ranges(PageReader& reader, const Head& head,
                                            std::span<const SegmentPtr> segments,
                                            std::span<const KeyRange> ranges, SearchTrace* trace,
                                            Deadline deadline);
// What of each segment lies in the ranges (which are disjoint and increasing), as find_bounds()
// finds it. Fails with the damage of a segment that may hold some.
Result<std::vector<std::vector<NumberRange>>> number_ranges(PageReader& reader, const Head& head,
                                                            std::span<const SegmentPtr> segments,
                                                            std::span<const KeyRange> ranges,
                                                            SearchTrace* trace, Deadline deadline);

// The least string above every string that begins with `prefix`; nothing if there is none.
std::optional<std::string> after_prefix(std::string prefix);

LiveObject make_live(const Segment& segment, std::uint32_t number, DocsEntry entry);

inline constexpr std::size_t kLookupBatch = 4096;  // keys looked up in one pair of rounds

}  // namespace kedge
