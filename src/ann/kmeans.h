// K-means over f32 rows by blocked matrix products. Deterministic: the same input and seed give the
// same bits with any executor width (and one table of kernels).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ann/aligned.h"
#include "base/executor.h"

namespace kedge {

// Borrowed rows of `padded` values, as floats or as halves (f16, finite), which take half the
// memory: all of them, or those that `index` names, in its order.
struct Rows {
  const float* values = nullptr;
  const std::uint32_t* index = nullptr;  // null: all
  std::size_t count = 0;
  std::uint32_t padded = 0;
  const std::uint16_t* halves = nullptr;  // in place of `values`

  static Rows of_halves(const std::uint16_t* halves, std::size_t count, std::uint32_t padded) {
    return {nullptr, nullptr, count, padded, halves};
  }
  // Where row i begins, in `values` or `halves`.
  [[nodiscard]] std::size_t at(std::size_t i) const {
    return (index == nullptr ? i : index[i]) * std::size_t{padded};
  }
  // Row i as it is kept.
  [[nodiscard]] std::span<const std::byte> bytes(std::size_t i) const;
  void copy(std::size_t i, float* out) const;
  // Rows begin .. begin + rows one after the other: where they lie, or copied into `scratch`.
  const float* block(std::size_t begin, std::size_t rows, float* scratch) const;
  // Whether block() may need its `scratch`.
  [[nodiscard]] bool scattered() const { return index != nullptr || halves != nullptr; }

  [[nodiscard]] Rows part(std::size_t begin, std::size_t rows) const;
  // Those that `chosen` names, which are numbers of all rows, whatever `index` is.
  [[nodiscard]] Rows only(std::span<const std::uint32_t> chosen) const {
    return {values, chosen.data(), chosen.size(), padded, halves};
  }
};

class Centroids {
 public:
  Centroids() = default;
  Centroids(std::size_t count, std::uint32_t padded);

  [[nodiscard]] std::size_t count() const { return halves_.size(); }
  [[nodiscard]] std::uint32_t padded() const { return padded_; }
  [[nodiscard]] float* row(std::size_t i) { return values_.data() + i * padded_; }
  [[nodiscard]] const float* row(std::size_t i) const { return values_.data() + i * padded_; }
  // |c|^2 / 2, as of the last measure().
  [[nodiscard]] const float* halves() const { return halves_.data(); }
  void measure();
  void measure(std::size_t i);
  // Centroid i of the result is order[i] of this.
  [[nodiscard]] Centroids reordered(std::span<const std::uint32_t> order) const;

 private:
  std::uint32_t padded_ = 0;
  AlignedArray<float> values_;
  std::vector<float> halves_;
};

// labels[i] = the centroid nearest to row i; the lower number of equal ones. Centroids: at least 1.
// Where the CPU multiplies bf16 faster, to its rounding of differences from the centroids' mean (8
// bits): of two that are nearest to within a few in a thousand it may be either.
void nearest(const Rows& rows, const Centroids& centroids, std::uint32_t* labels,
             Executor& executor);

// Centroids in groups that lie together, for when there are too many to compare with each.
struct Groups {
  Centroids parents;                 // of each group the mean of its centroids
  std::vector<std::uint32_t> first;  // group g: centroids first[g] to first[g + 1]

  [[nodiscard]] std::size_t count() const { return parents.count(); }
};
// As nearest(), among the centroids of the `beam` groups whose parents are nearest to the row.
void nearest_in_groups(const Rows& rows, const Centroids& centroids, const Groups& groups,
                       std::size_t beam, std::uint32_t* labels, Executor& executor);

// Which rows have each label, in order: rows[begin[c]] to rows[begin[c + 1]].
struct Members {
  std::vector<std::uint32_t> begin;
  std::vector<std::uint32_t> rows;

  [[nodiscard]] std::size_t count(std::size_t c) const { return begin[c + 1] - begin[c]; }
};
Members members_of(std::span<const std::uint32_t> labels, std::size_t clusters);

// Moves each centroid to the mean of its members; one without members stays.
void recentre(const Rows& rows, const Members& members, Centroids& centroids, Executor& executor);
// Evens out sizes: centroids with few members move into the largest clusters, which are split.
// Clusters of equal rows are left alone. The next assignment settles who belongs where.
void even_out(const Rows& rows, const Members& members, Centroids& centroids, std::uint64_t seed);

struct KMeansOptions {
  std::size_t clusters = 1;
  std::size_t iterations = 6;
  std::uint64_t seed = 1;
  bool even = true;  // with even_out() between the first iterations
};
// At most options.clusters centroids (fewer when rows are few or equal), at least 1 unless there is
// no row; each had members when they were last assigned.
Centroids kmeans(const Rows& rows, const KMeansOptions& options, Executor& executor);

}  // namespace kedge
