// Any bytes as the first docs page of a segment whose directory fits it. What is accepted has one
// encoding, and an entry read alone is the entry of the whole page.
#include <algorithm>
#include <cstdint>

#include "format/segment_pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  kedge::ByteReader header(input);
  header.get_bytes(8);
  const auto count = std::clamp(header.get<std::uint32_t>(), 1U, kedge::kDocsPageObjects);
  header.get_bytes(12 + 8 * std::size_t{count} + 4);
  kedge::SegmentDirectory directory;
  directory.objects = count;
  directory.rows = header.get<std::uint32_t>() % kedge::kMaxSegmentRows;
  directory.docs.resize(1);
  directory.first_chunk_of_page = {0};
  directory.first_key_of_page = {""};
  std::vector<kedge::DocsEntry> alone;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto entry = kedge::parse_docs_entry(input, i, directory);
    if (!entry.ok()) break;
    alone.push_back(*std::move(entry));
  }
  if (!alone.empty())
    directory.first_key_of_page[0] = kedge::key_bound(alone[0].row.source, alone[0].row.key);
  const auto entries = kedge::parse_docs_page(input, 0, directory);
  if (!entries.ok()) return 0;
  KEDGE_CHECK(alone.size() == entries->size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    KEDGE_CHECK(alone[i].row == (*entries)[i].row);
    KEDGE_CHECK(kedge::check_object(alone[i].row).ok());
    KEDGE_CHECK(alone[i].first_chunk + alone[i].chunk_count <= directory.rows);
  }
  KEDGE_CHECK(std::ranges::equal(kedge::encode_docs_page(0, *entries), input));
  return 0;
}
