// Which lists a query should read first: approximate distances to the centroids of all leaves, from
// 8-bit centroids, at a quarter of the memory of f32. The list itself has its exact f16 centroid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ann/aligned.h"
#include "ann/rabitq.h"
#include "ann/tree.h"

namespace kedge {

inline constexpr std::size_t kExactRanking = 4096;

struct Ranked {
  std::uint32_t leaf = 0;
  float value = 0;  // approximate |q - c|^2 and the penalty, for dot -<q, c>

  bool operator==(const Ranked&) const = default;
};

// Threads: immutable. Keeps nothing of the tree.
class Ranker {
 public:
  explicit Ranker(const Tree& tree);

  [[nodiscard]] std::uint32_t leaf_count() const { return leaf_count_; }
  // The min(count, leaf_count()) best leaves, ascending by (value, leaf). Above kExactRanking
  // leaves only those of the best groups are looked at, as many groups as hold 32 times `count`
  // leaves. Allocates room in `out`, which it reuses, and the order of the groups if there are
  // more.
  void rank(const QueryCodes& query, std::size_t count, std::vector<Ranked>& out) const;

 private:
  // Centroids less their mean, each in steps of its own size.
  struct Level {
    std::size_t count = 0;
    AlignedArray<std::uint8_t> codes;
    std::vector<float> step;
    std::vector<float> offset;  // |d|^2, of d = c - mean, and the penalty
    std::vector<float> centre;  // <mean, d>
  };
  struct Query;
  void add(Level& level, const float* centroid, std::size_t i) const;
  void scan(const Level& level, const Query& query, std::size_t begin, std::size_t end,
            std::size_t count, std::vector<Ranked>& out) const;

  std::uint32_t padded_;
  std::uint32_t leaf_count_;
  std::vector<float> mean_;
  Level leaves_;
  Level groups_;
  std::vector<std::uint32_t> first_;
};

}  // namespace kedge
