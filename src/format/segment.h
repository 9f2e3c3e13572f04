// Segments: an immutable file of objects with their chunks, vectors and keys, in planes that are
// read in ranges. Every piece that is read alone carries its own CRC-32C. docs/format.md,
// "Segment".
//
// Pure: no IO. Views borrow the bytes they were made from.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "format/index_state.h"
#include "format/rows.h"
#include "format/space.h"

namespace kedge {

inline constexpr std::uint32_t kDocsPageObjects = 128;
inline constexpr std::uint32_t kTextPageChunks = 256;
inline constexpr std::uint32_t kKeysPageBytes = 4096;
inline constexpr std::uint32_t kVectorBlockRows = 64;
inline constexpr std::uint32_t kCodeBlockRows = 32;   // rows of a block of codes, and of refine
inline constexpr std::uint32_t kMaxLists = 1U << 18;  // of a segment

// One page: where it lies in the file, and its checksum.
struct PageRef {
  std::uint64_t offset = 0;  // in the file
  std::uint32_t size = 0;
  std::uint32_t crc = 0;
};

// The rows of one list, one after the other in codes, refine and vectors.
struct ListRef {
  std::uint32_t first_row = 0;
  std::uint32_t rows = 0;
  std::uint64_t offset = 0;  // of its run of codes in the file
  std::uint32_t crc = 0;     // of the run; 0 for a list without rows, which has no run
};

// The directory: where every page of the segment lies. Read once when a segment is opened. Its own
// CRC-32C is SegmentEntry::directory_crc, in the head and in the tail.
struct SegmentDirectory {
  std::uint32_t objects = 0;
  std::uint32_t rows = 0;
  std::uint32_t dimension = 0;
  std::vector<PageRef> docs;  // page p: objects [p * 128, ...)
  std::vector<std::uint32_t>
      first_chunk_of_page;  // by docs page: the number of its first object's first chunk
  std::vector<std::string>
      first_key_of_page;      // by docs page: (source big-endian, key), cut to kMaxBound bytes
  std::vector<PageRef> text;  // page p: chunks [p * 256, ...), numbered over the segment by object
  std::vector<PageRef> keys;  // a power of two of pages, chosen by the top bits of the key hash
  std::vector<PageRef> vectors;  // block b: rows [b * 64, ...)
  // One list, or as many as the tree has leaves; none without rows. In a segment of one list row
  // and chunk have one number.
  std::vector<ListRef> lists;
  std::vector<PageRef> refine;                            // block b: rows [b * 32, ...)
  std::vector<PageRef> attributes;                        // none: filters read the docs pages
  std::vector<std::string> first_key_of_attributes_page;  // cut to kMaxBound bytes
  // Checked against the entry's directory_crc by the caller (check_page) before parsing.
  // kCorrupt with the rule and offset; kUnsupported for another version.
  static Result<SegmentDirectory> parse(ByteView bytes);
  [[nodiscard]] Bytes encode() const;
  // kCorrupt unless counts and plane extents are those of the head's entry: call after parse().
  [[nodiscard]] Status matches(const SegmentEntry& entry) const;
  [[nodiscard]] Extent plane(Plane plane) const;  // zero for a plane without pages
  [[nodiscard]] std::uint32_t padded() const { return padded_dimension(dimension); }
  [[nodiscard]] bool rows_are_chunks() const { return lists.size() <= 1; }
  // The run of codes of a list with rows, as a page.
  [[nodiscard]] PageRef list_page(std::uint32_t list) const;
};

// An object of a docs page, with the numbers of its chunks.
struct DocsEntry {
  ObjectRow row;
  std::uint32_t first_chunk = 0;
  std::uint32_t chunk_count = 0;
};
// Checked against `page.crc` by the caller (check_page) before parsing.
Status check_page(const PageRef& page, ByteView bytes, std::string_view what);
Result<std::vector<DocsEntry>> parse_docs_page(ByteView bytes, std::uint32_t first_object,
                                               const SegmentDirectory& directory);
// One object of the page, without building the others.
Result<DocsEntry> parse_docs_entry(ByteView bytes, std::uint32_t index_in_page,
                                   const SegmentDirectory& directory);

struct TextEntry {
  ChunkRow chunk;
  std::uint32_t row = 0;  // of the vectors plane
};
Result<std::vector<TextEntry>> parse_text_page(ByteView bytes, std::uint32_t first_chunk,
                                               const SegmentDirectory& directory);

// Object numbers in the keys page whose 12-byte hash equals the key's. The docs page decides.
// Every number is below directory.objects. kCorrupt also for a page that is not the hash's.
Result<std::vector<std::uint32_t>> find_in_keys_page(ByteView bytes, const Id128& key_hash,
                                                     const SegmentDirectory& directory);
Id128 object_key_hash(std::uint32_t source, std::string_view key);
std::size_t keys_page_of(const Id128& key_hash, std::size_t page_count);

// A run of codes: the list's centroid, then blocks of 32 rows in the layout of Kernels::scan_codes
// (simd/kernels.h). parse() reads the factors and objects of every row: keep the run with its
// bytes. kCorrupt where a factor is NaN or infinite, an error negative, an object out of range, or
// a slot past the last row not zero.
class CodeList {
 public:
  // `list`: one with rows.
  static Result<CodeList> parse(ByteView bytes, std::uint32_t list,
                                const SegmentDirectory& directory);
  [[nodiscard]] std::uint32_t rows() const { return rows_; }
  // In rotated space, IEEE half bits, padded() of them.
  [[nodiscard]] const std::uint16_t* centroid() const {
    return reinterpret_cast<const std::uint16_t*>(bytes_);
  }
  [[nodiscard]] const std::byte* blocks() const { return bytes_ + 2 * std::size_t{padded_}; }
  [[nodiscard]] const std::byte* block(std::uint32_t row) const;  // that the row lies in
  [[nodiscard]] std::uint32_t object(std::uint32_t row) const;

 private:
  const std::byte* bytes_ = nullptr;
  std::uint32_t rows_ = 0;
  std::uint32_t padded_ = 0;
};
constexpr std::size_t code_block_bytes(std::uint32_t padded) {
  return 4 * std::size_t{padded} + 384;
}
constexpr std::uint64_t code_list_bytes(std::uint32_t rows, std::uint32_t padded) {
  if (rows == 0) return 0;
  return 2 * std::uint64_t{padded} + (std::uint64_t{rows} + 31) / 32 * code_block_bytes(padded);
}

// What a refine row holds of its chunk: how to compute the distance with 5 bits a dimension, and
// which bytes of the object it is.
struct RefineRow {
  float add = 0;
  float rescale = 0;
  std::uint32_t chunk = 0;  // 0-based within the object
  // Of the chunk in the object. Both are unknown where one does not fit: see the text page.
  std::uint64_t begin = 0;           // below 2^40; kUnknownBegin
  std::uint32_t length = 0;          // in bytes, below 2^24; kUnknownLength
  const std::byte* extra = nullptr;  // padded / 2 bytes in the layout of Kernels::dot_u4_i8
};
inline constexpr std::uint64_t kUnknownBegin = (std::uint64_t{1} << 40) - 1;
inline constexpr std::uint32_t kUnknownLength = (1U << 24) - 1;
inline constexpr std::size_t kRefineHeadBytes = 20;
constexpr std::size_t refine_row_bytes(std::uint32_t padded) {
  return kRefineHeadBytes + padded / 2;
}
// Without a check: of a block that parse_refine_block() accepted.
RefineRow refine_row(const std::byte* row);
constexpr std::size_t refine_block_bytes(std::uint32_t rows, std::uint32_t padded) {
  return (rows * refine_row_bytes(padded) + 63) / 64 * 64;
}
// Up to 32 rows, row-major, then zeros: kCorrupt where a factor is NaN or infinite, a chunk out of
// range, a place half unknown, or the padding not zero.
Status parse_refine_block(ByteView bytes, std::uint32_t first_row,
                          const SegmentDirectory& directory);

// A block of rows as stored: each row is object u32, chunk-in-object u32, then `dimension` halves.
// parse() reads every byte (order of the rows, no NaN, no infinity): keep the block with its bytes
// instead of parsing it again for each query.
struct VectorRow {
  std::uint32_t object = 0;
  std::uint32_t chunk = 0;  // 0-based within the object
  const std::uint16_t* values = nullptr;
};
class VectorBlock {
 public:
  static Result<VectorBlock> parse(ByteView bytes, std::uint32_t first_row,
                                   const SegmentDirectory& directory);
  [[nodiscard]] std::uint32_t row_count() const { return row_count_; }
  [[nodiscard]] VectorRow row(std::uint32_t index) const;
  // For Kernels::dot_f16_rows: the values of the first row, and the bytes from row to row.
  [[nodiscard]] const std::byte* values() const;
  [[nodiscard]] std::size_t stride() const { return stride_; }
  [[nodiscard]] ByteView bytes() const { return bytes_; }

 private:
  ByteView bytes_;
  std::uint32_t row_count_ = 0;
  std::uint32_t stride_ = 0;
};

// The bytes of a block of so many rows, and the values of one of its rows: of a block that parse()
// accepted.
std::size_t vector_block_bytes(std::uint32_t row_count, std::uint32_t dimension);
const std::uint16_t* vector_row_values(const std::byte* block, std::uint32_t dimension,
                                       std::uint32_t row);

// The first bytes of a segment name it, so that a file under another name is seen.
inline constexpr std::size_t kSegmentHeaderBytes = 64;
Bytes encode_segment_header(const Id128& id);
Result<Id128> parse_segment_header(ByteView header);

// The segment's tail repeats the head's entry (but for deletes and the inlined directory), so that
// repair needs no head. It carries its own CRC-32C.
inline constexpr std::size_t kSegmentTailBytes = 384;
Result<SegmentEntry> parse_segment_tail(ByteView tail, std::uint64_t file_bytes);

// Dead objects of a segment: docs/format.md, "Del file". Precondition: sorted, distinct, not empty.
Bytes encode_del_file(const Id128& segment, std::span<const std::uint32_t> dead);
// `objects`: of the segment; every number is below it.
Result<std::vector<std::uint32_t>> parse_del_file(ByteView bytes, const Id128& segment,
                                                  std::uint32_t objects);

}  // namespace kedge
