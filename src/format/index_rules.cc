#include "format/index_rules.h"

#include "format/page.h"
#include "format/segment.h"

namespace kedge {
namespace {

bool patterns_over_limit(const std::vector<std::string>& patterns) {
  if (patterns.size() > kMaxPatterns) return true;
  for (const std::string& pattern : patterns) {
    if (pattern.empty() || pattern.size() > kMaxPattern) return true;
  }
  return false;
}

const Extent& plane_of(const SegmentEntry& entry, Plane plane) {
  return entry.planes[static_cast<std::size_t>(plane)];
}

std::optional<std::string_view> broken_plane_rule(const SegmentEntry& entry) {
  if (plane_of(entry, Plane::kTerms) != Extent{})
    return "a plane that this version has not is there";
  // Planes fill the file between header and tail, in this order.
  std::uint64_t end = kSegmentHeaderBytes;
  for (const Plane plane : {Plane::kDocs, Plane::kKeys, Plane::kAttributes, Plane::kCodes,
                            Plane::kRefine, Plane::kVectors, Plane::kText, Plane::kDirectory}) {
    const Extent& extent = plane_of(entry, plane);
    const bool always =
        plane == Plane::kDocs || plane == Plane::kKeys || plane == Plane::kDirectory;
    const bool optional = plane == Plane::kAttributes;
    const bool there = optional ? extent.size > 0 : always || entry.rows > 0;
    if ((extent.size > 0) != there) return "a plane is there without rows, or missing";
    if (extent.offset != (there ? end : 0)) return "planes do not follow one another";
    if (extent.size % kPageAlignment != 0 || extent.size > entry.bytes - end)
      return "bad size of a plane";
    end += extent.size;
  }
  if (end + kSegmentTailBytes != entry.bytes) return "planes do not fill the file";
  return std::nullopt;
}

std::optional<std::string_view> broken_delete_rule(const SegmentEntry& entry) {
  const bool file = !entry.del_file.is_zero();
  if (file != (entry.del_bytes > 0) || file != (entry.del_count > 0))
    return "del file without size and count, or the other way round";
  if (entry.dead.size() > kMaxInlineDead) return "too many inlined dead objects";
  for (std::size_t i = 0; i < entry.dead.size(); ++i) {
    if (entry.dead[i] >= entry.objects) return "dead object out of range";
    if (i > 0 && entry.dead[i - 1] >= entry.dead[i]) return "dead objects are not increasing";
  }
  if (std::uint64_t{entry.del_count} + entry.dead.size() > entry.objects)
    return "more dead objects than objects";
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> broken_segment_rule(const SegmentEntry& entry) {
  if (entry.id.is_zero()) return "id is zero";
  if (entry.space.is_zero()) return "space is zero";
  if (!entry.tree.is_zero() && entry.rows == 0) return "a tree is named without rows";
  if (entry.objects == 0 || entry.objects > kMaxSegmentObjects) return "objects out of range";
  if (entry.rows > kMaxSegmentRows) return "rows out of range";
  if (entry.level > kMaxLevel) return "level out of range";
  for (const std::string* bound : {&entry.lower, &entry.upper}) {
    if (bound->size() < 5 || bound->size() > kMaxBound) return "bad length of a bound";
  }
  if (entry.lower > entry.upper) return "lower bound above the upper";
  if (entry.bytes < kSegmentHeaderBytes + kSegmentTailBytes) return "file is too small";
  if (entry.bytes > kMaxSegmentBytes) return "file is too large";
  if (const auto rule = broken_plane_rule(entry)) return rule;
  if (!entry.directory.empty()) {
    if (entry.directory.size() != plane_of(entry, Plane::kDirectory).size)
      return "inlined directory of another size than its plane";
    if (crc32c(entry.directory) != entry.directory_crc)
      return "inlined directory does not match its checksum";
  }
  return broken_delete_rule(entry);
}

std::optional<std::string_view> broken_source_rule(const SourceEntry& source) {
  if (source.number == 0) return "number is zero";
  if (source.uri.empty() || source.uri.size() > kMaxUri) return "bad length of the uri";
  if (patterns_over_limit(source.include)) return "too many or too long include patterns";
  if (patterns_over_limit(source.exclude)) return "too many or too long exclude patterns";
  std::uint64_t left = source.live_objects;
  for (const std::uint64_t part :
       {source.failed_objects, source.skipped_objects, source.pending_objects}) {
    if (part > left) return "more objects by status than live ones";
    left -= part;
  }
  if (source.racy_objects > source.live_objects) return "more racy objects than live ones";
  return std::nullopt;
}

std::optional<std::string_view> broken_tree_rule(const TreeEntry& tree) {
  if (tree.id.is_zero()) return "id is zero";
  if (tree.space.is_zero()) return "space is zero";
  if (tree.leaves == 0 || tree.leaves > kMaxLists) return "leaves out of range";
  if (tree.bytes == 0 || tree.bytes > kMaxSegmentBytes) return "bytes out of range";
  if (tree.points.size() > kMaxProbePoints) return "too many probe points";
  std::uint32_t recall = 0;
  std::uint32_t probes = 1;
  for (const ProbePoint& point : tree.points) {
    if (point.recall <= recall || point.recall > 1000) return "recalls are not increasing";
    if (point.probes < probes || point.probes > tree.leaves) return "probes out of order or range";
    recall = point.recall;
    probes = point.probes;
  }
  return std::nullopt;
}

}  // namespace kedge
