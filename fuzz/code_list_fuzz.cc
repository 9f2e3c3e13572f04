// Any bytes as the run of codes of the one list of a segment, whose rows and dimension two bytes
// before them give. What is accepted has one encoding: its rows, put again, are the same bytes.
#include <algorithm>
#include <cstdint>

#include "format/segment_pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const kedge::ByteView run(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
  kedge::SegmentDirectory directory;
  directory.objects = kedge::kMaxSegmentObjects;
  directory.rows = 1U + data[0];
  directory.dimension = 1U + data[1];
  directory.lists = {{.first_row = 0, .rows = directory.rows, .offset = 64, .crc = 0}};
  const auto list = kedge::CodeList::parse(run, 0, directory);
  if (!list.ok()) return 0;
  const std::uint32_t padded = directory.padded();
  KEDGE_CHECK(run.size() == directory.list_page(0).size);
  kedge::Bytes again(run.size());
  std::copy_n(run.begin(), 2 * std::size_t{padded}, again.begin());
  for (std::uint32_t row = 0; row < list->rows(); ++row) {
    kedge::Bytes bits(padded / 8);
    kedge::CodedRow code;
    const std::uint32_t slot = row % kedge::kCodeBlockRows;
    kedge::get_code(list->block(row), padded, slot, bits.data(), code);
    KEDGE_CHECK(code.object == list->object(row) && code.object < directory.objects);
    const auto at = static_cast<std::size_t>(list->block(row) - run.data());
    kedge::put_code(again.data() + at, padded, slot, code);
  }
  KEDGE_CHECK(std::ranges::equal(again, run));
  return 0;
}
