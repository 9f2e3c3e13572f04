// What the planes of a segment hold, as values: objects, their chunks, and the references made from
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "format/metadata.h"

namespace kedge {

enum class ObjectStatus : std::uint8_t {
  kIndexed = 1,  // its chunks are searchable (an empty object has none)
  kPending = 2,  // seen, not indexed yet; an older version may still be searchable, marked stale
  kFailed = 3,   // could not be indexed: reason, attempts, retry_after
  kSkipped = 4,  // not indexed on purpose: reason
  // No object: the key was proven absent at read_time. Readers of an index never see such a row; it
  // keeps an older version that is committed late from coming back (docs/adr/0004).
  kAbsent = 5,
};

// One object of a source in one version. docs/format.md, "Docs page".
struct ObjectRow {
  std::uint32_t source = 0;  // SourceEntry::number
  std::string key;           // as the source's store names it
  std::string version_id;
  std::string tag;  // the source store's, opaque
  std::uint64_t size = 0;
  Timestamp last_modified;
  Timestamp read_time;  // the source store's clock at the GET whose bytes were indexed: orders
                        // versions of a key
  bool racy = false;    // compare again next time, whatever the tag says
  std::string media_type;
  std::string charset;
  std::string title;
  Sha256 content_hash{};
  Id128 recipe;
  ObjectStatus status = ObjectStatus::kIndexed;
  std::string reason;  // of kFailed and kSkipped
  std::uint32_t attempts = 0;
  Timestamp retry_after;  // by the store's clock; zero: not to be tried again until it changes
  Metadata metadata;
  bool operator==(const ObjectRow&) const = default;
};

// One chunk: where its text lies in the raw object. docs/format.md, "Text page".
struct ChunkRow {
  std::uint64_t begin = 0;  // byte range of the raw object, [begin, end)
  std::uint64_t end = 0;
  std::uint64_t line_first = 0;  // 1-based; 0 where lines mean nothing
  std::uint64_t line_last = 0;
  std::uint64_t row_first = 0;  // 1-based record numbers of CSV and JSON Lines; 0 elsewhere
  std::uint64_t row_last = 0;
  Id128 chunk_hash;     // of the raw bytes [begin, end)
  Id128 input_hash;     // of the model input and the space: key of the embedding cache
  std::string context;  // SpanContext::context
  bool operator==(const ChunkRow&) const = default;
};

// An object with all that is indexed of it. vectors: chunks.size() x dimension, row-major, IEEE
// half bits.
struct IndexedObject {
  ObjectRow row;
  std::vector<ChunkRow> chunks;
  std::vector<std::uint16_t> vectors;
};

// Limits of one row; a parser refuses more, a builder's caller must not offer more.
inline constexpr std::size_t kMaxObjectKey = 4096;
inline constexpr std::size_t kMaxField =
    4096;  // tag, version id, media type, charset, title, reason, context
inline constexpr std::uint32_t kMaxChunksPerObject = 1U << 22;
inline constexpr std::uint32_t kMaxSegmentObjects = 1U << 24;
inline constexpr std::uint32_t kMaxSegmentRows = 1U << 24;

}  // namespace kedge
