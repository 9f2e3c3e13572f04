// A reference: which object, which version of it, which bytes. What a search returns, and what
// get() takes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace kedge {

// A value of the metadata of an object: a text, a number, a boolean, or a list of those.
using MetadataScalar = std::variant<std::string, double, bool>;
using MetadataList = std::vector<MetadataScalar>;
using MetadataValue = std::variant<std::string, double, bool, MetadataList>;
using Metadata = std::vector<std::pair<std::string, MetadataValue>>;

// Where a chunk lies in the raw object.
struct Locator {
  std::uint64_t begin = 0;  // byte range of the raw object, [begin, end)
  std::uint64_t end = 0;
  std::uint64_t line_first = 0;  // 1-based, inclusive; 0 where lines mean nothing
  std::uint64_t line_last = 0;
  std::uint64_t row_first = 0;  // 1-based records of CSV and JSON Lines; 0 elsewhere
  std::uint64_t row_last = 0;
  std::string context;  // what the bytes need to become the chunk's text again: docs/extract.md
  // "lines 4-9, bytes 120-480"
  [[nodiscard]] std::string describe() const;
};

// Times are RFC 3339 in UTC, "" where not known. Hashes are lower-case hexadecimal.
struct Reference {
  std::string uri;     // of the object: the source's uri and the key
  std::string source;  // uri of the source
  std::string key;
  std::string version_id;
  std::string etag;  // opaque
  std::uint64_t size = 0;
  std::string last_modified;
  std::string media_type;
  std::string charset;
  std::string content_hash;  // SHA-256 of the object's bytes
  std::uint32_t chunk = 0;   // 0-based number in the object
  std::uint32_t chunk_count = 0;
  Locator locator;
  std::string chunk_hash;  // 128 bits of SHA-256 of the chunk's raw bytes
  std::string recipe;      // id of the recipe that made the chunk
  std::string title;
  std::uint64_t generation = 0;  // of the index that it was read from
  std::string commit_id;
  std::string synced_at;  // the last complete reconcile of the source
  Metadata metadata;      // sorted by name
};

// Of a reference, when it was last looked at.
enum class Proof { kVerified, kChanged, kGone, kDenied, kUnverified };
const char* proof_name(Proof proof);  // "verified", "changed", ...

}  // namespace kedge
