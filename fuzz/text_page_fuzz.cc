// Any bytes as the first text page of a segment whose directory fits it. What is accepted has one
// encoding, and a writer may write it.
#include <algorithm>
#include <cstdint>

#include "format/segment_pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  kedge::ByteReader header(input);
  header.get_bytes(8);
  kedge::SegmentDirectory directory;
  directory.objects = 1;
  directory.rows = std::clamp(header.get<std::uint32_t>(), 1U, kedge::kTextPageChunks);
  // Of one list if that will do, else of several, whose rows lie in any order.
  auto entries = kedge::parse_text_page(input, 0, directory);
  directory.lists.resize(2);
  if (entries.ok()) KEDGE_CHECK(kedge::parse_text_page(input, 0, directory).ok());
  if (!entries.ok()) entries = kedge::parse_text_page(input, 0, directory);
  if (!entries.ok()) return 0;
  for (const kedge::TextEntry& entry : *entries) {
    KEDGE_CHECK(kedge::check_chunk(entry.chunk).ok());
    KEDGE_CHECK(entry.row < directory.rows);
  }
  KEDGE_CHECK(std::ranges::equal(kedge::encode_text_page(0, *entries), input));
  return 0;
}
