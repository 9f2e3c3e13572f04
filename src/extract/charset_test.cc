// Decoding: what a span of bytes means does not depend on what lies before and behind it.
#include "extract/charset.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::string_view kCharsets[] = {
    "UTF-8",       "UTF-16LE",    "UTF-16BE", "UTF-32LE", "UTF-32BE",   "windows-1252", "gb18030",
    "windows-31j", "windows-949", "EUC-JP",   "Big5",     "Big5-HKSCS", "EUC-TW"};

// Bytes that make whole, broken and cut sequences of all lengths likely.
std::string random_bytes(Random& random, std::size_t size) {
  static constexpr unsigned char kLikely[] = {0x00, 0x0A, 0x20, 0x30, 0x36, 0x40, 0x7E, 0x80,
                                              0x81, 0x84, 0x88, 0x8E, 0x8F, 0xA1, 0xA4, 0xC3,
                                              0xE2, 0xF0, 0xFE, 0xFF, 0xD8, 0xDC, 0x62, 0x66};
  std::string out;
  while (out.size() < size) {
    const std::uint64_t byte =
        random.below(3) == 0 ? random.below(256) : kLikely[random.below(std::size(kLikely))];
    out += static_cast<char>(byte);
  }
  return out;
}

std::string decoded_text(std::string_view raw, const std::string& charset) {
  const auto decoded = decode(as_bytes(raw), charset);
  EXPECT_TRUE(decoded.ok()) << charset << ": " << decoded.error().message;
  // An identity keeps NULs, and never mixes with what is not one here.
  return decoded.ok() ? std::string(decoded->text()) : "";
}

// A span of an object begins and ends at a character of the whole: it must decode to the same text
// there, broken sequences too.
TEST(Charset, ASpanDecodesAsItDidInTheWhole) {
  for (const std::string_view name : kCharsets) {
    const std::string charset(name);
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      SeededRandom random(seed);
      const std::string raw = random_bytes(random, 40);
      const auto whole = decode(as_bytes(raw), charset);
      ASSERT_TRUE(whole.ok()) << charset << ": " << whole.error().message;
      const std::string_view text = whole->text();
      for (std::size_t at = 1; at < text.size(); ++at) {
        const std::uint64_t offset = whole->raw_offset(at);
        ASSERT_LE(offset, raw.size());
        if (offset == whole->raw_offset(at - 1)) continue;  // within what one sequence made
        ASSERT_EQ(decoded_text(raw.substr(0, offset), charset), text.substr(0, at))
            << charset << ", seed " << seed << ", end " << offset << ", " << to_hex(as_bytes(raw));
        ASSERT_EQ(decoded_text(raw.substr(offset), charset), text.substr(at))
            << charset << ", seed " << seed << ", begin " << offset << ", "
            << to_hex(as_bytes(raw));
      }
    }
  }
}

}  // namespace
}  // namespace kedge
