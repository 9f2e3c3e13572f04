// Codes are written once and copied by every merge: a bit in the wrong place would be found
// nowhere.
#include "ann/code_block.h"

#include <gtest/gtest.h>

#include <vector>

#include "ann/testing.h"

namespace kedge {
namespace {

EncodedRow random_row(Normal& normal, std::size_t groups) {
  EncodedRow row;
  row.bits.resize(groups / 2);
  for (std::byte& byte : row.bits) byte = static_cast<std::byte>(normal.below(256));
  row.add = normal();
  row.rescale = static_cast<std::uint16_t>(normal.below(65536));
  row.error = static_cast<std::uint16_t>(normal.below(65536));
  return row;
}

void expect_row(const std::byte* block, std::size_t groups, std::uint32_t slot,
                const EncodedRow& row, std::uint32_t object) {
  std::vector<std::byte> bits(groups / 2);
  get_bits(block, groups, slot, bits.data());
  EXPECT_EQ(bits, row.bits) << slot;
  EXPECT_EQ(get_add(block, groups, slot), row.add) << slot;
  EXPECT_EQ(get_rescale(block, groups, slot), row.rescale) << slot;
  EXPECT_EQ(get_error(block, groups, slot), row.error) << slot;
  EXPECT_EQ(get_object(block, groups, slot), object) << slot;
}

TEST(CodeBlock, GivesBackWhatWasPut) {
  for (const std::size_t groups : {16U, 96U, 384U}) {
    Normal normal(groups);
    std::vector<std::byte> block(code_block_bytes(groups));
    std::vector<EncodedRow> rows;
    for (std::uint32_t slot = 0; slot < kBlockRows; ++slot) {
      rows.push_back(random_row(normal, groups));
      put_codes(block.data(), groups, slot, rows[slot], 1000 + slot);
    }
    for (std::uint32_t slot = 0; slot < kBlockRows; ++slot) {
      expect_row(block.data(), groups, slot, rows[slot], 1000 + slot);
    }
    // Backwards, as a merge might, and with other objects.
    std::vector<std::byte> other(code_block_bytes(groups));
    for (std::uint32_t slot = 0; slot < kBlockRows; ++slot) {
      copy_row(block.data(), slot, other.data(), 31 - slot, groups);
      put_object(other.data(), groups, 31 - slot, slot);
    }
    for (std::uint32_t slot = 0; slot < kBlockRows; ++slot) {
      expect_row(other.data(), groups, 31 - slot, rows[slot], slot);
    }
  }
}

// The layout is the format: a nibble of four dimensions, rows 16 apart in one byte.
TEST(CodeBlock, LiesAsTheScanReadsIt) {
  EncodedRow row;
  row.bits.assign(8, std::byte{0});
  row.bits[0] = std::byte{0xA5};  // groups 0 and 1: 5, 10
  row.bits[7] = std::byte{0xC3};  // groups 14 and 15: 3, 12
  std::vector<std::byte> block(code_block_bytes(16));
  put_codes(block.data(), 16, 2, row, 7);
  put_codes(block.data(), 16, 18, row, 8);
  EXPECT_EQ(block[2], std::byte{0x55});
  EXPECT_EQ(block[16 + 2], std::byte{0xAA});
  EXPECT_EQ(block[14 * 16 + 2], std::byte{0x33});
  EXPECT_EQ(block[15 * 16 + 2], std::byte{0xCC});
  EXPECT_EQ(block[256 + 256 + 4 * 18], std::byte{8});
  EXPECT_EQ(code_block_bytes(96), 1920U);
  EXPECT_EQ(code_blocks_bytes(33, 96), 3840U);
  EXPECT_EQ(code_blocks_bytes(0, 96), 0U);
}

}  // namespace
}  // namespace kedge
