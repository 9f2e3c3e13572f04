// Any bytes as the first refine block of a segment, whose rows and dimension two bytes before them
// give. What is accepted has one encoding: its rows, put again, are the same bytes.
#include <algorithm>
#include <cstdint>

#include "format/segment_pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const kedge::ByteView block(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
  kedge::SegmentDirectory directory;
  directory.objects = kedge::kMaxSegmentObjects;
  directory.rows = 1U + data[0];
  directory.dimension = 1U + data[1];
  if (!kedge::parse_refine_block(block, 0, directory).ok()) return 0;
  const std::uint32_t padded = directory.padded();
  kedge::Bytes again(block.size());
  for (std::uint32_t i = 0; i < std::min(directory.rows, kedge::kCodeBlockRows); ++i) {
    const std::size_t at = i * kedge::refine_row_bytes(padded);
    const kedge::RefineRow row = kedge::refine_row(block.data() + at);
    kedge::put_refine(again.data() + at, padded,
                      {.chunk = row.chunk,
                       .begin = row.begin,
                       .length = row.length,
                       .extra = row.extra,
                       .refine_add = row.add,
                       .refine_rescale = row.rescale});
  }
  KEDGE_CHECK(std::ranges::equal(again, block));
  return 0;
}
