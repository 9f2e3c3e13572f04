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

namespace kedge {

inline constexpr std::uint32_t kDocsPageObjects = 128;
inline constexpr std::uint32_t kTextPageChunks = 256;
inline constexpr std::uint32_t kKeysPageBytes = 4096;
inline constexpr std::uint32_t kVectorBlockRows = 64;

// One page: where it lies in the file, and its checksum.
struct PageRef {
  std::uint64_t offset = 0;  // in the file
  std::uint32_t size = 0;
  std::uint32_t crc = 0;
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
  // Checked against the entry's directory_crc by the caller (check_page) before parsing.
  // kCorrupt with the rule and offset; kUnsupported for another version.
  static Result<SegmentDirectory> parse(ByteView bytes);
  [[nodiscard]] Bytes encode() const;
  // kCorrupt unless counts and plane extents are those of the head's entry: call after parse().
  [[nodiscard]] Status matches(const SegmentEntry& entry) const;
  [[nodiscard]] Extent plane(Plane plane) const;  // zero for a plane without pages
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

struct BuiltSegment {
  Bytes file;
  SegmentEntry entry;  // without deletes
  // Of SegmentBuilder: object number by the order of add().
  std::vector<std::uint32_t> number_of;
};

// Writes one segment from front to back: first every object, in order, then the vector of every
// row. Memory: the file, its text and keys planes once more, and 16 bytes an object.
class SegmentWriter {
 public:
  // `id`, not zero, names the file. `expected_bytes`: of it, room for which is made at once.
  SegmentWriter(const Id128& id, std::uint32_t dimension, std::uint64_t expected_bytes);

  // kInvalid: too many objects or rows for one segment. Preconditions: check_object() and
  // check_chunk() accept them; (source, key) is above that of the object before.
  Status add(ObjectRow row, std::span<ChunkRow> chunks);
  [[nodiscard]] std::uint32_t objects() const { return directory_.objects; }
  [[nodiscard]] std::uint32_t rows() const { return directory_.rows; }

  // The next row in order of object and chunk, after the last object was added. Precondition:
  // `dimension` halves, all finite.
  void add_vector(std::uint32_t object, std::uint32_t chunk, const std::uint16_t* values);
  // Precondition: at least one object, and as many vectors as rows.
  BuiltSegment finish(const Id128& space, std::uint8_t level) &&;

 private:
  void end_docs_page();
  void end_text_page();
  void end_vector_block();
  // Behind the last object: the text and keys planes take their place in the file.
  void end_objects();

  Id128 id_;
  SegmentDirectory directory_;
  SegmentEntry entry_;
  ByteWriter out_;   // the file so far
  ByteWriter text_;  // the text plane, until the docs plane is complete
  std::vector<Id128> hashes_;
  std::string last_key_;
  std::vector<DocsEntry> docs_page_;
  std::vector<TextEntry> text_page_;
  std::vector<VectorRow> block_;  // values point into block_values_
  std::vector<std::uint16_t> block_values_;
  std::uint32_t vectors_ = 0;
  bool objects_ended_ = false;
};

// Builds one segment in memory; objects may come in any order. Memory: what was added, plus the
// file at finish().
class SegmentBuilder {
 public:
  SegmentBuilder(std::uint32_t dimension, Id128 space);
  // Room for so many objects.
  void reserve(std::size_t objects) { objects_.reserve(objects); }
  // kInvalid: a limit of format/rows.h, a vector with NaN or infinity, or vectors of the wrong
  // size: names the key.
  Status add(IndexedObject object);
  [[nodiscard]] std::uint32_t objects() const;
  [[nodiscard]] std::uint32_t rows() const;
  [[nodiscard]] std::uint64_t memory_bytes() const;

  using Built = BuiltSegment;
  // Preconditions: at least one object; no two of the same (source, key). `id`, not zero, names the
  // file.
  Built finish(Id128 id, std::uint8_t level) &&;

 private:
  std::uint32_t dimension_;
  Id128 space_;
  std::vector<IndexedObject> objects_;
  std::uint32_t rows_ = 0;
  std::uint64_t memory_bytes_ = 0;
};

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
