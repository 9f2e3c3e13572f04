// Which keys a folder can hold. A key that breaks a rule is never turned into a path.
#pragma once

#include <string_view>

#include "base/result.h"

namespace kedge {

inline constexpr std::size_t kMaxFileNameBytes = 255;

// Keys of an index in a folder: A-Z a-z 0-9 . _ - and '/' between components; no component empty,
// beginning with '.', or over kMaxFileNameBytes; at most kMaxKeyBytes in all. kInvalid otherwise.
Status check_index_key(std::string_view key);

// Keys of a source folder: any bytes but NUL; no component empty, "." or "..", so never absolute
// and never ending with '/'; none over kMaxFileNameBytes; at most kMaxKeyBytes in all.
Status check_source_key(std::string_view key);

}  // namespace kedge
