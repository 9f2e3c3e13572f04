// Writers of the pages of a segment, for the builder and for tests. Their readers are in
// format/segment.h. Each returns a whole page, padded to a multiple of 64 bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "format/segment.h"

namespace kedge {

// Preconditions: 1 to kDocsPageObjects entries in key order, whose rows check_object() accepts.
Bytes encode_docs_page(std::uint32_t first_object, std::span<const DocsEntry> entries);

// Preconditions: 1 to kTextPageChunks entries that check_chunk() accepts.
Bytes encode_text_page(std::uint32_t first_chunk, std::span<const TextEntry> entries);

// Every keys page of a segment is given to `take`, one after the other, until it fails.
// Precondition: hashes[n] is that of object n; at least one.
Status encode_keys_pages(std::span<const Id128> hashes,
                         const std::function<Status(const Bytes& page)>& take);

// Precondition: 1 to kVectorBlockRows rows of `dimension` halves.
Bytes encode_vector_block(std::uint32_t first_row, std::uint32_t dimension,
                          std::span<const VectorRow> rows);

// The limits of format/rows.h and the rules between fields; kInvalid, without the key.
Status check_object(const ObjectRow& row);
Status check_chunk(const ChunkRow& chunk);
// A row as a segment keeps it. What it points to is borrowed.
struct CodedRow {
  std::uint32_t object = 0;
  std::uint32_t chunk = 0;  // 0-based within the object
  std::uint64_t begin = 0;  // the chunk's bytes in the object
  std::uint64_t length = 0;
  const std::uint16_t* values = nullptr;  // dimension halves
  const std::byte* bits = nullptr;        // padded / 8: bit i % 8 of byte i / 8 is dimension i
  float add = 0;                          // factors of one bit a dimension (ann/rabitq.h)
  std::uint16_t rescale = 0;              // IEEE half
  std::uint16_t error = 0;                // IEEE half
  const std::byte* extra = nullptr;       // padded / 2: RefineRow::extra
  float refine_add = 0;
  float refine_rescale = 0;
};
// Into and out of a slot of a block of codes, which is zero before. get_code() puts the bits where
// it is told, and of `row` sets bits, factors and object.
void put_code(std::byte* block, std::uint32_t padded, std::uint32_t slot, const CodedRow& row);
void get_code(const std::byte* block, std::uint32_t padded, std::uint32_t slot, std::byte* bits,
              CodedRow& row);
// refine_row_bytes(padded) bytes.
void put_refine(std::byte* to, std::uint32_t padded, const CodedRow& row);

// Planes with pages, in the order of the file.
inline constexpr Plane kSegmentPlanes[] = {Plane::kDocs,  Plane::kKeys,   Plane::kAttributes,
                                           Plane::kCodes, Plane::kRefine, Plane::kVectors,
                                           Plane::kText};

// Whether no value is NaN or infinite.
bool all_finite(ByteView halves);

// (source as 4 big-endian bytes, key), cut to kMaxBound bytes.
std::string key_bound(std::uint32_t source, std::string_view key);

// Precondition: entry as finish() returns it.
Bytes encode_segment_tail(const SegmentEntry& entry);

}  // namespace kedge
