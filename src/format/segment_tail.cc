// The first and the last bytes of a segment. docs/format.md, "Segment".
//
// The header, 64 bytes at 0:
//   0        8      magic "KGSG", version, zero
//   8        16     id of the segment
//   24       36     zero
//   60       4      CRC-32C of the 60 bytes before it
// The tail, the last 384 bytes:
//   0        8      magic "KGST", version, zero
//   8        16     id of the segment
//   24       8      size of the file
//   32       4      objects
//   36       4      rows
//   40       1      level
//   41       1      length of the lower bound
//   42       1      length of the upper bound
//   43       1      zero
//   44       4      CRC-32C of the directory
//   48       16     id of the space
//   64       16     id of the tree, zero
//   80       144    planes in the order of Plane: offset u64, size u64
//   224      64     lower bound, filled up with zeros
//   288      64     upper bound, filled up with zeros
//   352      28     zero
//   380      4      CRC-32C of the 380 bytes before it
#include <algorithm>

#include "base/allocation.h"
#include "base/strings.h"
#include "format/index_rules.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kHeaderMagic = "KGSG";
constexpr std::string_view kTailMagic = "KGST";
constexpr std::string_view kHeaderWhat = "segment header";
constexpr std::string_view kTailWhat = "segment tail";
constexpr std::size_t kZerosOffset = 352;

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

void get_id(ByteReader& in, Id128& id) {
  const ByteView stored = in.get_bytes(id.bytes.size());
  std::copy(stored.begin(), stored.end(), id.bytes.begin());
}

// The bytes up to the last four, which are their CRC-32C.
bool sealed(ByteView bytes) {
  ByteReader in(bytes.last(4));
  return crc32c(bytes.first(bytes.size() - 4)) == in.get<std::uint32_t>();
}

Result<std::string> get_bound(ByteReader& in, std::size_t size) {
  const std::size_t at = in.offset();
  const ByteView stored = in.get_bytes(kMaxBound);
  if (size > kMaxBound || !all_zero(stored.subspan(size)))
    return corrupt(kTailWhat, "bad length of a bound", at);
  return std::string(as_text(stored.first(size)));
}

}  // namespace

Bytes encode_segment_header(const Id128& id) {
  ByteWriter out;
  put_magic(out, kHeaderMagic, kSegmentVersion);
  out.put_bytes(id.bytes);
  out.put_zeros(kSegmentHeaderBytes - 4 - out.size());
  out.put(crc32c(out.view()));
  return std::move(out).take();
}

Result<Id128> parse_segment_header(ByteView header) try {
  if (header.size() != kSegmentHeaderBytes) return corrupt(kHeaderWhat, "bad size", header.size());
  ByteReader in(header);
  KEDGE_TRY(get_magic(in, kHeaderMagic, kSegmentVersion, kHeaderWhat));
  if (!sealed(header)) return corrupt(kHeaderWhat, "checksum does not match", header.size() - 4);
  Id128 id;
  get_id(in, id);
  if (id.is_zero()) return corrupt(kHeaderWhat, "id is zero", 8);
  if (!all_zero(header.subspan(24, 36)))
    return corrupt(kHeaderWhat, "reserved bytes are not zero", 24);
  return id;
} catch (...) {
  return memory_error("segment header");
}

Bytes encode_segment_tail(const SegmentEntry& entry) {
  ByteWriter out;
  put_magic(out, kTailMagic, kSegmentVersion);
  out.put_bytes(entry.id.bytes);
  out.put(entry.bytes);
  out.put(entry.objects);
  out.put(entry.rows);
  out.put(entry.level);
  out.put(static_cast<std::uint8_t>(entry.lower.size()));
  out.put(static_cast<std::uint8_t>(entry.upper.size()));
  out.put(std::uint8_t{0});
  out.put(entry.directory_crc);
  out.put_bytes(entry.space.bytes);
  out.put_bytes(entry.tree.bytes);
  for (const Extent& plane : entry.planes) {
    out.put(plane.offset);
    out.put(plane.size);
  }
  for (const std::string* bound : {&entry.lower, &entry.upper}) {
    out.put_bytes(as_bytes(*bound));
    out.put_zeros(kMaxBound - bound->size());
  }
  out.put_zeros(kSegmentTailBytes - 4 - out.size());
  out.put(crc32c(out.view()));
  return std::move(out).take();
}

Result<SegmentEntry> parse_segment_tail(ByteView tail, std::uint64_t file_bytes) try {
  if (tail.size() != kSegmentTailBytes) return corrupt(kTailWhat, "bad size", tail.size());
  ByteReader in(tail);
  KEDGE_TRY(get_magic(in, kTailMagic, kSegmentVersion, kTailWhat));
  if (!sealed(tail)) return corrupt(kTailWhat, "checksum does not match", kSegmentTailBytes - 4);
  SegmentEntry entry;
  get_id(in, entry.id);
  entry.bytes = in.get<std::uint64_t>();
  entry.objects = in.get<std::uint32_t>();
  entry.rows = in.get<std::uint32_t>();
  entry.level = in.get<std::uint8_t>();
  const auto lower_size = in.get<std::uint8_t>();
  const auto upper_size = in.get<std::uint8_t>();
  const auto zero = in.get<std::uint8_t>();
  entry.directory_crc = in.get<std::uint32_t>();
  get_id(in, entry.space);
  get_id(in, entry.tree);
  for (Extent& plane : entry.planes) {
    plane.offset = in.get<std::uint64_t>();
    plane.size = in.get<std::uint64_t>();
  }
  entry.lower = KEDGE_TRY(get_bound(in, lower_size));
  entry.upper = KEDGE_TRY(get_bound(in, upper_size));
  if (zero != 0) return corrupt(kTailWhat, "reserved bytes are not zero", 43);
  if (!all_zero(tail.subspan(kZerosOffset, kSegmentTailBytes - 4 - kZerosOffset)))
    return corrupt(kTailWhat, "reserved bytes are not zero", kZerosOffset);
  if (entry.bytes != file_bytes)
    return Error{Code::kCorrupt,
                 str_cat(kTailWhat, ": names ", entry.bytes, " bytes, the file has ", file_bytes)};
  if (const auto rule = broken_segment_rule(entry))
    return Error{Code::kCorrupt, str_cat(kTailWhat, ": ", *rule)};
  return entry;
} catch (...) {
  return memory_error("segment tail");
}

}  // namespace kedge
