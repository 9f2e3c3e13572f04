#include "base/strings.h"

#include <unicode/utf8.h>

namespace kedge {
namespace {

// ICU's macro narrows on purpose; the warning is its own.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
// The next code point at `at`, which moves on; negative where the bytes are not UTF-8.
UChar32 next_code_point(std::string_view text, std::int32_t& at) {
  UChar32 c = 0;
  U8_NEXT(text.data(), at, static_cast<std::int32_t>(text.size()), c);
  return c;
}
#pragma GCC diagnostic pop

}  // namespace

std::string to_hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    out += kDigits[std::to_integer<unsigned>(b) >> 4];
    out += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

std::string printable(std::string_view text) {
  static constexpr std::size_t kMaxShown = 200;
  std::string out;
  text = text.substr(0, std::size_t{1} << 20);
  const auto size = static_cast<std::int32_t>(text.size());
  std::int32_t at = 0;
  while (at < size) {
    if (out.size() >= kMaxShown) return out + "...";
    const std::int32_t start = at;
    const UChar32 c = next_code_point(text, at);
    // C0, DEL, C1, bidirectional controls and line separators can rewrite what a terminal shows.
    const bool hostile = c < 0x20 || c == '\'' || c == '\\' || (c >= 0x7F && c < 0xA0) ||
                         (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
                         (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
    const std::string_view piece =
        text.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(at - start));
    if (!hostile) {
      out += piece;
      continue;
    }
    for (const char b : piece) {
      const auto byte = static_cast<std::byte>(b);
      out += "\\x" + to_hex(ByteView(&byte, 1));
    }
  }
  return out;
}

}  // namespace kedge
