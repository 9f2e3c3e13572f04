// An object as the headers of an answer describe it, and whether an answer is what was asked for.
// Everything a server sends is checked here before it counts as data (REQUIREMENTS R31).
#pragma once

#include <optional>
#include <string_view>

#include "net/http.h"
#include "store/object_store.h"

namespace kedge {

// Of a whole object: its key, tag, times, class. The size is content-length's, or of a part the
// total of content-range. kUnavailable: a header is missing or makes no sense.
Result<ObjectInfo> object_of(std::string_view key, const HttpResponse& response);

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // the last byte itself
  std::uint64_t size = 0;  // of the whole object
};
// "bytes 0-99/200"; nullopt for anything else, and where last < first or size <= last.
std::optional<ContentRange> parse_content_range(std::string_view text);

// The bytes, if the answer is what the request asked for: its length, its place in the object, its
// tag, and its checksum where the store sent one. kUnavailable, with what differs. kUnsupported:
// the whole object, where a part of it was asked for.
Result<Blob> checked_blob(const ReadRequest& request, HttpResponse response, Timestamp store_time);

// "bytes=0-99" or "bytes=100-"; the end saturates.
// The answer to a request with unless_match that nothing changed. kUnavailable: it was not asked
// so, or of another tag.
Result<Blob> checked_unchanged(const ReadRequest& request, const HttpResponse& response,
                               Timestamp store_time);

std::string range_header(const ReadRequest& request);
// How a tag goes on the wire; nullopt for one that no store can have given.
std::optional<std::string> etag_of_tag(const Tag& tag);

}  // namespace kedge
