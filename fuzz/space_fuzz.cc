// Any bytes as a space. What is accepted has one encoding.
#include <algorithm>
#include <cstdint>

#include "format/space.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  kedge::ByteReader in(input);
  const auto space = kedge::Space::parse(in);
  if (!space.ok()) return 0;
  kedge::ByteWriter out;
  space->encode(out);
  KEDGE_CHECK(std::ranges::equal(out.view(), input.first(in.offset())));
  return 0;
}
