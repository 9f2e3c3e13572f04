#include "extract/charset.h"

#include <uchardet/uchardet.h>
#include <unicode/ucnv.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "base/strings.h"

namespace kedge {
namespace {

using Converter = std::unique_ptr<UConverter, decltype(&ucnv_close)>;

std::uint8_t byte_at(ByteView raw, std::size_t at) {
  return std::to_integer<std::uint8_t>(raw[at]);
}

// ICU's macro narrows on purpose; the warning is its own.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
// The next code point, negative for one maximal broken sequence; `at` moves behind it.
UChar32 next_utf8(const char* data, std::int32_t size, std::int32_t& at) {
  UChar32 c = 0;
  U8_NEXT(data, at, size, c);
  return c;
}
#pragma GCC diagnostic pop

struct Utf8Census {
  std::size_t multibyte = 0;
  std::size_t broken = 0;
  std::size_t nuls = 0;
};

Utf8Census census_utf8(ByteView raw) {
  Utf8Census census;
  const std::string_view text = as_text(raw);
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    const auto lead = static_cast<unsigned char>(text[static_cast<std::size_t>(at)]);
    if (lead != 0 && lead < 0x80) {
      ++at;
      continue;
    }
    const UChar32 c = next_utf8(text.data(), size, at);
    if (c == 0) ++census.nuls;
    if (c < 0) ++census.broken;
    if (c > 0) ++census.multibyte;
  }
  return census;
}

struct ByteOrderMark {
  std::string_view bytes;
  const char* charset;
};

// UTF-32LE before UTF-16LE: its mark begins with the other's.
constexpr std::array<ByteOrderMark, 5> kMarks = {{
    {{"\xEF\xBB\xBF", 3}, "UTF-8"},
    {{"\xFF\xFE\0\0", 4}, "UTF-32LE"},
    {{"\0\0\xFE\xFF", 4}, "UTF-32BE"},
    {{"\xFF\xFE", 2}, "UTF-16LE"},
    {{"\xFE\xFF", 2}, "UTF-16BE"},
}};

// Text in UTF-16 or UTF-32 has most of its zero bytes at one place of each unit; "" where there is
// no such pattern.
std::string wide_charset(ByteView raw) {
  const ByteView head = raw.first(std::min(raw.size(), kMaxSniffBytes) & ~std::size_t{3});
  std::array<std::size_t, 4> zeros{};
  for (std::size_t i = 0; i < head.size(); ++i) zeros[i % 4] += byte_at(head, i) == 0;
  const std::size_t units = head.size() / 4;
  if (units < 2) return "";
  const auto most = [units](std::size_t count) { return count * 10 >= units * 7; };
  const auto few = [units](std::size_t count) { return count * 10 <= units; };
  if (most(zeros[1]) && most(zeros[2]) && most(zeros[3]) && few(zeros[0])) return "UTF-32LE";
  if (most(zeros[0]) && most(zeros[1]) && most(zeros[2]) && few(zeros[3])) return "UTF-32BE";
  if (most(zeros[1]) && most(zeros[3]) && few(zeros[0]) && few(zeros[2])) return "UTF-16LE";
  if (most(zeros[0]) && most(zeros[2]) && few(zeros[1]) && few(zeros[3])) return "UTF-16BE";
  return "";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// The names that the web uses for more than they say, as browsers read them.
std::string canonical(std::string_view name) {
  const std::string key = lower(name);
  static constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
      {"iso-8859-1", "windows-1252"},
      {"latin1", "windows-1252"},
      {"us-ascii", "windows-1252"},
      {"ascii", "windows-1252"},
      {"gb2312", "gb18030"},
      {"gbk", "gb18030"},
      {"shift_jis", "windows-31j"},
      {"sjis", "windows-31j"},
      {"euc-kr", "windows-949"},
      {"uhc", "windows-949"},
      {"utf-16", "UTF-8"},
      {"utf8", "UTF-8"},
      {"utf-8", "UTF-8"},
      {"mac-cyrillic", "x-mac-cyrillic"},
      {"tis-620", "windows-874"}};
  for (const auto& [alias, target] : kAliases) {
    if (key == alias) return std::string(target);
  }
  return key.starts_with("windows-") ? key : std::string(name);
}

bool has_shift_states(UConverter* converter) {
  switch (ucnv_getType(converter)) {
    case UCNV_SBCS:
    case UCNV_MBCS:
    case UCNV_LATIN_1:
    case UCNV_US_ASCII:
    case UCNV_UTF8:
      return false;
    default:
      return true;
  }
}

Converter open_converter(const std::string& charset) {
  UErrorCode status = U_ZERO_ERROR;
  Converter converter(ucnv_open(charset.c_str(), &status), &ucnv_close);
  if (U_FAILURE(status)) converter.reset();
  // Broken sequences are for decode() to see, which replaces them itself.
  if (converter)
    ucnv_setToUCallBack(converter.get(), UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr,
                        &status);
  return converter;
}

bool usable(const std::string& charset) {
  const Converter converter =
      charset.empty() ? Converter(nullptr, &ucnv_close) : open_converter(charset);
  return converter && !has_shift_states(converter.get());
}

// The value of charset= in the first bytes of HTML, "" if none that can be used.
std::string meta_charset(ByteView raw) {
  constexpr std::size_t kMaxPrescan = 4096;
  const std::string head = lower(as_text(raw.first(std::min(raw.size(), kMaxPrescan))));
  for (std::size_t at = head.find("<meta"); at != std::string::npos;
       at = head.find("<meta", at + 1)) {
    const std::size_t end = head.find('>', at);
    const std::size_t name = head.find("charset", at);
    if (end == std::string::npos || name == std::string::npos || name > end) continue;
    std::size_t value = head.find_first_not_of(" \t\r\n\f", name + 7);
    if (value == std::string::npos || head[value] != '=') continue;
    value = head.find_first_not_of(" \t\r\n\f\"'", value + 1);
    if (value == std::string::npos || value > end) continue;
    const std::size_t stop = std::min(end, head.find_first_of(" \t\r\n\f\"';/>", value));
    std::string charset = canonical(std::string_view(head).substr(value, stop - value));
    if (usable(charset)) return charset;
  }
  return "";
}

std::string guess_by_uchardet(ByteView raw) {
  const std::unique_ptr<uchardet, decltype(&uchardet_delete)> detector(uchardet_new(),
                                                                       &uchardet_delete);
  const std::string_view head = as_text(raw.first(std::min(raw.size(), kMaxSniffBytes * 4)));
  if (uchardet_handle_data(detector.get(), head.data(), head.size()) != 0) return "";
  uchardet_data_end(detector.get());
  std::string charset = canonical(uchardet_get_charset(detector.get()));
  return charset != "UTF-8" && usable(charset) ? charset : "";
}

Decoded decode_utf8(std::string_view text) {
  const Utf8Census census = census_utf8(as_bytes(text));
  if (census.broken == 0 && census.nuls == 0) return Decoded::identity(text);
  Decoded decoded;
  decoded.reserve(text.size());
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < size;) {
    const std::int32_t begin = at;
    const UChar32 c = next_utf8(text.data(), size, at);
    decoded.add(c, static_cast<std::uint32_t>(at - begin));
  }
  return decoded;
}

Decoded decode_utf16(ByteView raw, bool big) {
  Decoded decoded;
  decoded.reserve(raw.size());
  const auto unit = [&](std::size_t at) {
    return big ? byte_at(raw, at) * 256 + byte_at(raw, at + 1)
               : byte_at(raw, at + 1) * 256 + byte_at(raw, at);
  };
  std::size_t at = 0;
  while (at + 2 <= raw.size()) {
    const std::int32_t first = unit(at);
    const bool lead = first >= 0xD800 && first < 0xDC00 && at + 4 <= raw.size();
    const std::int32_t second = lead ? unit(at + 2) : 0;
    if (lead && second >= 0xDC00 && second < 0xE000) {
      decoded.add(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), 4);
      at += 4;
    } else {
      decoded.add(first, 2);
      at += 2;
    }
  }
  if (at < raw.size()) decoded.add(-1, static_cast<std::uint32_t>(raw.size() - at));
  return decoded;
}

Decoded decode_utf32(ByteView raw, bool big) {
  Decoded decoded;
  decoded.reserve(raw.size() / 2);
  std::size_t at = 0;
  for (; at + 4 <= raw.size(); at += 4) {
    std::uint32_t c = 0;
    for (std::size_t i = 0; i < 4; ++i) c = c << 8 | byte_at(raw, at + (big ? i : 3 - i));
    decoded.add(c > 0x10FFFF ? -1 : static_cast<std::int32_t>(c), 4);
  }
  if (at < raw.size()) decoded.add(-1, static_cast<std::uint32_t>(raw.size() - at));
  return decoded;
}

// One call a character: slow beside a bulk conversion, but exact about which bytes made which
// character. Of a broken sequence one byte is given up and the next looked at anew: how many bytes
// ICU would skip depends on what lies behind them, and a span may end there.
Decoded decode_by_icu(std::string_view text, UConverter* converter) {
  Decoded decoded;
  decoded.reserve(text.size() * 2);
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    const char* const begin = at;
    UErrorCode status = U_ZERO_ERROR;
    const UChar32 c = ucnv_getNextUChar(converter, &at, end, &status);
    // Only when what one sequence made is used up, several characters in some charsets.
    if (status == U_INDEX_OUTOFBOUNDS_ERROR || (U_FAILURE(status) && begin == end)) break;
    if (U_FAILURE(status)) {
      ucnv_resetToUnicode(converter);
      // A whole sequence that stands for nothing is one character; whatever else, a byte.
      if (status != U_INVALID_CHAR_FOUND || at == begin) at = begin + 1;
    }
    decoded.add(U_FAILURE(status) ? -1 : c, static_cast<std::uint32_t>(at - begin));
  }
  return decoded;
}

Decoded decode_single_byte(ByteView raw, UConverter* converter) {
  std::array<std::int32_t, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    const char byte = static_cast<char>(i);
    const char* at = &byte;
    UErrorCode status = U_ZERO_ERROR;
    ucnv_resetToUnicode(converter);
    const UChar32 c = ucnv_getNextUChar(converter, &at, at + 1, &status);
    table[i] = U_FAILURE(status) ? -1 : c;
  }
  Decoded decoded;
  decoded.reserve(raw.size() + raw.size() / 8);
  for (const std::byte b : raw) decoded.add(table[std::to_integer<std::size_t>(b)], 1);
  return decoded;
}

}  // namespace

CharsetGuess detect_charset(ByteView raw, bool html) {
  for (const ByteOrderMark& mark : kMarks) {
    if (as_text(raw).starts_with(mark.bytes)) return {mark.charset, mark.bytes.size()};
  }
  const std::string wide = wide_charset(raw);
  if (!wide.empty()) return {wide, 0};
  const Utf8Census census = census_utf8(raw);
  if (census.broken == 0) return {"UTF-8", 0};
  if (html) {
    const std::string charset = meta_charset(raw);
    if (!charset.empty()) return {charset, 0};
  }
  // A damaged spot in a text that is UTF-8 everywhere else must not turn all of it into another
  // charset.
  if (census.multibyte >= 4 * census.broken) return {"UTF-8", 0};
  const std::string guess = guess_by_uchardet(raw);
  return {guess.empty() ? "windows-1252" : guess, 0};
}

Result<Decoded> decode(ByteView raw, const std::string& charset) {
  if (charset == "UTF-8") return decode_utf8(as_text(raw));
  if (charset == "UTF-16LE" || charset == "UTF-16BE")
    return decode_utf16(raw, charset == "UTF-16BE");
  if (charset == "UTF-32LE" || charset == "UTF-32BE")
    return decode_utf32(raw, charset == "UTF-32BE");
  const Converter converter =
      charset.empty() ? Converter(nullptr, &ucnv_close) : open_converter(charset);
  if (!converter) return {Code::kInvalid, str_cat("unknown charset '", printable(charset), "'")};
  if (has_shift_states(converter.get())) {
    return {Code::kUnsupported,
            str_cat("charset '", printable(charset), "' has shift states and is not read")};
  }
  if (ucnv_getMaxCharSize(converter.get()) == 1) return decode_single_byte(raw, converter.get());
  return decode_by_icu(as_text(raw), converter.get());
}

}  // namespace kedge
