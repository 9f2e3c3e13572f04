// Any bytes as a directory. What is accepted has one encoding, and its planes follow one another.
#include <algorithm>
#include <cstdint>

#include "format/segment.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  const auto directory = kedge::SegmentDirectory::parse(input);
  if (!directory.ok()) return 0;
  KEDGE_CHECK(std::ranges::equal(directory->encode(), input));
  KEDGE_CHECK(directory->first_chunk_of_page.size() == directory->docs.size());
  KEDGE_CHECK(directory->first_key_of_page.size() == directory->docs.size());
  std::uint64_t end = kedge::kSegmentHeaderBytes;
  for (const auto* pages :
       {&directory->docs, &directory->text, &directory->keys, &directory->vectors}) {
    for (const kedge::PageRef& page : *pages) {
      KEDGE_CHECK(page.offset == end && page.size > 0);
      end += page.size;
    }
  }
  return 0;
}
