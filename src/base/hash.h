// Checksums and hashes. CRC-32C guards bytes against accidents; SHA-256 names content; XXH3-128
// makes tags and key hashes.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/random.h"

namespace kedge {

// 128 bits, as a value: file ids, commit ids, chunk and input hashes.
struct Id128 {
  std::array<std::byte, 16> bytes{};
  bool operator==(const Id128&) const = default;
  // As its bytes, and its digits, sort.
  friend std::strong_ordering operator<=>(const Id128& a, const Id128& b) {
    const auto part = [](const Id128& id, std::size_t at) {
      std::uint64_t value = 0;
      std::memcpy(&value, id.bytes.data() + at, sizeof value);
      return __builtin_bswap64(value);  // little-endian: bytes.h
    };
    const std::strong_ordering high = part(a, 0) <=> part(b, 0);
    return high != 0 ? high : part(a, 8) <=> part(b, 8);
  }
  [[nodiscard]] std::string hex() const { return to_hex_text(bytes); }
  [[nodiscard]] bool is_zero() const { return *this == Id128{}; }
  static Id128 random(Random& random);
  // 32 lower-case hexadecimal digits, else kInvalid.
  static Result<Id128> parse(std::string_view hex);

 private:
  static std::string to_hex_text(ByteView bytes);
};

using Sha256 = std::array<std::byte, 32>;

// CRC-32C (Castagnoli), as in RFC 3720. `crc` continues an earlier call.
std::uint32_t crc32c(ByteView bytes, std::uint32_t crc = 0);

Sha256 sha256(ByteView bytes);
// The first 128 bits of SHA-256.
Id128 sha256_128(ByteView bytes);

// SHA-256 in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void update(ByteView bytes);
  Sha256 finish();  // ends the stream

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Id128 xxh3_128(ByteView bytes);

// XXH3-128 in pieces.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();
  Xxh3Stream(const Xxh3Stream&) = delete;
  Xxh3Stream& operator=(const Xxh3Stream&) = delete;
  void update(ByteView bytes);
  [[nodiscard]] Id128 finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kedge
