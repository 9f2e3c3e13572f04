// Any bytes, with their length and checksum put right, as a head. What is accepted obeys every rule
// of validate() and has one encoding.
#include <algorithm>
#include <cstdint>

#include "format/envelope.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  kedge::ByteWriter out;
  out.put_bytes({reinterpret_cast<const std::byte*>(data), size});
  if (size >= 12) out.put_at(8, static_cast<std::uint32_t>(size + 4));
  out.put(kedge::crc32c(out.view()));
  const kedge::Bytes sealed = std::move(out).take();
  const auto head = kedge::Envelope::parse_any(sealed);
  // Known features or none: the same head, or refused by name.
  const auto known = kedge::Envelope::parse(sealed);
  KEDGE_CHECK(!known.ok() || head.ok());
  if (!head.ok()) return 0;
  KEDGE_CHECK(known.ok() == head->features.empty());
  KEDGE_CHECK(head->validate().ok());
  KEDGE_CHECK(head->retains(head->generation));
  KEDGE_CHECK(std::ranges::equal(head->encode(), sealed));
  return 0;
}
