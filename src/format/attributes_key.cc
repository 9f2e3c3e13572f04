// Keys of the attributes plane: scope u8; the name, each byte zero of it followed by 0xFF; 0x00
// 0x01; kind u8 (0 presence, 1 boolean, 2 number, 3 text); the value. A boolean is 0 or 1, a number
// the 8 big-endian bytes of its bits, whose sign is turned over, or all of them where it is
// negative, so that bytes are in the order of numbers.
#include "format/attributes_key.h"

#include <bit>
#include <cmath>
#include <utility>

#include "format/attributes.h"

namespace kedge {

std::uint64_t ordered_bits(double number) {
  const auto bits = std::bit_cast<std::uint64_t>(number + 0.0);
  return (bits >> 63) != 0 ? ~bits : bits | (std::uint64_t{1} << 63);
}

std::string key_of_bits(std::string attribute, std::uint64_t bits) {
  attribute += static_cast<char>(AttributeKind::kNumber);
  for (int shift = 56; shift >= 0; shift -= 8)
    attribute += static_cast<char>(static_cast<unsigned char>(bits >> shift));
  return attribute;
}

std::string attribute_key(AttributeScope scope, std::string_view name) {
  std::string out(1, static_cast<char>(scope));
  for (const char c : name) {
    out += c;
    if (c == '\0') out += '\xFF';
  }
  out += '\0';
  return out += '\1';
}

std::string presence_key(std::string attribute) {
  return attribute += static_cast<char>(AttributeKind::kPresence);
}

std::string boolean_key(std::string attribute, bool value) {
  attribute += static_cast<char>(AttributeKind::kBoolean);
  return attribute += static_cast<char>(value ? 1 : 0);
}

std::string number_key(std::string attribute, double value) {
  return key_of_bits(std::move(attribute), ordered_bits(value));
}

std::string text_key(std::string attribute, std::string_view value) {
  attribute += static_cast<char>(AttributeKind::kText);
  return attribute += value;
}

AttributeRange only(std::string key) {
  std::string end = key;
  end += '\0';
  return {std::move(key), std::move(end)};
}

// The first byte, the scope, is never 0xFF.
AttributeRange beginning_with(std::string prefix) {
  std::string end = prefix;
  while (static_cast<unsigned char>(end.back()) == 0xFF) end.pop_back();
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return {std::move(prefix), std::move(end)};
}

namespace {

// Of the value, behind its kind.
bool is_value(AttributeKind kind, std::string_view value) {
  switch (kind) {
    case AttributeKind::kPresence:
      return value.empty();
    case AttributeKind::kBoolean:
      return value.size() == 1 && static_cast<std::uint8_t>(value[0]) <= 1;
    case AttributeKind::kNumber: {
      if (value.size() != 8) return false;
      std::uint64_t bits = 0;
      for (const char c : value) bits = bits << 8 | static_cast<unsigned char>(c);
      const bool positive = (bits >> 63) != 0;
      const auto number =
          std::bit_cast<double>(positive ? bits & ~(std::uint64_t{1} << 63) : ~bits);
      return std::isfinite(number) && (positive || number != 0);
    }
    case AttributeKind::kText:
      return value.size() <= kMaxMetadataText;
  }
  return false;
}

}  // namespace

std::optional<std::string_view> broken_key_rule(std::string_view key) {
  if (key.empty() || static_cast<std::uint8_t>(key[0]) > 1) return "unknown scope of a key";
  std::size_t name_bytes = 0;
  std::size_t at = 1;
  while (true) {
    const bool zero = at < key.size() && key[at] == '\0';
    if (at + (zero ? 1 : 0) >= key.size()) return "name of a key does not end";
    at += zero ? 2 : 1;
    if (zero && key[at - 1] == '\1') break;
    if (zero && key[at - 1] != '\xFF') return "bad byte behind a zero in the name of a key";
    if (++name_bytes > kMaxMetadataText) return "name of a key is too long";
  }
  if (at == key.size()) return "key without a kind";
  const auto kind = static_cast<AttributeKind>(key[at]);
  if (!is_value(kind, key.substr(at + 1))) return "bad value of a key, or an unknown kind";
  return std::nullopt;
}

}  // namespace kedge
