#include "cli/terminal_text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>

namespace kedge::cli {
namespace {

constexpr char32_t kZeroWidthNonJoiner = 0x200C, kZeroWidthJoiner = 0x200D;

// Letters of several scripts and emoji need the joiners; they change nothing else.
bool is_harmless(char32_t code) {
  if (code == kZeroWidthNonJoiner || code == kZeroWidthJoiner) return true;
  switch (u_charType(static_cast<UChar32>(code))) {
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_UNASSIGNED:
    case U_PRIVATE_USE_CHAR:
    case U_SURROGATE:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
      return false;
    default:
      return true;
  }
}

void append_escaped(std::string& out, const Character& character) {
  char text[16];
  const auto code = static_cast<unsigned>(character.code);
  if (!character.valid || code < 0x100) {
    std::snprintf(text, sizeof text, "\\x%02x", code);
  } else {
    std::snprintf(text, sizeof text, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
  }
  out += text;
}

enum class Spaces { kEscape, kFlow, kLines };

std::string make_visible(std::string_view text, Spaces spaces) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character character = decode(text, at);
    const bool space = character.valid && u_isUWhiteSpace(static_cast<UChar32>(character.code));
    if (space && spaces == Spaces::kFlow) {
      out += ' ';
    } else if (spaces == Spaces::kLines && (text[at] == '\n' || text[at] == '\t')) {
      out += text[at];
    } else if (character.valid && is_harmless(character.code)) {
      out.append(text, at, character.bytes);
    } else {
      append_escaped(out, character);
    }
    at += character.bytes;
  }
  return out;
}

std::size_t width_of(const Character& character) {
  if (!character.valid) return 1;
  const auto code = static_cast<UChar32>(character.code);
  const int type = u_charType(code);
  if (type == U_NON_SPACING_MARK || type == U_ENCLOSING_MARK || type == U_FORMAT_CHAR) return 0;
  const int width = u_getIntPropertyValue(code, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_FULLWIDTH || width == U_EA_WIDE ? 2 : 1;
}

}  // namespace

Character decode(std::string_view text, std::size_t position) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data()) + position;
  // The macros count in int32: a character needs no more than 4 bytes.
  const auto length = static_cast<std::int32_t>(std::min<std::size_t>(text.size() - position, 4));
  std::int32_t next = 0;
  UChar32 code = 0;
  U8_NEXT(bytes, next, length, code);
  if (code < 0) return {.code = bytes[0], .bytes = 1, .valid = false};
  return {
      .code = static_cast<char32_t>(code), .bytes = static_cast<std::size_t>(next), .valid = true};
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Character character = decode(text, at);
    if (!character.valid) return false;
    at += character.bytes;
  }
  return true;
}

std::string replace_invalid(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = decode(text, at);
    out += character.valid ? text.substr(at, character.bytes) : std::string_view("\uFFFD");
    at += character.bytes;
  }
  return out;
}

std::string visible(std::string_view text) { return make_visible(text, Spaces::kEscape); }
std::string visible_flowing(std::string_view text) { return make_visible(text, Spaces::kFlow); }
std::string visible_lines(std::string_view text) { return make_visible(text, Spaces::kLines); }

std::string quote(std::string_view text) {
  std::string shown = visible(text);
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("/._-+:,@%=").find(c) != std::string_view::npos ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  if (!shown.empty() && std::all_of(shown.begin(), shown.end(), plain)) return shown;
  std::string out = "'";
  for (const char c : shown) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = decode(text, at);
    width += width_of(character);
    at += character.bytes;
  }
  return width;
}

std::string shorten(std::string_view text, std::size_t width) {
  const std::size_t whole = display_width(text);
  if (whole <= width) return std::string(text);
  if (width < 3) return std::string(width, '.');
  const std::size_t head = (width - 1) / 3, tail = width - 1 - head;
  std::string begin, end;
  std::size_t used = 0, passed = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = decode(text, at);
    const std::size_t columns = width_of(character);
    if (used + columns <= head && end.empty() && passed == used) {
      begin.append(text, at, character.bytes);
      used += columns;
    } else if (passed >= whole - tail) {
      end.append(text, at, character.bytes);
    }
    passed += columns;
    at += character.bytes;
  }
  return begin + "…" + end;
}

bool is_plain_text(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const Character character = decode(bytes, at);
    const bool line = bytes[at] == '\n' || bytes[at] == '\t' || bytes[at] == '\r';
    const bool control = character.code < 0x20 || (character.code >= 0x7F && character.code < 0xA0);
    if (!character.valid || (control && !line)) return false;
    at += character.bytes;
  }
  return true;
}

}  // namespace kedge::cli
