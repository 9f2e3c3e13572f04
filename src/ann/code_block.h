// Blocks of 32 rows in the layout that Kernels::scan_codes reads: for every group of 4 dimensions
// 16 bytes (low nibble of byte j: row j, high: row j + 16), then add f32 x 32, rescale f16 x 32,
// error f16 x 32, object u32 x 32. groups = P / 4, even.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ann/rabitq.h"

namespace kedge {

constexpr std::size_t code_block_bytes(std::size_t groups) {
  return groups * 16 + kBlockFactorBytes;
}
// For `rows` rows; the last block is whole.
constexpr std::size_t code_blocks_bytes(std::size_t rows, std::size_t groups) {
  return (rows + kBlockRows - 1) / kBlockRows * code_block_bytes(groups);
}

// slot: 0 to 31. `block` is a whole block whose slot is still zero.
void put_codes(std::byte* block, std::size_t groups, std::uint32_t slot, const EncodedRow& row,
               std::uint32_t object);

// The row's P / 8 bytes as EncodedRow::bits has them.
void get_bits(const std::byte* block, std::size_t groups, std::uint32_t slot, std::byte* bits);
float get_add(const std::byte* block, std::size_t groups, std::uint32_t slot);
std::uint16_t get_rescale(const std::byte* block, std::size_t groups, std::uint32_t slot);
std::uint16_t get_error(const std::byte* block, std::size_t groups, std::uint32_t slot);
std::uint32_t get_object(const std::byte* block, std::size_t groups, std::uint32_t slot);
void put_object(std::byte* block, std::size_t groups, std::uint32_t slot, std::uint32_t object);
// From one slot to a zero one, object included, without decoding: for merges.
void copy_row(const std::byte* from, std::uint32_t from_slot, std::byte* to, std::uint32_t to_slot,
              std::size_t groups);

}  // namespace kedge
