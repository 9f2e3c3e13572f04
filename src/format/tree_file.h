// The file of a tree: the centroids of its leaves, which the segments of an epoch share.
// docs/format.md, "Tree".
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"

namespace kedge {

struct TreeBody {
  Id128 id;
  Id128 space;
  std::uint32_t padded = 0;  // dimension of rotated space, a multiple of 64
  // Of each upper node its first leaf, increasing from 0; leaves of one node lie together.
  std::vector<std::uint32_t> first_leaf;
  // Leaf-major, `padded` IEEE halves each, finite, in rotated space.
  std::vector<std::uint16_t> centroids;
  // One a leaf, finite, not negative: what its squared distance gets when leaves are ranked.
  std::vector<float> penalties;
  bool operator==(const TreeBody&) const = default;
  [[nodiscard]] std::uint32_t leaves() const {
    return padded == 0 ? 0 : static_cast<std::uint32_t>(centroids.size() / padded);
  }
};

// Precondition: 1 to kMaxLists leaves, an upper node at least, a space.
Bytes encode_tree(const TreeBody& tree);
// kCorrupt with the rule and offset; kUnsupported for another version. `id`: the file's name.
Result<TreeBody> parse_tree(ByteView bytes, const Id128& id);

}  // namespace kedge
