// The rules of the opening file, each broken on its own.
#include "format/opening.h"

#include <gtest/gtest.h>

#include "format/format_test_data.h"
#include "format/hostile_test.h"

namespace kedge {
namespace {

std::vector<OpeningBlock> blocks_of(std::span<const Bytes> bodies) {
  std::vector<OpeningBlock> out;
  for (std::size_t b = 0; b < bodies.size(); ++b)
    out.push_back({.file = test::number_id(static_cast<std::uint8_t>(1 + b / 2)),
                   .offset = 64 * (b % 2),
                   .crc = crc32c(bodies[b]),
                   .bytes = bodies[b]});
  return out;
}

Status parse(ByteView bytes) {
  const auto blocks = parse_opening(bytes);
  return blocks.ok() ? Status() : Status(blocks.error());
}

constexpr std::size_t kTableOfThree = 16 + 3 * 32;

void reseal(Bytes& bytes) {
  const std::uint32_t crc = crc32c(ByteView(bytes).first(kTableOfThree));
  std::memcpy(bytes.data() + kTableOfThree, &crc, sizeof crc);
}

TEST(Opening, ReadsBackWhatWasWritten) {
  const std::vector<Bytes> bodies = {to_bytes("first"), to_bytes("x"), to_bytes("the third")};
  for (std::size_t count = 0; count <= bodies.size(); ++count) {
    const std::vector<OpeningBlock> blocks = blocks_of(std::span(bodies).first(count));
    const Bytes file = encode_opening(blocks);
    const auto read = parse_opening(file);
    ASSERT_TRUE(read.ok()) << read.error().message;
    ASSERT_EQ(read->size(), count);
    for (std::size_t b = 0; b < count; ++b) {
      EXPECT_EQ((*read)[b].file, blocks[b].file);
      EXPECT_EQ((*read)[b].offset, blocks[b].offset);
      EXPECT_EQ((*read)[b].crc, blocks[b].crc);
      EXPECT_TRUE(std::ranges::equal((*read)[b].bytes, bodies[b]));
    }
  }
}

TEST(Opening, RefusesEachBrokenRule) {
  const std::vector<Bytes> bodies = {to_bytes("first"), to_bytes("x"), to_bytes("the third")};
  const Bytes good = encode_opening(blocks_of(bodies));
  test::expect_each_refused(good,
                            {{0, 'X', 1, "wrong magic"},
                             {4, 2, 2, "version 2 is not known"},
                             {6, 1, 2, "reserved bytes are not zero at offset 6"},
                             {8, 1025, 4, "count out of range at offset 8"},
                             {8, 1000, 4, "cut short"},
                             {12, 1, 4, "reserved bytes are not zero at offset 12"},
                             {16, 9, 1, "blocks are not increasing at offset 48"},
                             {16 + 32 + 16, 0, 8, "blocks are not increasing at offset 48"},
                             {16 + 24, 0, 4, "bad size of a block at offset 16"},
                             {16 + 24, 1000, 4, "bad size of a block at offset 16"},
                             {16 + 24, 4, 4, "bytes behind the blocks"},
                             {16 + 64 + 24, 10, 4, "bad size of a block at offset 80"}},
                            parse, reseal);
}

TEST(Opening, SeesEveryFlippedBitOfItsTable) {
  const std::vector<Bytes> bodies = {to_bytes("first"), to_bytes("x"), to_bytes("the third")};
  const Bytes good = encode_opening(blocks_of(bodies));
  for (std::size_t bit = 0; bit < (kTableOfThree + 4) * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(parse(bad).ok()) << "bit " << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse(ByteView(good).first(size)).ok()) << size << " bytes";
}

}  // namespace
}  // namespace kedge
