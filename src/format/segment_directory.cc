// The directory of a segment. docs/format.md, "Directory".
//   offset   size   field
//   0        8      magic "KGSD", version, zero
//   8        4      objects
//   12       4      rows
//   16       4      dimension
//   20       12     pages u32 each: docs, keys, text
//   32       4      lists; none without rows
//   36       4      pages of attributes
//   40       24     offset in the file u64 each: of the docs plane, of the codes plane behind docs,
//                   keys and attributes, of the text plane behind codes, refine and vectors; the
//                   last two zero without rows
//   64              of each page of docs, keys, attributes and text: size u32, CRC-32C u32
//            8 * l  of each list: rows u32, CRC-32C u32 of its run of codes (zero without rows)
//            4 * r  of each refine block: CRC-32C u32
//            4 * v  of each vector block: CRC-32C u32
//            4 * d  of each docs page: number of the first chunk of its first object
//                   of each docs page: (source big-endian, key) of its first object, cut to 64
//                   bytes: length u8, bytes
//                   of each attributes page: its first key in the same way
//                   zeros up to a multiple of 64
// Planes follow one another without gaps in the order docs, keys, attributes, codes, refine,
// vectors, text, and so do the pages of a plane; runs of codes, refine and vector blocks have sizes
// that their rows give.
#include <algorithm>
#include <array>
#include <bit>

#include "base/allocation.h"
#include "base/strings.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGSD";
constexpr std::string_view kWhat = "directory";
constexpr std::uint32_t kMaxKeysPages = 1U << 20;
// The source number and one byte of a key.
constexpr std::size_t kMinBound = 5;
// Scope, an empty name, its end and a kind.
constexpr std::size_t kMinAttributeBound = 4;

std::uint32_t pages_for(std::uint32_t things, std::uint32_t a_page) {
  return things / a_page + (things % a_page != 0 ? 1 : 0);
}

// What the first 64 bytes say.
struct Header {
  std::uint32_t docs = 0;
  std::uint32_t keys = 0;
  std::uint32_t text = 0;
  std::uint32_t lists = 0;
  std::uint32_t attributes = 0;
  std::uint64_t docs_offset = 0;
  std::uint64_t codes_offset = 0;
  std::uint64_t text_offset = 0;
};

Status check_counts(const SegmentDirectory& directory, const Header& header) {
  if (directory.objects == 0 || directory.objects > kMaxSegmentObjects)
    return corrupt(kWhat, "objects out of range", 8);
  if (directory.rows > kMaxSegmentRows) return corrupt(kWhat, "rows out of range", 12);
  if (directory.dimension == 0 || directory.dimension > kMaxDimension)
    return corrupt(kWhat, "dimension out of range", 16);
  if (header.docs != pages_for(directory.objects, kDocsPageObjects))
    return corrupt(kWhat, "number of docs pages does not fit the objects", 20);
  if (!std::has_single_bit(header.keys) || header.keys > kMaxKeysPages)
    return corrupt(kWhat, "number of keys pages is not a power of two in range", 24);
  if (header.text != pages_for(directory.rows, kTextPageChunks))
    return corrupt(kWhat, "number of text pages does not fit the rows", 28);
  if (header.lists > kMaxLists || (header.lists == 0) != (directory.rows == 0))
    return corrupt(kWhat, "number of lists does not fit the rows", 32);
  return {};
}

Status get_pages(ByteReader& in, std::uint32_t count, std::size_t alignment, std::uint64_t& end,
                 std::vector<PageRef>& pages) {
  pages.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = in.offset();
    const auto size = in.get<std::uint32_t>();
    const auto crc = in.get<std::uint32_t>();
    if (size == 0 || size % alignment != 0) return corrupt(kWhat, "bad size of a page", at);
    pages.push_back({.offset = end, .size = size, .crc = crc});
    end += size;
  }
  return {};
}

Status get_lists(ByteReader& in, std::uint32_t count, std::uint64_t& end,
                 SegmentDirectory& directory) {
  directory.lists.reserve(count);
  std::uint64_t rows = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = in.offset();
    ListRef list;
    list.first_row = static_cast<std::uint32_t>(rows);
    list.rows = in.get<std::uint32_t>();
    list.crc = in.get<std::uint32_t>();
    list.offset = end;
    rows += list.rows;
    if (rows > directory.rows) return corrupt(kWhat, "lists have more rows than there are", at);
    if (list.rows == 0 && list.crc != 0) return corrupt(kWhat, "checksum of an empty list", at);
    const std::uint64_t size = code_list_bytes(list.rows, directory.padded());
    if (size > UINT32_MAX) return corrupt(kWhat, "list is too large", at);
    end += size;
    directory.lists.push_back(list);
  }
  if (rows != directory.rows)
    return corrupt(kWhat, "lists have fewer rows than there are", in.offset());
  return {};
}

// Blocks of `a_block` rows, of which only checksums are stored.
template <typename BlockBytes>
void get_blocks(ByteReader& in, std::uint32_t rows, std::uint32_t a_block, std::uint64_t& end,
                std::vector<PageRef>& pages, BlockBytes block_bytes) {
  pages.reserve(pages_for(rows, a_block));
  for (std::uint32_t row = 0; row < rows; row += a_block) {
    const auto size = static_cast<std::uint32_t>(block_bytes(std::min(a_block, rows - row)));
    pages.push_back({.offset = end, .size = size, .crc = in.get<std::uint32_t>()});
    end += size;
  }
}

Status get_planes(ByteReader& in, SegmentDirectory& directory, const Header& header) {
  constexpr std::size_t kOffsets = 40;
  std::uint64_t end = kSegmentHeaderBytes;
  if (header.docs_offset != end) return corrupt(kWhat, "bad offset of plane docs", kOffsets);
  KEDGE_TRY(get_pages(in, header.docs, kPageAlignment, end, directory.docs));
  KEDGE_TRY(get_pages(in, header.keys, kKeysPageBytes, end, directory.keys));
  KEDGE_TRY(get_pages(in, header.attributes, kPageAlignment, end, directory.attributes));
  const std::uint64_t codes = end;
  // The pages of text are listed here, but lie behind the planes of rows.
  std::uint64_t text = 0;
  KEDGE_TRY(get_pages(in, header.text, kPageAlignment, text, directory.text));
  KEDGE_TRY(get_lists(in, header.lists, end, directory));
  const std::uint32_t padded = directory.padded();
  get_blocks(in, directory.rows, kCodeBlockRows, end, directory.refine,
             [&](std::uint32_t rows) { return refine_block_bytes(rows, padded); });
  get_blocks(in, directory.rows, kVectorBlockRows, end, directory.vectors,
             [&](std::uint32_t rows) { return vector_block_bytes(rows, directory.dimension); });
  for (PageRef& page : directory.text) page.offset += end;
  if (header.codes_offset != (directory.rows == 0 ? 0 : codes))
    return corrupt(kWhat, "bad offset of plane codes", kOffsets + 8);
  if (header.text_offset != (directory.rows == 0 ? 0 : end))
    return corrupt(kWhat, "bad offset of plane text", kOffsets + 16);
  return {};
}

// One a page of the plane `name`.
Status parse_first_keys(ByteReader& in, std::size_t pages, std::size_t min_size,
                        std::string_view name, std::vector<std::string>& out) {
  for (std::size_t i = 0; i < pages; ++i) {
    const std::size_t at = in.offset();
    const std::size_t size = in.get<std::uint8_t>();
    const std::string_view bound = as_text(in.get_bytes(size));
    if (!in.ok() || size < min_size || size > kMaxBound) {
      return corrupt(kWhat, str_cat("first key of ", name, " page is cut short or of bad length"),
                     at);
    }
    // Keys increase; only where both are cut may they look equal.
    if (i > 0 && (out.back() > bound || (out.back() == bound && size < kMaxBound)))
      return corrupt(kWhat, str_cat("first keys of ", name, " pages are not increasing"), at);
    out.emplace_back(bound);
  }
  return {};
}

void put_first_keys(ByteWriter& out, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    out.put(static_cast<std::uint8_t>(key.size()));
    out.put_bytes(as_bytes(key));
  }
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
  return parse_first_keys(in, pages, kMinBound, "docs", directory.first_key_of_page);
}

}  // namespace

Extent SegmentDirectory::plane(Plane plane) const {
  if (plane == Plane::kCodes) {
    if (lists.empty()) return {};
    return {lists.front().offset, refine.front().offset - lists.front().offset};
  }
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
    case Plane::kAttributes:
      pages = &attributes;
      break;
    case Plane::kRefine:
      pages = &refine;
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
  for (const auto* pages : {&docs, &keys, &text})
    out.put(static_cast<std::uint32_t>(pages->size()));
  out.put(static_cast<std::uint32_t>(lists.size()));
  out.put(static_cast<std::uint32_t>(attributes.size()));
  for (const Plane p : {Plane::kDocs, Plane::kCodes, Plane::kText}) out.put(plane(p).offset);
  for (const auto* pages : {&docs, &keys, &attributes, &text}) {
    for (const PageRef& page : *pages) {
      out.put(page.size);
      out.put(page.crc);
    }
  }
  for (const ListRef& list : lists) {
    out.put(list.rows);
    out.put(list.crc);
  }
  for (const auto* pages : {&refine, &vectors}) {
    for (const PageRef& page : *pages) out.put(page.crc);
  }
  for (const std::uint32_t chunk : first_chunk_of_page) out.put(chunk);
  put_first_keys(out, first_key_of_page);
  put_first_keys(out, first_key_of_attributes_page);
  out.align(kPageAlignment);
  return std::move(out).take();
}

Result<SegmentDirectory> SegmentDirectory::parse(ByteView bytes) try {
  ByteReader in(bytes);
  KEDGE_TRY(get_magic(in, kMagic, kSegmentVersion, kWhat));
  SegmentDirectory directory;
  Header header;
  directory.objects = in.get<std::uint32_t>();
  directory.rows = in.get<std::uint32_t>();
  directory.dimension = in.get<std::uint32_t>();
  header.docs = in.get<std::uint32_t>();
  header.keys = in.get<std::uint32_t>();
  header.text = in.get<std::uint32_t>();
  header.lists = in.get<std::uint32_t>();
  header.attributes = in.get<std::uint32_t>();
  header.docs_offset = in.get<std::uint64_t>();
  header.codes_offset = in.get<std::uint64_t>();
  header.text_offset = in.get<std::uint64_t>();
  if (!in.ok()) return corrupt(kWhat, "cut short", in.offset());
  KEDGE_TRY(check_counts(directory, header));
  // A size and a CRC a page, a CRC a block, a chunk number and the shortest key a docs page, the
  // shortest key an attributes page: nothing is reserved that the bytes do not pay for.
  const std::uint64_t blocks = pages_for(directory.rows, kCodeBlockRows) +
                               std::uint64_t{pages_for(directory.rows, kVectorBlockRows)};
  const std::uint64_t pairs =
      std::uint64_t{header.docs} + header.keys + header.attributes + header.text + header.lists;
  const std::uint64_t firsts = header.docs * std::uint64_t{4 + 1 + kMinBound} +
                               header.attributes * std::uint64_t{1 + kMinAttributeBound};
  if (in.remaining() < firsts + 8 * pairs + 4 * blocks)
    return corrupt(kWhat, "cut short", bytes.size());
  KEDGE_TRY(get_planes(in, directory, header));
  KEDGE_TRY(parse_docs_bounds(in, directory));
  KEDGE_TRY(parse_first_keys(in, header.attributes, kMinAttributeBound, "attributes",
                             directory.first_key_of_attributes_page));
  KEDGE_TRY(check_padding(in, kWhat));
  return directory;
} catch (...) {
  return memory_error(kWhat);
}

Status SegmentDirectory::matches(const SegmentEntry& entry) const {
  if (objects != entry.objects || rows != entry.rows)
    return {Code::kCorrupt,
            str_cat(kWhat, " of ", entry.file_key(), ": has ", objects, " objects and ", rows,
                    " rows, the head names ", entry.objects, " and ", entry.rows)};
  if (lists.size() > 1 && entry.tree.is_zero())
    return {Code::kCorrupt,
            str_cat(kWhat, " of ", entry.file_key(), ": has lists of a tree that is not named")};
  for (const Plane p : kSegmentPlanes) {
    if (plane(p) != entry.planes[static_cast<std::size_t>(p)])
      return {Code::kCorrupt, str_cat(kWhat, " of ", entry.file_key(), ": plane ",
                                      static_cast<unsigned>(p), " is not where the head says")};
  }
  return {};
}

Status check_page(const PageRef& page, ByteView bytes, std::string_view what) try {
  if (bytes.size() != page.size)
    return {Code::kCorrupt, str_cat(what, ": ", bytes.size(), " bytes instead of ", page.size,
                                    " at offset ", page.offset, " of the file")};
  if (crc32c(bytes) != page.crc)
    return {Code::kCorrupt,
            str_cat(what, ": checksum does not match at offset ", page.offset, " of the file")};
  return {};
} catch (...) {
  return memory_error(what);
}

}  // namespace kedge
