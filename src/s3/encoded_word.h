// Header values that are not ASCII, as S3 sends user metadata: RFC 2047, one or more encoded words.
#pragma once

#include <string>
#include <string_view>

namespace kedge {

// "=?UTF-8?B?w6Q=?=" as "\xC3\xA4". What is not wholly encoded words of UTF-8 stays as it is.
std::string decode_words(std::string_view value);

}  // namespace kedge
