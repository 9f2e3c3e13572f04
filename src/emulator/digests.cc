#include "emulator/digests.h"

#include <openssl/evp.h>

#include "base/hash.h"

namespace kedge::emulator {
namespace {

// Table k is the effect of a byte that is followed by k zero bytes: eight bytes a step.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;
constexpr CrcTables make_crc_tables() {
  CrcTables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320U : 0U);
    tables[0][i] = value;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t i = 0; i < 256; ++i)
      tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xFF];
  }
  return tables;
}
constexpr CrcTables kCrc = make_crc_tables();

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

template <typename Digest>
Digest digest(const EVP_MD* kind, ByteView bytes) {
  Digest out{};
  unsigned size = 0;
  KEDGE_CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()),
                         &size, kind, nullptr) == 1 &&
              size == out.size());
  return out;
}

}  // namespace

Md5 md5(ByteView bytes) { return digest<Md5>(EVP_md5(), bytes); }

std::uint32_t crc32(ByteView bytes) {
  std::uint32_t crc = ~0U;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::array<std::uint32_t, 2> word{};
    std::memcpy(word.data(), bytes.data() + i, 8);
    const std::uint32_t a = word[0] ^ crc;
    const std::uint32_t b = word[1];
    crc = kCrc[7][a & 0xFF] ^ kCrc[6][(a >> 8) & 0xFF] ^ kCrc[5][(a >> 16) & 0xFF] ^
          kCrc[4][a >> 24] ^ kCrc[3][b & 0xFF] ^ kCrc[2][(b >> 8) & 0xFF] ^
          kCrc[1][(b >> 16) & 0xFF] ^ kCrc[0][b >> 24];
  }
  for (; i < bytes.size(); ++i)
    crc = (crc >> 8) ^ kCrc[0][(crc ^ std::to_integer<std::uint32_t>(bytes[i])) & 0xFF];
  return ~crc;
}

std::string to_base64(ByteView bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group =
          group << 8 | (i + k < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k < 4; ++k)
      out += i + k <= bytes.size() ? kBase64[(group >> (18 - 6 * k)) & 63] : '=';
  }
  return out;
}

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  Bytes out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    std::size_t padding = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const bool pad = text[i + k] == '=';
      const std::size_t value = pad ? 0 : kBase64.find(text[i + k]);
      if (value == std::string_view::npos || (pad && (i + 4 != text.size() || k < 2))) return {};
      if (!pad && padding > 0) return {};
      padding += pad ? 1 : 0;
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    for (std::size_t k = 0; k + padding < 3; ++k)
      out.push_back(static_cast<std::byte>(group >> (16 - 8 * k)));
  }
  return out;
}

std::string sum_text(std::uint32_t sum) {
  std::array<std::byte, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(sum >> (24 - 8 * i));
  return to_base64(bytes);
}

std::optional<std::string> checksum_of(std::string_view algorithm, ByteView bytes) {
  if (algorithm == "crc32") return sum_text(crc32(bytes));
  if (algorithm == "crc32c") return sum_text(crc32c(bytes));
  if (algorithm == "sha256") return to_base64(sha256(bytes));
  if (algorithm == "sha1") return to_base64(digest<std::array<std::byte, 20>>(EVP_sha1(), bytes));
  return {};
}

}  // namespace kedge::emulator
