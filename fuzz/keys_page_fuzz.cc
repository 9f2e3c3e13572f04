// Any bytes as a keys page, asked for the hash of its first entry. What is accepted answers with
// object numbers in order and in range.
#include <algorithm>
#include <cstdint>

#include "format/segment_pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  kedge::ByteReader in(input);
  in.get_bytes(6);
  const unsigned bits = in.get<std::uint16_t>() % 12;
  const auto count = in.get<std::uint32_t>();
  in.get_bytes(4);
  kedge::Id128 hash;
  const kedge::ByteView first = in.get_bytes(12);
  std::copy(first.begin(), first.end(), hash.bytes.begin());
  kedge::SegmentDirectory directory;
  directory.objects = 1U << 20;
  directory.keys.resize(std::size_t{1} << bits);
  const auto found = kedge::find_in_keys_page(input, hash, directory);
  if (!found.ok()) return 0;
  KEDGE_CHECK(count == 0 || !found->empty());
  KEDGE_CHECK(std::is_sorted(found->begin(), found->end()));
  KEDGE_CHECK(found->empty() || found->back() < directory.objects);
  return 0;
}
