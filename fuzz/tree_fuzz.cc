// Any bytes as the file of a tree, sealed with the checksum that they need. What is accepted has
// one encoding.
#include <algorithm>
#include <cstdint>

#include "format/page.h"
#include "format/tree_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kedge::ByteView input(reinterpret_cast<const std::byte*>(data), size);
  kedge::ByteWriter file;
  file.put_bytes(input);
  file.put(kedge::crc32c(input));
  kedge::ByteReader header(input);
  header.get_bytes(8);
  kedge::Id128 id;
  const kedge::ByteView stored = header.get_bytes(id.bytes.size());
  std::copy(stored.begin(), stored.end(), id.bytes.begin());
  const auto tree = kedge::parse_tree(file.view(), id);
  if (!tree.ok()) return 0;
  KEDGE_CHECK(tree->leaves() >= 1 && tree->first_leaf.size() <= tree->leaves());
  KEDGE_CHECK(std::ranges::equal(kedge::encode_tree(*tree), file.view()));
  return 0;
}
