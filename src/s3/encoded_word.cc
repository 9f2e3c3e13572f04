#include "s3/encoded_word.h"

#include <cstdint>
#include <optional>

#include "base/utf8.h"

namespace kedge {
namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xFFFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

std::optional<std::string> from_quoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i] == '_' ? ' ' : text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const auto high = hex_digit(text[i + 1]);
    const auto low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high << 4 | *low);
    i += 2;
  }
  return out;
}

// Takes the first word off `text`.
std::optional<std::string> take_word(std::string_view& text) {
  constexpr std::string_view kCharset = "=?utf-8?";
  constexpr std::size_t kBegin = kCharset.size() + 2;  // and "B?"
  if (text.size() < kBegin) return std::nullopt;
  for (std::size_t i = 0; i < kCharset.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != kCharset[i]) return std::nullopt;
  }
  const char encoding = static_cast<char>(text[kCharset.size()] | 0x20);
  const std::size_t end = text.find("?=", kBegin);
  if (text[kBegin - 1] != '?' || end == std::string_view::npos) return std::nullopt;
  const std::string_view body = text.substr(kBegin, end - kBegin);
  text.remove_prefix(end + 2);
  if (encoding == 'b') return from_base64(body);
  if (encoding == 'q') return from_quoted(body);
  return std::nullopt;
}

}  // namespace

std::string decode_words(std::string_view value) {
  std::string out;
  std::string_view rest = value;
  while (!rest.empty()) {
    const std::optional<std::string> word = take_word(rest);
    if (!word) return std::string(value);
    out += *word;
    // Space between words is not part of what they say.
    while (rest.starts_with(' ') || rest.starts_with('\t')) rest.remove_prefix(1);
  }
  return find_invalid_utf8(out) ? std::string(value) : out;
}

}  // namespace kedge
