// The encodings that pages share: one way to write a value, every other refused.
#include "format/page.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"

namespace kedge {
namespace {

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(Varint, HasOneEncodingForEachValue) {
  std::vector<std::uint64_t> values = {0, 1, 127, 128, 16'383, 16'384, UINT64_MAX, UINT64_MAX - 1};
  SeededRandom random(1);
  for (int i = 0; i < 1000; ++i) values.push_back(random.next() >> random.below(64));
  for (const std::uint64_t value : values) {
    ByteWriter out;
    put_varint(out, value);
    ByteReader in(out.view());
    EXPECT_EQ(get_varint(in), value);
    EXPECT_TRUE(in.ok() && in.remaining() == 0) << value;
    for (std::size_t cut = 0; cut < out.size(); ++cut) {
      ByteReader part(out.view().first(cut));
      (void)get_varint(part);
      EXPECT_FALSE(part.ok()) << value << " cut at " << cut;
    }
  }
  const Bytes bad[] = {
      bytes_of({0x80, 0x00}), bytes_of({0xFF, 0x80, 0x00}),
      bytes_of({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02}),
      bytes_of({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01})};
  for (const Bytes& bytes : bad) {
    ByteReader in(bytes);
    (void)get_varint(in);
    EXPECT_FALSE(in.ok()) << to_hex(bytes);
  }
  const Bytes seven = bytes_of({7});
  ByteReader in(seven);
  (void)get_varint(in, 6);
  EXPECT_FALSE(in.ok());
}

TEST(Zigzag, KeepsSmallSizesShort) {
  const std::pair<std::int64_t, std::uint64_t> cases[] = {
      {0, 0},
      {-1, 1},
      {1, 2},
      {-2, 3},
      {std::numeric_limits<std::int64_t>::max(), UINT64_MAX - 1},
      {std::numeric_limits<std::int64_t>::min(), UINT64_MAX}};
  for (const auto& [value, expected] : cases) {
    ByteWriter out;
    put_zigzag(out, value);
    ByteReader raw(out.view());
    EXPECT_EQ(get_varint(raw), expected);
    ByteReader in(out.view());
    EXPECT_EQ(get_zigzag(in), value);
  }
}

TEST(CheckPadding, TakesOnlyZerosToTheNextMultiple) {
  const struct {
    std::size_t read;
    std::size_t size;
    int last;
    bool ok;
  } cases[] = {{64, 64, 0, true},   {1, 64, 0, true},    {1, 64, 1, false}, {1, 63, 0, false},
               {64, 128, 0, false}, {63, 128, 0, false}, {65, 128, 0, true}};
  for (const auto& c : cases) {
    Bytes bytes(c.size);
    bytes.back() = static_cast<std::byte>(c.last);
    ByteReader in(bytes);
    in.get_bytes(c.read);
    EXPECT_EQ(check_padding(in, "page").ok(), c.ok) << c.read << " of " << c.size;
  }
}

}  // namespace
}  // namespace kedge
