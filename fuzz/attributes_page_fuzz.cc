// Any bytes as the first attributes page of a segment of 100,000 objects whose directory fits it.
// What is accepted has one encoding.
#include <algorithm>
#include <cstdint>

#include "format/attributes.h"
#include "format/page.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  kedge::SegmentDirectory directory;
  directory.objects = 100'000;
  kedge::ByteReader key(input);
  key.get_bytes(kedge::kPageHeaderBytes);
  kedge::get_varint(key, 0);
  directory.first_key_of_attributes_page = {std::string(
      kedge::get_short_string(key, kedge::kMaxAttributeKey).substr(0, kedge::kMaxBound))};
  auto page = kedge::AttributesPage::open(input, 0, directory);
  if (!page.ok()) return 0;
  std::vector<kedge::AttributeEntry> entries;
  while (true) {
    const auto more = page->next();
    if (!more.ok()) return 0;
    if (!*more) break;
    entries.push_back(page->entry());
    for (const kedge::ObjectRun& run : entries.back().objects)
      KEDGE_CHECK(run.begin < run.end && run.end <= directory.objects);
  }
  KEDGE_CHECK(std::ranges::equal(kedge::encode_attributes_page(0, entries), input));
  return 0;
}
