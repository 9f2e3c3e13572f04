// A run of codes: the rows of one list. docs/format.md, "Run of codes".
//   offset   size              field
//   0        2 * P             centroid in rotated space, IEEE halves; P: the padded dimension
//   2 * P    blocks of 4 * P + 384 bytes, of 32 rows each:
//            4 * P             one bit a dimension: for each group of four dimensions 16 bytes;
//                              byte j holds row j in its low and row j + 16 in its high half
//            128               f_add f32 of each row
//            64                f_rescale, IEEE half of each row
//            64                f_error, IEEE half of each row, not negative
//            128               object number u32 of each row
// Rows past the list's last are zero throughout. Its CRC-32C is in the directory.
#include <algorithm>
#include <cmath>

#include "base/allocation.h"
#include "base/strings.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kWhat = "run of codes";

struct Factors {
  float add = 0;
  std::uint16_t rescale = 0;
  std::uint16_t error = 0;
  std::uint32_t object = 0;
};

Factors factors_of(const std::byte* block, std::uint32_t padded, std::uint32_t slot) {
  const std::byte* at = block + 4 * std::size_t{padded};
  Factors out;
  std::memcpy(&out.add, at + 4 * std::size_t{slot}, 4);
  std::memcpy(&out.rescale, at + 128 + 2 * std::size_t{slot}, 2);
  std::memcpy(&out.error, at + 192 + 2 * std::size_t{slot}, 2);
  std::memcpy(&out.object, at + 256 + 4 * std::size_t{slot}, 4);
  return out;
}

bool finite_half(std::uint16_t half) { return (half & 0x7C00) != 0x7C00; }

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Whether a block of `rows` rows has nothing in its other slots.
bool rest_is_zero(const std::byte* block, std::uint32_t padded, std::uint32_t rows) {
  for (std::uint32_t slot = 0; slot < 16; ++slot) {
    const auto unused =
        static_cast<std::byte>((slot < rows ? 0 : 0x0F) | (slot + 16 < rows ? 0 : 0xF0));
    for (std::uint32_t group = 0; group < padded / 4; ++group) {
      if ((block[std::size_t{group} * 16 + slot] & unused) != std::byte{0}) return false;
    }
  }
  const std::byte* at = block + 4 * std::size_t{padded};
  for (const std::uint32_t size : {4U, 2U, 2U, 4U}) {
    if (!all_zero({at + std::size_t{size} * rows, std::size_t{size} * (kCodeBlockRows - rows)}))
      return false;
    at += std::size_t{size} * kCodeBlockRows;
  }
  return true;
}

}  // namespace

PageRef SegmentDirectory::list_page(std::uint32_t list) const {
  const ListRef& ref = lists[list];
  return {.offset = ref.offset,
          .size = static_cast<std::uint32_t>(code_list_bytes(ref.rows, padded())),
          .crc = ref.crc};
}

Result<CodeList> CodeList::parse(ByteView bytes, std::uint32_t list,
                                 const SegmentDirectory& directory) try {
  if (list >= directory.lists.size() || directory.lists[list].rows == 0)
    return corrupt(kWhat, "no list with rows of this number", 0);
  CodeList out;
  out.bytes_ = bytes.data();
  out.rows_ = directory.lists[list].rows;
  out.padded_ = directory.padded();
  if (bytes.size() != code_list_bytes(out.rows_, out.padded_))
    return corrupt(kWhat, "bad size", bytes.size());
  if (!all_finite(bytes.first(2 * std::size_t{out.padded_})))
    return corrupt(kWhat, "a value of the centroid is NaN or infinite", 0);
  for (std::uint32_t row = 0; row < out.rows_; ++row) {
    const std::byte* block = out.block(row);
    const Factors factors = factors_of(block, out.padded_, row % kCodeBlockRows);
    const auto at = static_cast<std::size_t>(block - bytes.data());
    if (!std::isfinite(factors.add) || !finite_half(factors.rescale) ||
        !finite_half(factors.error) || (factors.error & 0x8000) != 0) {
      return corrupt(kWhat, str_cat("bad factor of row ", row), at);
    }
    if (factors.object >= directory.objects)
      return corrupt(kWhat, str_cat("object of row ", row, " is out of range"), at);
  }
  const std::uint32_t in_last = out.rows_ % kCodeBlockRows;
  if (in_last != 0) {
    const std::byte* last = out.block(out.rows_ - 1);
    if (!rest_is_zero(last, out.padded_, in_last))
      return corrupt(kWhat, "a slot past the last row is not zero",
                     static_cast<std::size_t>(last - bytes.data()));
  }
  return out;
} catch (...) {
  return memory_error(kWhat);
}

const std::byte* CodeList::block(std::uint32_t row) const {
  return blocks() + row / kCodeBlockRows * code_block_bytes(padded_);
}

std::uint32_t CodeList::object(std::uint32_t row) const {
  return factors_of(block(row), padded_, row % kCodeBlockRows).object;
}

void put_code(std::byte* block, std::uint32_t padded, std::uint32_t slot, const CodedRow& row) {
  const std::uint32_t shift = slot < 16 ? 0 : 4;
  for (std::uint32_t group = 0; group < padded / 4; ++group) {
    const auto byte = std::to_integer<std::uint32_t>(row.bits[group / 2]);
    const std::uint32_t four = group % 2 == 0 ? byte & 0xF : byte >> 4;
    block[std::size_t{group} * 16 + slot % 16] |= static_cast<std::byte>(four << shift);
  }
  std::byte* at = block + 4 * std::size_t{padded};
  std::memcpy(at + 4 * std::size_t{slot}, &row.add, 4);
  std::memcpy(at + 128 + 2 * std::size_t{slot}, &row.rescale, 2);
  std::memcpy(at + 192 + 2 * std::size_t{slot}, &row.error, 2);
  std::memcpy(at + 256 + 4 * std::size_t{slot}, &row.object, 4);
}

void get_code(const std::byte* block, std::uint32_t padded, std::uint32_t slot, std::byte* bits,
              CodedRow& row) {
  const std::uint32_t shift = slot < 16 ? 0 : 4;
  for (std::uint32_t group = 0; group < padded / 4; group += 2) {
    const std::byte* at = block + std::size_t{group} * 16 + slot % 16;
    const std::uint32_t low = std::to_integer<std::uint32_t>(at[0]) >> shift & 0xF;
    const std::uint32_t high = std::to_integer<std::uint32_t>(at[16]) >> shift & 0xF;
    bits[group / 2] = static_cast<std::byte>(low | high << 4);
  }
  row.bits = bits;
  const Factors factors = factors_of(block, padded, slot);
  row.add = factors.add;
  row.rescale = factors.rescale;
  row.error = factors.error;
  row.object = factors.object;
}

// ---- refine rows. docs/format.md, "Refine block".
//   0        4      f_add f32
//   4        4      f_rescale f32
//   8        4      chunk in the object u32
//   12       5      first byte of the chunk in the object; 2^40 - 1: unknown
//   17       3      its bytes; 2^24 - 1: unknown. Both are known, or neither
//   20       P / 2  four bits a dimension: of each 64 dimensions 32 bytes, low halves first

RefineRow refine_row(const std::byte* row) {
  RefineRow out;
  std::memcpy(&out.add, row, 4);
  std::memcpy(&out.rescale, row + 4, 4);
  std::memcpy(&out.chunk, row + 8, 4);
  std::uint64_t place = 0;
  std::memcpy(&place, row + 12, 8);
  out.begin = place & kUnknownBegin;
  out.length = static_cast<std::uint32_t>(place >> 40);
  out.extra = row + kRefineHeadBytes;
  return out;
}

void put_refine(std::byte* to, std::uint32_t padded, const CodedRow& row) {
  std::memcpy(to, &row.refine_add, 4);
  std::memcpy(to + 4, &row.refine_rescale, 4);
  std::memcpy(to + 8, &row.chunk, 4);
  const bool known = row.begin < kUnknownBegin && row.length < kUnknownLength;
  const std::uint64_t place =
      known ? row.begin | std::uint64_t{row.length} << 40 : ~std::uint64_t{0};
  std::memcpy(to + 12, &place, 8);
  std::memcpy(to + kRefineHeadBytes, row.extra, padded / 2);
}

Status parse_refine_block(ByteView bytes, std::uint32_t first_row,
                          const SegmentDirectory& directory) try {
  constexpr std::string_view kRefineWhat = "refine block";
  if (first_row % kCodeBlockRows != 0 || first_row >= directory.rows)
    return corrupt(kRefineWhat, "bad number of the first row", 0);
  const std::uint32_t rows = std::min(kCodeBlockRows, directory.rows - first_row);
  const std::uint32_t padded = directory.padded();
  if (bytes.size() != refine_block_bytes(rows, padded))
    return corrupt(kRefineWhat, "bad size", bytes.size());
  for (std::uint32_t i = 0; i < rows; ++i) {
    const std::size_t at = i * refine_row_bytes(padded);
    const RefineRow row = refine_row(bytes.data() + at);
    if (!std::isfinite(row.add) || !std::isfinite(row.rescale))
      return corrupt(kRefineWhat, "a factor is NaN or infinite", at);
    if (row.chunk >= kMaxChunksPerObject)
      return corrupt(kRefineWhat, "chunk number out of range", at + 8);
    if ((row.begin == kUnknownBegin) != (row.length == kUnknownLength))
      return corrupt(kRefineWhat, "half of a place is unknown", at + 12);
  }
  const std::size_t used = rows * refine_row_bytes(padded);
  if (!all_zero(bytes.subspan(used))) return corrupt(kRefineWhat, "padding is not zero", used);
  return {};
} catch (...) {
  return memory_error("refine block");
}

}  // namespace kedge
