// docs/format.md, "Tree".
//   offset   size        field
//   0        8           magic "KGTR", version, zero
//   8        16          id of the tree
//   24       16          id of the space, not zero
//   40       4           padded dimension P, a multiple of 64
//   44       4           leaves L
//   48       4           upper nodes N, at most L
//   52       12          zero
//   64       4 * N       first leaf of each upper node, increasing, the first 0
//            4 * L       penalty of each leaf, f32, finite, not negative
//                        zeros up to a multiple of 64
//            2 * P * L   centroids, IEEE halves, finite
//   end - 4  4           CRC-32C of every byte before it
#include "format/tree_file.h"

#include <algorithm>
#include <cmath>

#include "base/allocation.h"
#include "format/page.h"
#include "format/segment.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGTR";
constexpr std::string_view kWhat = "tree";
constexpr std::size_t kHeaderBytes = 64;
constexpr std::uint16_t kVersion = 3;

void get_id(ByteReader& in, Id128& id) {
  const ByteView stored = in.get_bytes(id.bytes.size());
  std::copy(stored.begin(), stored.end(), id.bytes.begin());
}

}  // namespace

Bytes encode_tree(const TreeBody& tree) {
  KEDGE_CHECK(tree.leaves() >= 1 && tree.leaves() <= kMaxLists && !tree.first_leaf.empty() &&
              tree.penalties.size() == tree.leaves());
  ByteWriter out;
  put_magic(out, kMagic, kVersion);
  out.put_bytes(tree.id.bytes);
  out.put_bytes(tree.space.bytes);
  out.put(tree.padded);
  out.put(tree.leaves());
  out.put(static_cast<std::uint32_t>(tree.first_leaf.size()));
  out.align(kHeaderBytes);
  for (const std::uint32_t leaf : tree.first_leaf) out.put(leaf);
  for (const float penalty : tree.penalties) out.put(penalty);
  out.align(kPageAlignment);
  out.put_bytes(std::as_bytes(std::span(tree.centroids)));
  out.put(crc32c(out.view()));
  return std::move(out).take();
}

Result<TreeBody> parse_tree(ByteView bytes, const Id128& id) try {
  if (bytes.size() < kHeaderBytes + 4) return corrupt(kWhat, "cut short", bytes.size());
  ByteReader seal(bytes.last(4));
  ByteReader in(bytes.first(bytes.size() - 4));
  KEDGE_TRY(get_magic(in, kMagic, kVersion, kWhat));
  if (crc32c(bytes.first(bytes.size() - 4)) != seal.get<std::uint32_t>())
    return corrupt(kWhat, "checksum does not match", bytes.size() - 4);
  TreeBody tree;
  get_id(in, tree.id);
  get_id(in, tree.space);
  tree.padded = in.get<std::uint32_t>();
  const auto leaves = in.get<std::uint32_t>();
  const auto nodes = in.get<std::uint32_t>();
  const ByteView zeros = in.get_bytes(kHeaderBytes - in.offset());
  if (tree.id != id) return corrupt(kWhat, "is the file of another tree", 8);
  if (tree.space.is_zero()) return corrupt(kWhat, "space is zero", 24);
  if (tree.padded == 0 || tree.padded % 64 != 0 || tree.padded > kMaxDimension)
    return corrupt(kWhat, "dimension out of range", 40);
  if (leaves == 0 || leaves > kMaxLists) return corrupt(kWhat, "leaves out of range", 44);
  if (nodes == 0 || nodes > leaves) return corrupt(kWhat, "upper nodes out of range", 48);
  if (std::any_of(zeros.begin(), zeros.end(), [](std::byte b) { return b != std::byte{0}; }))
    return corrupt(kWhat, "reserved bytes are not zero", 52);
  const std::uint64_t table_bytes = std::uint64_t{4} * nodes + std::uint64_t{4} * leaves;
  const std::uint64_t padding_bytes = (64 - table_bytes % 64) % 64;
  const std::uint64_t expected =
      kHeaderBytes + table_bytes + padding_bytes + std::uint64_t{2} * tree.padded * leaves + 4;
  if (bytes.size() != expected) return corrupt(kWhat, "bad size", bytes.size());
  for (std::uint32_t n = 0; n < nodes; ++n) {
    const std::size_t at = in.offset();
    const auto first = in.get<std::uint32_t>();
    const bool ok = n == 0 ? first == 0 : first > tree.first_leaf.back() && first < leaves;
    if (!ok) return corrupt(kWhat, "first leaves are not increasing from zero", at);
    tree.first_leaf.push_back(first);
  }
  for (std::uint32_t leaf = 0; leaf < leaves; ++leaf) {
    const std::size_t at = in.offset();
    const auto penalty = in.get<float>();
    if (!std::isfinite(penalty) || std::signbit(penalty))
      return corrupt(kWhat, "penalty out of range", at);
    tree.penalties.push_back(penalty);
  }
  const ByteView padding = in.get_bytes(padding_bytes);
  if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; }))
    return corrupt(kWhat, "padding is not zero", kHeaderBytes + table_bytes);
  const std::size_t at = in.offset();
  const ByteView centroids = in.get_bytes(std::size_t{2} * tree.padded * leaves);
  if (!all_finite(centroids)) return corrupt(kWhat, "a value is NaN or infinite", at);
  tree.centroids.resize(std::size_t{tree.padded} * leaves);
  std::memcpy(tree.centroids.data(), centroids.data(), centroids.size());
  return tree;
} catch (...) {
  return memory_error(kWhat);
}

}  // namespace kedge
