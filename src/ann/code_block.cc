#include "ann/code_block.h"

#include <cstring>

namespace kedge {
namespace {

constexpr std::size_t kRescaleAt = 128;
constexpr std::size_t kErrorAt = 192;
constexpr std::size_t kObjectAt = 256;

template <typename T>
T load(const std::byte* block, std::size_t groups, std::size_t field, std::uint32_t slot) {
  T value;
  std::memcpy(&value, block + groups * 16 + field + slot * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void save(std::byte* block, std::size_t groups, std::size_t field, std::uint32_t slot, T value) {
  std::memcpy(block + groups * 16 + field + slot * sizeof(T), &value, sizeof(T));
}

unsigned shift_of(std::uint32_t slot) { return slot < 16 ? 0 : 4; }

}  // namespace

void put_codes(std::byte* block, std::size_t groups, std::uint32_t slot, const EncodedRow& row,
               std::uint32_t object) {
  const unsigned shift = shift_of(slot);
  std::byte* at = block + slot % 16;
  for (std::size_t group = 0; group < groups; group += 2, at += 32) {
    const std::byte two = row.bits[group / 2];
    at[0] |= (two & std::byte{15}) << shift;
    at[16] |= (two >> 4) << shift;
  }
  save(block, groups, 0, slot, row.add);
  save(block, groups, kRescaleAt, slot, row.rescale);
  save(block, groups, kErrorAt, slot, row.error);
  save(block, groups, kObjectAt, slot, object);
}

void get_bits(const std::byte* block, std::size_t groups, std::uint32_t slot, std::byte* bits) {
  const unsigned shift = shift_of(slot);
  const std::byte* at = block + slot % 16;
  for (std::size_t group = 0; group < groups; group += 2, at += 32) {
    const std::byte low = (at[0] >> shift) & std::byte{15};
    const std::byte high = (at[16] >> shift) & std::byte{15};
    bits[group / 2] = low | high << 4;
  }
}

float get_add(const std::byte* block, std::size_t groups, std::uint32_t slot) {
  return load<float>(block, groups, 0, slot);
}
std::uint16_t get_rescale(const std::byte* block, std::size_t groups, std::uint32_t slot) {
  return load<std::uint16_t>(block, groups, kRescaleAt, slot);
}
std::uint16_t get_error(const std::byte* block, std::size_t groups, std::uint32_t slot) {
  return load<std::uint16_t>(block, groups, kErrorAt, slot);
}
std::uint32_t get_object(const std::byte* block, std::size_t groups, std::uint32_t slot) {
  return load<std::uint32_t>(block, groups, kObjectAt, slot);
}
void put_object(std::byte* block, std::size_t groups, std::uint32_t slot, std::uint32_t object) {
  save(block, groups, kObjectAt, slot, object);
}

void copy_row(const std::byte* from, std::uint32_t from_slot, std::byte* to, std::uint32_t to_slot,
              std::size_t groups) {
  const unsigned shift = shift_of(from_slot);
  const unsigned to_shift = shift_of(to_slot);
  const std::byte* source = from + from_slot % 16;
  std::byte* target = to + to_slot % 16;
  for (std::size_t group = 0; group < groups; ++group) {
    target[16 * group] |= ((source[16 * group] >> shift) & std::byte{15}) << to_shift;
  }
  save(to, groups, 0, to_slot, get_add(from, groups, from_slot));
  save(to, groups, kRescaleAt, to_slot, get_rescale(from, groups, from_slot));
  save(to, groups, kErrorAt, to_slot, get_error(from, groups, from_slot));
  save(to, groups, kObjectAt, to_slot, get_object(from, groups, from_slot));
}

}  // namespace kedge
