// Any bytes, sealed with their checksum, as the tail or the header of a segment. What is accepted
// has one encoding.
#include <algorithm>
#include <cstdint>

#include "format/segment_pages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  kedge::ByteWriter out;
  out.put_bytes({reinterpret_cast<const std::byte*>(data), size});
  out.put(kedge::crc32c(out.view()));
  const kedge::Bytes sealed = std::move(out).take();
  if (const auto id = kedge::parse_segment_header(sealed); id.ok()) {
    KEDGE_CHECK(kedge::encode_segment_header(*id) == sealed);
  }
  std::uint64_t file_bytes = 0;
  if (size >= 32) std::memcpy(&file_bytes, data + 24, sizeof file_bytes);
  const auto entry = kedge::parse_segment_tail(sealed, file_bytes);
  if (entry.ok()) KEDGE_CHECK(kedge::encode_segment_tail(*entry) == sealed);
  return 0;
}
