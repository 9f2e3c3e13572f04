// The lists of an index: leaves of a balanced hierarchical k-means tree of two levels, in
// depth-first order, so that near leaves have near numbers and their ranges on the store coalesce.
// All in rotated space of P dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "ann/kmeans.h"
#include "base/executor.h"
#include "base/result.h"

namespace kedge {

inline constexpr std::size_t kMaxLeaves = 262'144;

struct TreeOptions {
  std::uint32_t leaf_rows = 1024;  // wanted
  std::uint64_t rows = 0;          // expected of the whole index
  std::uint64_t seed = 1;
  std::size_t max_leaves = kMaxLeaves;
};

// Threads: any; what only writers need is made at its first use.
class Tree {
 public:
  // `sample`: n rows, finite, a fair draw of the index; about 128 a leaf are enough, 30
  // still work. Leaves are about rows / leaf_rows, fewer if the sample has few distinct rows: of
  // equal rows one counts, since no leaf can tell them apart; a row that alone fills a leaf gets
  // one. At least one leaf, at the origin if n is 0. Needs about 40 n bytes beside the sample, and
  // four times the leaves as f32. Deterministic for a seed, with any executor.
  static Tree train(const Rows& sample, const TreeOptions& options, Executor& executor);
  // What centroids() and first_leaf() of a tree gave. An empty `first_leaf` makes groups of
  // neighbours, empty `penalties` are zeros. kCorrupt with the rule that does not hold; NaN and
  // infinities are refused.
  static Result<Tree> from_centroids(std::uint32_t padded, std::vector<std::uint16_t> centroids,
                                     std::vector<std::uint32_t> first_leaf = {},
                                     std::vector<float> penalties = {});
  // The same tree with others. Precondition: one a leaf, finite, not negative.
  [[nodiscard]] Tree with_penalties(std::vector<float> penalties) &&;

  [[nodiscard]] std::uint32_t padded() const { return padded_; }
  [[nodiscard]] std::uint32_t leaf_count() const {
    return static_cast<std::uint32_t>(penalties_.size());
  }
  // leaf_count() rows of P halves, |value| <= 60,000.
  [[nodiscard]] std::span<const std::uint16_t> centroids() const { return centroids_; }
  [[nodiscard]] const std::uint16_t* centroid_f16(std::uint32_t leaf) const {
    return centroids_.data() + std::size_t{leaf} * padded_;
  }
  // The same value as f32.
  [[nodiscard]] const float* centroid_f32(std::uint32_t leaf) const {
    return wide().leaves.row(leaf);
  }
  // What is added to the squared distance between a question and a leaf's centroid when leaves are
  // ranked (not for dot), leaf_count() values. Rows of a leaf are as far from the question, on
  // average, as its centroid and what they are from that, squared: |q - x|^2 = |q - c|^2 +
  // |x - c|^2 in the mean. By the centroid alone wide leaves would come before tight ones that hold
  // nearer rows. Not for assign(), which asks for the nearest centroid.
  [[nodiscard]] std::span<const float> penalties() const { return penalties_; }
  // The upper level: group g has leaves first_leaf()[g] to first_leaf()[g + 1].
  [[nodiscard]] std::span<const std::uint32_t> first_leaf() const { return first_leaf_; }
  [[nodiscard]] const float* parent_f32(std::size_t group) const {
    return wide().groups.parents.row(group);
  }

  // labels[i] = the leaf nearest to row i: of all up to kExactAssignment leaves, above among the
  // leaves of the nearest groups, which misses the nearest for about one row in a hundred, whose
  // leaf is then hardly farther; recall does not change.
  void assign(const float* rows, std::size_t n, std::uint32_t* labels, Executor& executor) const;

 private:
  // The centroids as f32 and the means of the groups: 4 bytes a value, and most of the time that
  // opening a tree would take.
  struct Wide {
    std::once_flag made;
    Centroids leaves;
    Groups groups;
  };
  Tree() = default;
  const Wide& wide() const;

  std::uint32_t padded_ = 0;
  std::vector<std::uint16_t> centroids_;
  std::vector<float> penalties_;
  std::vector<std::uint32_t> first_leaf_;
  std::unique_ptr<Wide> wide_ = std::make_unique<Wide>();
};

inline constexpr std::size_t kExactAssignment = 512;

}  // namespace kedge
