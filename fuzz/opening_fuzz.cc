// Any bytes as an opening file: a byte for the number of blocks that its checksum stands behind,
// then the file without that checksum. What is accepted has one encoding.
#include <algorithm>
#include <cstdint>

#include "base/hash.h"
#include "format/opening.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  const std::size_t table = std::min(input.size(), 16 + 32 * std::size_t{data[0]});
  kedge::ByteWriter file;
  file.put_bytes(input.first(table));
  file.put(kedge::crc32c(input.first(table)));
  file.put_bytes(input.subspan(table));
  const auto blocks = kedge::parse_opening(file.view());
  if (!blocks.ok()) return 0;
  KEDGE_CHECK(std::ranges::equal(kedge::encode_opening(*blocks), file.view()));
  return 0;
}
