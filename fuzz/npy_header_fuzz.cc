// Any bytes as the beginning of a .npy file. What is accepted has its values behind the header.
#include <cstdint>

#include "ingest/npy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto header = kedge::NpyHeader::parse({reinterpret_cast<const std::byte*>(data), size});
  if (!header.ok()) {
    KEDGE_CHECK(!header.error().message.empty());
    return 0;
  }
  KEDGE_CHECK(header->data_offset <= size);
  KEDGE_CHECK(header->data_offset <= kedge::NpyHeader::kMaxBytes);
  KEDGE_CHECK(kedge::element_bytes(header->type) != 0);
  return 0;
}
