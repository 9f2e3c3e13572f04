// Walking a bucket in the order of its keys, with a delimiter, from a position, a page at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "emulator/operations.h"

namespace kedge::emulator {

inline constexpr std::size_t kMaxPage = 1'000;

// Keys as a listing writes them: with encoding-type=url as S3 does it ('/' stays, a space is '+').
std::string listed(std::string_view key, bool url);
bool wants_url(const S3Request& request);
// 0 to kMaxPage; nothing for what is no number.
std::optional<std::size_t> page_size(const S3Request& request, std::string_view name);

// The part of `key` up to the delimiter behind `prefix`, "" if it has none.
std::string_view common_prefix(std::string_view key, std::string_view prefix,
                               std::string_view delimiter);
// The smallest text that is larger than every text that begins with `prefix`; "" if there is none.
std::string after_all(std::string_view prefix);

}  // namespace kedge::emulator
