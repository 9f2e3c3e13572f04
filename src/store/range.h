// What reads mean, for every store that answers them itself: ranges, and what is not sent again.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "store/object_store.h"

namespace kedge {

struct Range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// What `request` selects of an object of `size` bytes. kInvalid: it begins at or past the end, and
// not at 0. A range that ends past the end is cut; a length of 0 gives an empty body.
Result<Range> range_of(const ReadRequest& request, std::uint64_t size);

// Whether the request asks for the whole object whatever its size.
inline bool is_whole(const ReadRequest& request) {
  return request.offset == 0 && !request.length.has_value();
}

// What answers a request whose unless_match is the object's tag.
Blob unchanged_blob(const ReadRequest& request, Timestamp store_time);

// Key rules that hold for every store: 1 to kMaxKeyBytes bytes.
Status check_key_size(std::string_view key);

}  // namespace kedge
