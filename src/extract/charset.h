// Which charset an object is in, and its decoding.
#pragma once

#include <string>

#include "base/result.h"
#include "extract/decoded.h"

namespace kedge {

struct CharsetGuess {
  std::string charset;       // a name for decode()
  std::size_t bom_size = 0;  // bytes to leave out at the front
};

// In this order: byte order mark, the meta element of HTML, valid UTF-8 (a few broken sequences
// forgiven), NUL patterns of UTF-16 and UTF-32, uchardet, and windows-1252 where nothing else fits.
CharsetGuess detect_charset(ByteView raw, bool html);

// Invalid sequences become U+FFFD, each with its own raw bytes.
// kInvalid: no such charset. kUnsupported: one with shift states, where a span has no meaning of
// its own.
Result<Decoded> decode(ByteView raw, const std::string& charset);

// How far the bytes that look for NULs and charsets look.
inline constexpr std::size_t kMaxSniffBytes = std::size_t{64} << 10;

}  // namespace kedge
