// Any bytes as the state of an index. What is accepted has one encoding, and a writer may write it.
#include <algorithm>
#include <cstdint>

#include "format/index_state.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  const auto state = kedge::IndexState::parse(input);
  if (!state.ok()) return 0;
  KEDGE_CHECK(state->check().ok());
  KEDGE_CHECK(std::ranges::equal(state->encode(), input));
  const auto files = state->files();
  KEDGE_CHECK(std::is_sorted(files.begin(), files.end()));
  return 0;
}
