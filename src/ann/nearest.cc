// Which centroid is nearest to each row: |x - c|^2 is least where <x, c> - |c|^2 / 2 is largest.
#include <algorithm>
#include <limits>
#include <utility>

#include "ann/kmeans.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

// A block of rows and one of centroids stay in the second-level cache while they are multiplied.
constexpr std::size_t kRowBlock = 64;
constexpr std::size_t kCentroidBlock = 256;
constexpr std::size_t kTaskRows = 1024;  // of nearest()
constexpr std::size_t kBeamRows =
    512;  // of nearest_in_groups(): they stay in the cache, and fill its blocks
constexpr std::size_t kLanes = 16;

struct Best {
  float score = -std::numeric_limits<float>::infinity();
  std::uint32_t label = 0;
};

// The best of products[j] - halves[j]; lanes first, because that compiles to vector instructions.
Best best_of(const float* products, const float* halves, std::size_t count) {
  float scores[kLanes];
  std::uint32_t labels[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) {
    scores[l] = -std::numeric_limits<float>::infinity();
    labels[l] = 0;
  }
  const std::size_t whole = count / kLanes * kLanes;
  for (std::size_t j = 0; j < whole; j += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float score = products[j + l] - halves[j + l];
      const bool better = score > scores[l];
      scores[l] = better ? score : scores[l];
      labels[l] = better ? static_cast<std::uint32_t>(j) : labels[l];
    }
  }
  Best best;
  for (std::size_t l = 0; l < kLanes; ++l) {
    const auto label = static_cast<std::uint32_t>(labels[l] + l);
    if (scores[l] > best.score || (scores[l] == best.score && label < best.label)) {
      best = {.score = scores[l], .label = label};
    }
  }
  for (std::size_t j = whole; j < count; ++j) {
    const float score = products[j] - halves[j];
    if (score > best.score) best = {.score = score, .label = static_cast<std::uint32_t>(j)};
  }
  return best;
}

void nearest_block(const float* rows, std::size_t count, const Centroids& centroids,
                   float* products, std::uint32_t* labels) {
  const std::size_t padded = centroids.padded();
  Best best[kRowBlock];
  for (std::size_t c = 0; c < centroids.count(); c += kCentroidBlock) {
    const std::size_t width = std::min(kCentroidBlock, centroids.count() - c);
    kernels().dot_matrix(rows, count, centroids.row(c), width, padded, products, width);
    for (std::size_t r = 0; r < count; ++r) {
      const Best here = best_of(products + r * width, centroids.halves() + c, width);
      if (here.score <= best[r].score) continue;
      best[r] = {.score = here.score, .label = static_cast<std::uint32_t>(here.label + c)};
    }
  }
  for (std::size_t r = 0; r < count; ++r) labels[r] = best[r].label;
}

// One task of nearest_in_groups(): its rows and their candidates.
class Beam {
 public:
  Beam(const Rows& rows, const Centroids& centroids, const Groups& groups, std::size_t beam)
      : rows_(rows),
        centroids_(centroids),
        groups_(groups),
        beam_(std::min(beam, groups.count())),
        scratch_(kRowBlock * rows.padded),
        products_(kRowBlock * std::max(groups.count(), kCentroidBlock)),
        best_(rows.count) {}

  void run(std::uint32_t* labels) {
    choose_groups();
    for (std::size_t g = 0; g < groups_.count(); ++g) search(g);
    for (std::size_t r = 0; r < rows_.count; ++r) labels[r] = best_[r].label;
  }

 private:
  // Fills wanted_: (group, row) in order of group.
  void choose_groups() {
    const std::size_t count = groups_.count();
    const float* halves = groups_.parents.halves();
    std::vector<std::pair<float, std::uint32_t>> order(count);
    std::vector<std::uint32_t> chosen(rows_.count * beam_);
    for (std::size_t begin = 0; begin < rows_.count; begin += kRowBlock) {
      const std::size_t block = std::min(kRowBlock, rows_.count - begin);
      const float* values = rows_.block(begin, block, scratch_.data());
      kernels().dot_matrix(values, block, groups_.parents.row(0), count, rows_.padded,
                           products_.data(), count);
      for (std::size_t r = 0; r < block; ++r) {
        for (std::uint32_t g = 0; g < count; ++g) {
          order[g] = {halves[g] - products_[r * count + g], g};
        }
        if (beam_ < count) {
          std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(beam_),
                           order.end());
        }
        for (std::size_t b = 0; b < beam_; ++b) chosen[(begin + r) * beam_ + b] = order[b].second;
      }
    }
    wanted_ = members_of(chosen, count);
    for (std::uint32_t& at : wanted_.rows) at /= static_cast<std::uint32_t>(beam_);
  }

  void search(std::size_t group) {
    const std::size_t end = groups_.first[group + 1];
    const std::span<const std::uint32_t> wanting(wanted_.rows.data() + wanted_.begin[group],
                                                 wanted_.count(group));
    for (std::size_t begin = 0; begin < wanting.size(); begin += kRowBlock) {
      const std::size_t block = std::min(kRowBlock, wanting.size() - begin);
      for (std::size_t r = 0; r < block; ++r) {
        rows_.copy(wanting[begin + r], scratch_.data() + r * rows_.padded);
      }
      for (std::size_t c = groups_.first[group]; c < end; c += kCentroidBlock) {
        const std::size_t width = std::min(kCentroidBlock, end - c);
        kernels().dot_matrix(scratch_.data(), block, centroids_.row(c), width, rows_.padded,
                             products_.data(), width);
        for (std::size_t r = 0; r < block; ++r) {
          const Best here = best_of(products_.data() + r * width, centroids_.halves() + c, width);
          Best& best = best_[wanting[begin + r]];
          if (here.score <= best.score) continue;
          best = {.score = here.score, .label = static_cast<std::uint32_t>(here.label + c)};
        }
      }
    }
  }

  Rows rows_;
  const Centroids& centroids_;
  const Groups& groups_;
  std::size_t beam_;
  AlignedArray<float> scratch_;
  AlignedArray<float> products_;
  std::vector<Best> best_;
  Members wanted_;
};

}  // namespace

void nearest(const Rows& rows, const Centroids& centroids, std::uint32_t* labels,
             Executor& executor) {
  executor.parallel_for((rows.count + kTaskRows - 1) / kTaskRows, [&](std::size_t task) {
    AlignedArray<float> products(kRowBlock * std::min(kCentroidBlock, centroids.count()));
    AlignedArray<float> scratch(rows.scattered() ? kRowBlock * rows.padded : 0);
    const std::size_t end = std::min(rows.count, (task + 1) * kTaskRows);
    for (std::size_t begin = task * kTaskRows; begin < end; begin += kRowBlock) {
      const std::size_t block = std::min(kRowBlock, end - begin);
      nearest_block(rows.block(begin, block, scratch.data()), block, centroids, products.data(),
                    labels + begin);
    }
  });
}

void nearest_in_groups(const Rows& rows, const Centroids& centroids, const Groups& groups,
                       std::size_t beam, std::uint32_t* labels, Executor& executor) {
  executor.parallel_for((rows.count + kBeamRows - 1) / kBeamRows, [&](std::size_t task) {
    const std::size_t begin = task * kBeamRows;
    const std::size_t count = std::min(kBeamRows, rows.count - begin);
    Beam(rows.part(begin, count), centroids, groups, beam).run(labels + begin);
  });
}

}  // namespace kedge
