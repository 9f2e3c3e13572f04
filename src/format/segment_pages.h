// Writers of the pages of a segment, for the builder and for tests. Their readers are in
// format/segment.h. Each returns a whole page, padded to a multiple of 64 bytes.
#pragma once

#include <cstdint>
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

// Every keys page of a segment, one after the other; the sizes of each are put into `sizes`.
// Precondition: hashes[n] is that of object n; at least one.
Bytes encode_keys_plane(std::span<const Id128> hashes, std::vector<std::uint32_t>& sizes);

// Precondition: 1 to kVectorBlockRows rows of `dimension` halves.
Bytes encode_vector_block(std::uint32_t first_row, std::uint32_t dimension,
                          std::span<const VectorRow> rows);
std::size_t vector_block_bytes(std::uint32_t row_count, std::uint32_t dimension);

// The limits of format/rows.h and the rules between fields; kInvalid, without the key.
Status check_object(const ObjectRow& row);
Status check_chunk(const ChunkRow& chunk);
// Whether no value is NaN or infinite.
bool all_finite(ByteView halves);

// (source as 4 big-endian bytes, key), cut to kMaxBound bytes.
std::string key_bound(std::uint32_t source, std::string_view key);

// Precondition: entry as finish() returns it.
Bytes encode_segment_tail(const SegmentEntry& entry);

}  // namespace kedge
