// Strict UTF-8, one character at a time: no surrogates, no overlong forms, nothing over U+10FFFF.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace kedge {

struct Utf8Character {
  char32_t character = 0;
  std::size_t size = 1;  // bytes to go on by; 1 where it is not valid
  bool valid = false;
};

// Precondition: at < text.size().
Utf8Character next_utf8(std::string_view text, std::size_t at);

// The offset of the first byte that is not part of a valid character.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// Precondition: `c` is a Unicode scalar value.
void append_utf8(std::string& out, char32_t c);

}  // namespace kedge
