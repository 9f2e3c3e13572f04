// Any bytes, sealed with their checksum, as the del file of the segment that they name. What is
// accepted are distinct numbers in order, which read back from what our writer makes of them.
#include <algorithm>
#include <cstdint>

#include "format/segment.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint32_t kObjects = 1U << 20;
  kedge::ByteWriter out;
  out.put_bytes({reinterpret_cast<const std::byte*>(data), size});
  out.put(kedge::crc32c(out.view()));
  const kedge::Bytes sealed = std::move(out).take();
  kedge::Id128 segment;
  if (size >= 24) std::memcpy(segment.bytes.data(), data + 8, segment.bytes.size());
  const auto dead = kedge::parse_del_file(sealed, segment, kObjects);
  if (!dead.ok()) return 0;
  KEDGE_CHECK(!dead->empty() && dead->back() < kObjects);
  const auto again =
      kedge::parse_del_file(kedge::encode_del_file(segment, *dead), segment, kObjects);
  KEDGE_CHECK(again.ok() && *again == *dead);
  return 0;
}
