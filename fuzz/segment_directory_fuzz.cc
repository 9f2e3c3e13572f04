// Any bytes as a directory. What is accepted has one encoding, and its planes follow one another.
#include <algorithm>
#include <cstdint>

#include "format/segment_pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  const auto directory = kedge::SegmentDirectory::parse(input);
  if (!directory.ok()) return 0;
  KEDGE_CHECK(std::ranges::equal(directory->encode(), input));
  KEDGE_CHECK(directory->first_chunk_of_page.size() == directory->docs.size());
  KEDGE_CHECK(directory->first_key_of_page.size() == directory->docs.size());
  std::uint64_t end = kedge::kSegmentHeaderBytes;
  const auto follows = [&](const kedge::PageRef& page) {
    KEDGE_CHECK(page.offset == end && page.size > 0);
    end += page.size;
  };
  KEDGE_CHECK(directory->first_key_of_attributes_page.size() == directory->attributes.size());
  for (const auto* pages : {&directory->docs, &directory->keys, &directory->attributes})
    std::ranges::for_each(*pages, follows);
  std::uint32_t rows = 0;
  for (std::uint32_t list = 0; list < directory->lists.size(); ++list) {
    KEDGE_CHECK(directory->lists[list].first_row == rows);
    rows += directory->lists[list].rows;
    if (directory->lists[list].rows > 0) follows(directory->list_page(list));
  }
  KEDGE_CHECK(rows == directory->rows);
  for (const auto* pages : {&directory->refine, &directory->vectors, &directory->text})
    std::ranges::for_each(*pages, follows);
  std::uint64_t at = kedge::kSegmentHeaderBytes;
  for (const kedge::Plane plane : kedge::kSegmentPlanes) {
    const kedge::Extent extent = directory->plane(plane);
    KEDGE_CHECK(extent.offset == (extent.size == 0 ? 0 : at));
    at += extent.size;
  }
  KEDGE_CHECK(at == end);
  return 0;
}
