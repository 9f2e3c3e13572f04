// Any bytes as the first vector block of a segment whose directory fits it. What is accepted has
// one encoding.
#include <algorithm>
#include <cstdint>

#include "format/segment_pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  kedge::ByteReader header(input);
  header.get_bytes(8);
  kedge::SegmentDirectory directory;
  directory.objects = kedge::kMaxSegmentObjects;
  directory.rows = std::clamp(header.get<std::uint32_t>(), 1U, kedge::kVectorBlockRows);
  header.get_bytes(4);
  directory.dimension = std::clamp(header.get<std::uint32_t>(), 1U, kedge::kMaxDimension);
  // Of one list if that will do, else of several, whose rows lie in any order.
  auto block = kedge::VectorBlock::parse(input, 0, directory);
  directory.lists.resize(2);
  if (block.ok()) KEDGE_CHECK(kedge::VectorBlock::parse(input, 0, directory).ok());
  if (!block.ok()) block = kedge::VectorBlock::parse(input, 0, directory);
  if (!block.ok()) return 0;
  std::vector<kedge::VectorRow> rows;
  for (std::uint32_t i = 0; i < block->row_count(); ++i) rows.push_back(block->row(i));
  KEDGE_CHECK(std::ranges::equal(kedge::encode_vector_block(0, directory.dimension, rows), input));
  return 0;
}
