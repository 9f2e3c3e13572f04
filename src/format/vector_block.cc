// A vector block: up to 64 rows. docs/format.md, "Vector block".
//   offset   size            field
//   0        16              page header, magic "KGVB"
//   16       4               dimension
//   20       4               stride: 8 + 2 * dimension, up to a multiple of 8
//   24       40              zero
//   64       stride * count  rows: object u32, chunk in the object u32, IEEE halves, zeros up to
//   the
//                            stride
//            zeros up to a multiple of 64
// Rows are in the order of the lists; in a segment of one list in order of object and chunk. No
// half is NaN or infinite.
#include <algorithm>

#include "base/allocation.h"
#include "format/page.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGVB";
constexpr std::string_view kWhat = "vector block";
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kRowHeaderBytes = 8;

std::uint32_t row_stride(std::uint32_t dimension) {
  return (static_cast<std::uint32_t>(kRowHeaderBytes) + 2 * dimension + 7) / 8 * 8;
}

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

bool all_finite(ByteView halves) {
  // Exponent bits all set: adding one to the exponent carries into the sign, in each of four lanes.
  constexpr std::uint64_t kExponents = 0x7C00'7C00'7C00'7C00;
  constexpr std::uint64_t kOnes = 0x0400'0400'0400'0400;
  constexpr std::uint64_t kSigns = 0x8000'8000'8000'8000;
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + 8 <= halves.size(); i += 8) {
    std::uint64_t four = 0;
    std::memcpy(&four, halves.data() + i, sizeof four);
    seen |= (four & kExponents) + kOnes;
  }
  if (i < halves.size()) {
    std::uint64_t last = 0;
    std::memcpy(&last, halves.data() + i, halves.size() - i);
    seen |= (last & kExponents) + kOnes;
  }
  return (seen & kSigns) == 0;
}

std::size_t vector_block_bytes(std::uint32_t row_count, std::uint32_t dimension) {
  const std::size_t used = kHeaderBytes + std::size_t{row_count} * row_stride(dimension);
  return (used + kPageAlignment - 1) / kPageAlignment * kPageAlignment;
}

Bytes encode_vector_block(std::uint32_t first_row, std::uint32_t dimension,
                          std::span<const VectorRow> rows) {
  const std::uint32_t stride = row_stride(dimension);
  ByteWriter out;
  out.reserve(vector_block_bytes(static_cast<std::uint32_t>(rows.size()), dimension));
  put_page_header(out, kMagic,
                  {.count = static_cast<std::uint32_t>(rows.size()), .first = first_row});
  out.put(dimension);
  out.put(stride);
  out.align(kHeaderBytes);
  for (const VectorRow& row : rows) {
    out.put(row.object);
    out.put(row.chunk);
    out.put_bytes({reinterpret_cast<const std::byte*>(row.values), std::size_t{2} * dimension});
    out.put_zeros(stride - kRowHeaderBytes - std::size_t{2} * dimension);
  }
  out.align(kPageAlignment);
  return std::move(out).take();
}

Result<VectorBlock> VectorBlock::parse(ByteView bytes, std::uint32_t first_row,
                                       const SegmentDirectory& directory) try {
  ByteReader in(bytes);
  const auto [bits, count, first] = KEDGE_TRY(get_page_header(in, kMagic, kWhat));
  const auto dimension = in.get<std::uint32_t>();
  const auto stride = in.get<std::uint32_t>();
  const ByteView zeros = in.get_bytes(kHeaderBytes - kPageHeaderBytes - 8);
  if (!in.ok()) return corrupt(kWhat, "cut short", in.offset());
  if (bits != 0) return corrupt(kWhat, "reserved bytes are not zero", 6);
  if (!all_zero(zeros)) return corrupt(kWhat, "reserved bytes are not zero", 24);
  if (first != first_row) return corrupt(kWhat, "another block than was asked for", 12);
  if (first % kVectorBlockRows != 0 || first >= directory.rows)
    return corrupt(kWhat, "bad number of the first row", 12);
  if (count != std::min(kVectorBlockRows, directory.rows - first))
    return corrupt(kWhat, "bad number of rows", 8);
  if (dimension != directory.dimension)
    return corrupt(kWhat, "dimension differs from the directory's", 16);
  if (stride != row_stride(dimension)) return corrupt(kWhat, "bad stride", 20);
  if (bytes.size() != vector_block_bytes(count, dimension))
    return corrupt(kWhat, "bad size", bytes.size());

  VectorBlock block;
  block.bytes_ = bytes;
  block.row_count_ = count;
  block.stride_ = stride;
  const std::size_t used = kRowHeaderBytes + std::size_t{2} * dimension;
  VectorRow before;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t at = kHeaderBytes + std::size_t{i} * stride;
    const VectorRow row = block.row(i);
    if (row.object >= directory.objects || row.chunk >= kMaxChunksPerObject)
      return corrupt(kWhat, "object or chunk number out of range", at);
    const bool next_chunk = row.object == before.object && row.chunk == before.chunk + 1;
    const bool next_object = row.object > before.object && row.chunk == 0;
    if (directory.rows_are_chunks() && i > 0 && !next_chunk && !next_object)
      return corrupt(kWhat, "rows are not in order of object and chunk", at);
    if (!all_finite(bytes.subspan(at + kRowHeaderBytes, std::size_t{2} * dimension)))
      return corrupt(kWhat, "a value is NaN or infinite", at + kRowHeaderBytes);
    if (!all_zero(bytes.subspan(at + used, stride - used)))
      return corrupt(kWhat, "padding of a row is not zero", at + used);
    before = row;
  }
  if (!all_zero(bytes.subspan(kHeaderBytes + std::size_t{count} * stride)))
    return corrupt(kWhat, "padding is not zero", kHeaderBytes + std::size_t{count} * stride);
  return block;
} catch (...) {
  return memory_error(kWhat);
}

const std::uint16_t* vector_row_values(const std::byte* block, std::uint32_t dimension,
                                       std::uint32_t row) {
  return reinterpret_cast<const std::uint16_t*>(
      block + kHeaderBytes + std::size_t{row} * row_stride(dimension) + kRowHeaderBytes);
}

const std::byte* VectorBlock::values() const {
  return bytes_.data() + kHeaderBytes + kRowHeaderBytes;
}

VectorRow VectorBlock::row(std::uint32_t index) const {
  const std::byte* at = bytes_.data() + kHeaderBytes + std::size_t{index} * stride_;
  VectorRow row;
  std::memcpy(&row.object, at, sizeof row.object);
  std::memcpy(&row.chunk, at + 4, sizeof row.chunk);
  row.values = reinterpret_cast<const std::uint16_t*>(at + kRowHeaderBytes);
  return row;
}

}  // namespace kedge
