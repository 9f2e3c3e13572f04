#include "store/range.h"

#include <algorithm>

#include "base/strings.h"

namespace kedge {

Result<Range> range_of(const ReadRequest& request, std::uint64_t size) {
  if (request.offset != 0 && request.offset >= size)
    return {Code::kInvalid, str_cat("range of '", printable(request.key), "' begins at ",
                                    request.offset, ", past its end at ", size)};
  const std::uint64_t rest = size - request.offset;
  return Range{request.offset, std::min(request.length.value_or(rest), rest)};
}

Blob unchanged_blob(const ReadRequest& request, Timestamp store_time) {
  Blob out;
  out.info.key = request.key;
  out.info.tag = *request.unless_match;
  out.store_time = store_time;
  out.unchanged = true;
  return out;
}

Status check_key_size(std::string_view key) {
  if (key.empty()) return {Code::kInvalid, "a key is empty"};
  if (key.size() > kMaxKeyBytes)
    return {Code::kInvalid, str_cat("key '", printable(key), "' has ", key.size(),
                                    " bytes, over the limit of ", kMaxKeyBytes)};
  return {};
}

}  // namespace kedge
