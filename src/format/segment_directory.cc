// The directory of a segment. docs/format.md, "Directory".
//   offset   size   field
//   0        8      magic "KGSD", version, zero
//   8        4      objects
//   12       4      rows
//   16       4      dimension
//   20       16     pages u32 each: docs, text, keys, vectors
//   36       4      zero
//   40       32     offset in the file u64 each of the planes docs, text, keys, vectors; zero for a
//                   plane without pages
//   72       8      zero: lists of a tree, which this version has none of
//   80       8 * n  of each page, in the order of the planes: size u32, CRC-32C u32. The pages of a
//                   plane follow one another without gaps
//            4 * d  of each docs page: number of the first chunk of its first object
//                   of each docs page: (source big-endian, key) of its first object, cut to 64
//                   bytes: length u8, bytes
//                   zeros up to a multiple of 64
#include <algorithm>
#include <bit>

#include "base/strings.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGSD";
constexpr std::string_view kWhat = "directory";
constexpr std::size_t kPlaneOffsets = 40;
constexpr std::size_t kHeaderBytes = 80;
constexpr std::uint32_t kMaxKeysPages = 1U << 20;
// The source number and one byte of a key.
constexpr std::size_t kMinBound = 5;

struct PlanePages {
  std::string_view name;
  std::uint32_t count = 0;
  std::uint64_t offset = 0;
  std::vector<PageRef>* pages = nullptr;
};

std::uint32_t pages_for(std::uint32_t things, std::uint32_t a_page) {
  return things / a_page + (things % a_page != 0 ? 1 : 0);
}

Status check_counts(const SegmentDirectory& directory, const std::array<PlanePages, 4>& planes) {
  if (directory.objects == 0 || directory.objects > kMaxSegmentObjects)
    return corrupt(kWhat, "objects out of range", 8);
  if (directory.rows > kMaxSegmentRows) return corrupt(kWhat, "rows out of range", 12);
  if (directory.dimension == 0 || directory.dimension > kMaxDimension)
    return corrupt(kWhat, "dimension out of range", 16);
  if (planes[0].count != pages_for(directory.objects, kDocsPageObjects))
    return corrupt(kWhat, "number of docs pages does not fit the objects", 20);
  if (planes[1].count != pages_for(directory.rows, kTextPageChunks))
    return corrupt(kWhat, "number of text pages does not fit the rows", 24);
  if (!std::has_single_bit(planes[2].count) || planes[2].count > kMaxKeysPages)
    return corrupt(kWhat, "number of keys pages is not a power of two in range", 28);
  if (planes[3].count != pages_for(directory.rows, kVectorBlockRows))
    return corrupt(kWhat, "number of vector blocks does not fit the rows", 32);
  return {};
}

Status check_page_size(const SegmentDirectory& directory, std::size_t plane, std::uint32_t page,
                       std::uint32_t size, std::size_t at) {
  const bool keys = plane == 2;
  if (size == 0 || size % (keys ? kKeysPageBytes : kPageAlignment) != 0)
    return corrupt(kWhat, "bad size of a page", at);
  const std::uint32_t first_row = page * kVectorBlockRows;
  if (plane == 3 &&
      size != vector_block_bytes(std::min(kVectorBlockRows, directory.rows - first_row),
                                 directory.dimension)) {
    return corrupt(kWhat, "bad size of a vector block", at);
  }
  return {};
}

// Planes begin behind the file's header and follow one another.
Status parse_pages(ByteReader& in, const SegmentDirectory& directory,
                   const std::array<PlanePages, 4>& planes) {
  std::uint64_t end = kPageAlignment;
  for (std::size_t p = 0; p < planes.size(); ++p) {
    const PlanePages& plane = planes[p];
    if (plane.offset != (plane.count == 0 ? 0 : end))
      return corrupt(kWhat, str_cat("bad offset of plane ", plane.name), kPlaneOffsets + 8 * p);
    plane.pages->reserve(plane.count);
    for (std::uint32_t i = 0; i < plane.count; ++i) {
      const std::size_t at = in.offset();
      const auto size = in.get<std::uint32_t>();
      const auto crc = in.get<std::uint32_t>();
      KEDGE_TRY(check_page_size(directory, p, i, size, at));
      plane.pages->push_back({.offset = end, .size = size, .crc = crc});
      end += size;
    }
  }
  return {};
}

Status parse_docs_bounds(ByteReader& in, SegmentDirectory& directory) {
  const std::size_t pages = directory.docs.size();
  for (std::size_t i = 0; i < pages; ++i) {
    const std::size_t at = in.offset();
    const auto chunk = in.get<std::uint32_t>();
    const std::uint32_t before = i == 0 ? 0 : directory.first_chunk_of_page.back();
    if (chunk < before || chunk > directory.rows || (i == 0 && chunk != 0))
      return corrupt(kWhat, "bad first chunk of a docs page", at);
    directory.first_chunk_of_page.push_back(chunk);
  }
  for (std::size_t i = 0; i < pages; ++i) {
    const std::size_t at = in.offset();
    const std::size_t size = in.get<std::uint8_t>();
    const std::string_view bound = as_text(in.get_bytes(size));
    if (!in.ok() || size < kMinBound || size > kMaxBound)
      return corrupt(kWhat, "first key of a docs page is cut short or of bad length", at);
    if (i > 0) {
      // Keys increase; only where both are cut may they look equal.
      const std::string& before = directory.first_key_of_page.back();
      if (before > bound || (before == bound && size < kMaxBound))
        return corrupt(kWhat, "first keys of docs pages are not increasing", at);
    }
    directory.first_key_of_page.emplace_back(bound);
  }
  return {};
}

}  // namespace

Extent SegmentDirectory::plane(Plane plane) const {
  const std::vector<PageRef>* pages = nullptr;
  switch (plane) {
    case Plane::kDocs:
      pages = &docs;
      break;
    case Plane::kText:
      pages = &text;
      break;
    case Plane::kKeys:
      pages = &keys;
      break;
    case Plane::kVectors:
      pages = &vectors;
      break;
    default:
      return {};
  }
  if (pages->empty()) return {};
  const PageRef& last = pages->back();
  return {pages->front().offset, last.offset + last.size - pages->front().offset};
}

Bytes SegmentDirectory::encode() const {
  ByteWriter out;
  put_magic(out, kMagic, kSegmentVersion);
  out.put(objects);
  out.put(rows);
  out.put(dimension);
  for (const auto* pages : {&docs, &text, &keys, &vectors})
    out.put(static_cast<std::uint32_t>(pages->size()));
  out.put_zeros(4);
  for (const Plane p : {Plane::kDocs, Plane::kText, Plane::kKeys, Plane::kVectors})
    out.put(plane(p).offset);
  out.put_zeros(8);
  for (const auto* pages : {&docs, &text, &keys, &vectors}) {
    for (const PageRef& page : *pages) {
      out.put(page.size);
      out.put(page.crc);
    }
  }
  for (const std::uint32_t chunk : first_chunk_of_page) out.put(chunk);
  for (const std::string& key : first_key_of_page) {
    out.put(static_cast<std::uint8_t>(key.size()));
    out.put_bytes(as_bytes(key));
  }
  out.align(kPageAlignment);
  return std::move(out).take();
}

Result<SegmentDirectory> SegmentDirectory::parse(ByteView bytes) {
  ByteReader in(bytes);
  KEDGE_TRY(get_magic(in, kMagic, kSegmentVersion, kWhat));
  SegmentDirectory directory;
  directory.objects = in.get<std::uint32_t>();
  directory.rows = in.get<std::uint32_t>();
  directory.dimension = in.get<std::uint32_t>();
  std::array<PlanePages, 4> planes{{{.name = "docs", .pages = &directory.docs},
                                    {.name = "text", .pages = &directory.text},
                                    {.name = "keys", .pages = &directory.keys},
                                    {.name = "vectors", .pages = &directory.vectors}}};
  for (PlanePages& plane : planes) plane.count = in.get<std::uint32_t>();
  const auto zero = in.get<std::uint32_t>();
  for (PlanePages& plane : planes) plane.offset = in.get<std::uint64_t>();
  const auto lists = in.get<std::uint64_t>();
  if (!in.ok()) return corrupt(kWhat, "cut short", in.offset());
  if (zero != 0) return corrupt(kWhat, "reserved bytes are not zero", 36);
  if (lists != 0) return corrupt(kWhat, "reserved bytes are not zero", 72);
  KEDGE_TRY(check_counts(directory, planes));
  // A size and a CRC a page, a chunk number and the shortest key a docs page: nothing is reserved
  // that the bytes do not pay for.
  std::uint64_t least = std::uint64_t{planes[0].count} * (4 + 1 + kMinBound);
  for (const PlanePages& plane : planes) least += std::uint64_t{8} * plane.count;
  if (in.remaining() < least) return corrupt(kWhat, "cut short", bytes.size());
  KEDGE_TRY(parse_pages(in, directory, planes));
  KEDGE_TRY(parse_docs_bounds(in, directory));
  KEDGE_TRY(check_padding(in, kWhat));
  return directory;
}

Status SegmentDirectory::matches(const SegmentEntry& entry) const {
  if (objects != entry.objects || rows != entry.rows)
    return {Code::kCorrupt,
            str_cat(kWhat, " of ", entry.file_key(), ": has ", objects, " objects and ", rows,
                    " rows, the head names ", entry.objects, " and ", entry.rows)};
  for (const Plane p : {Plane::kDocs, Plane::kText, Plane::kKeys, Plane::kVectors}) {
    if (plane(p) != entry.planes[static_cast<std::size_t>(p)])
      return {Code::kCorrupt, str_cat(kWhat, " of ", entry.file_key(), ": plane ",
                                      static_cast<unsigned>(p), " is not where the head says")};
  }
  return {};
}

Status check_page(const PageRef& page, ByteView bytes, std::string_view what) {
  if (bytes.size() != page.size)
    return {Code::kCorrupt, str_cat(what, ": ", bytes.size(), " bytes instead of ", page.size,
                                    " at offset ", page.offset, " of the file")};
  if (crc32c(bytes) != page.crc)
    return {Code::kCorrupt,
            str_cat(what, ": checksum does not match at offset ", page.offset, " of the file")};
  return {};
}

}  // namespace kedge
