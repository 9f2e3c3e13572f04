// Building and escaping short texts.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace kedge {

inline void append_piece(std::string& out, std::string_view piece) { out += piece; }
inline void append_piece(std::string& out, char piece) { out += piece; }
template <std::integral T>
requires(!std::same_as<T, char>) void append_piece(std::string& out, T piece) {
  out += std::to_string(piece);
}

// The pieces (texts, characters, integers) one after the other.
template <typename... Pieces>
std::string str_cat(const Pieces&... pieces) {
  std::string out;
  (append_piece(out, pieces), ...);
  return out;
}

// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteView bytes);

// A key or name for messages and terminals: control characters, invalid UTF-8 and quotes as \xNN,
// at most 200 bytes of it. What comes from a bucket must not steer a terminal.
std::string printable(std::string_view text);

}  // namespace kedge
