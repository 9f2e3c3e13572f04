#include "base/hash.h"

#include <nmmintrin.h>
#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>

#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78U : 0U);
    table[i] = value;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

[[gnu::target("sse4.2")]] std::uint32_t crc32c_sse42(ByteView bytes, std::uint32_t crc) {
  std::uint64_t wide = crc;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; i < bytes.size(); ++i)
    narrow = _mm_crc32_u8(narrow, std::to_integer<unsigned char>(bytes[i]));
  return narrow;
}

std::uint32_t crc32c_table(ByteView bytes, std::uint32_t crc) {
  for (const std::byte b : bytes)
    crc = kCrcTable[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFF] ^ (crc >> 8);
  return crc;
}

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t crc) {
  static const bool fast = __builtin_cpu_supports("sse4.2") != 0;
  return ~(fast ? crc32c_sse42(bytes, ~crc) : crc32c_table(bytes, ~crc));
}

struct Sha256Stream::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    // Fetched once: by its name it is looked for each time, under a lock.
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    KEDGE_CHECK(context != nullptr && algorithm != nullptr &&
                EVP_DigestInit_ex(context, algorithm, nullptr) == 1);
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;

void Sha256Stream::update(ByteView bytes) {
  KEDGE_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Sha256 Sha256Stream::finish() {
  Sha256 out{};
  KEDGE_CHECK(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(out.data()),
                                 nullptr) == 1);
  return out;
}

Sha256 sha256(ByteView bytes) {
  Sha256Stream stream;
  stream.update(bytes);
  return stream.finish();
}

Id128 sha256_128(ByteView bytes) {
  const Sha256 full = sha256(bytes);
  Id128 out;
  std::copy_n(full.begin(), out.bytes.size(), out.bytes.begin());
  return out;
}

namespace {

Id128 canonical_id(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Id128 out;
  std::memcpy(out.bytes.data(), canonical.digest, out.bytes.size());
  return out;
}

}  // namespace

Id128 xxh3_128(ByteView bytes) { return canonical_id(XXH3_128bits(bytes.data(), bytes.size())); }

struct Xxh3Stream::State {
  XXH3_state_t* hash = XXH3_createState();
  State() { KEDGE_CHECK(hash != nullptr && XXH3_128bits_reset(hash) == XXH_OK); }
  ~State() { XXH3_freeState(hash); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Xxh3Stream::Xxh3Stream() : state_(std::make_unique<State>()) {}
Xxh3Stream::~Xxh3Stream() = default;

void Xxh3Stream::update(ByteView bytes) {
  KEDGE_CHECK(XXH3_128bits_update(state_->hash, bytes.data(), bytes.size()) == XXH_OK);
}

Id128 Xxh3Stream::finish() const { return canonical_id(XXH3_128bits_digest(state_->hash)); }

Id128 Id128::random(Random& random) {
  Id128 out;
  const std::uint64_t words[2] = {random.next(), random.next()};
  std::memcpy(out.bytes.data(), words, sizeof words);
  return out;
}

Result<Id128> Id128::parse(std::string_view hex) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  if (hex.size() != 32)
    return {Code::kInvalid, str_cat("not a 128-bit id: '", printable(hex), "'")};
  Id128 out;
  for (std::size_t i = 0; i < out.bytes.size(); ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0)
      return {Code::kInvalid, str_cat("not a 128-bit id: '", printable(hex), "'")};
    out.bytes[i] = static_cast<std::byte>(high * 16 + low);
  }
  return out;
}

std::string Id128::to_hex_text(ByteView bytes) { return to_hex(bytes); }

}  // namespace kedge
