// Reading and replacing the small files of ~/.aws: profiles, tokens.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace kedge {

// The whole file. kNotFound: there is none. kInvalid: not a regular file (a null device is an empty
// one), or over max_bytes. kDenied. Messages name the path and never show what is in it.
Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes);

// Replaces or makes a file that only its owner may read, so that a reader sees the old or the new
// one.
Status replace_private_file(const std::string& path, std::string_view content);

// `path`, with a "~" at its beginning for `home`.
std::string expand_home(std::string_view path, const std::string& home);

}  // namespace kedge
