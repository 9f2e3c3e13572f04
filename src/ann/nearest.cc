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

// Rows and centroids as floats.
class Floats {
 public:
  using Value = float;
  explicit Floats(const Centroids& centroids) : centroids_(centroids) {}

  [[nodiscard]] std::size_t count() const { return centroids_.count(); }
  [[nodiscard]] const float* halves() const { return centroids_.halves(); }

  // Rows on their way to products; one at a time.
  class Reader {
   public:
    Reader(const Floats&, const Rows& rows) : rows_(rows) {}
    [[nodiscard]] bool in_place() const { return !rows_.scattered(); }
    const float* block(std::size_t begin, std::size_t count, float* scratch) {
      return rows_.block(begin, count, scratch);
    }
    void copy(std::size_t i, float* out) { rows_.copy(i, out); }

   private:
    Rows rows_;
  };

  void multiply(const float* rows, std::size_t count, std::size_t first, std::size_t width,
                float* out) const {
    kernels().dot_matrix(rows, count, centroids_.row(first), width, centroids_.padded(), out,
                         width);
  }

 private:
  const Centroids& centroids_;
};

// As bf16, less the mean of the centroids: which centroid is nearest does not change, and far from
// the origin bf16 has no digits for what tells them apart.
class Coarse {
 public:
  using Value = std::uint16_t;
  explicit Coarse(const Centroids& centroids)
      : padded_(centroids.padded()),
        middle_(padded_),
        values_(centroids.count() * padded_),
        halves_(centroids.count()) {
    for (std::size_t c = 0; c < count(); ++c) {
      for (std::size_t d = 0; d < padded_; ++d) middle_[d] += centroids.row(c)[d];
    }
    kernels().scale(middle_.data(), 1 / static_cast<float>(count()), padded_);
    for (std::size_t c = 0; c < count(); ++c) {
      std::uint16_t* value = values_.data() + c * padded_;
      kernels().to_bf16(centroids.row(c), middle_.data(), value, padded_);
      kernels().dot_matrix_bf16(value, 1, value, 1, padded_, &halves_[c], 1);
      halves_[c] /= 2;
    }
  }

  [[nodiscard]] std::size_t count() const { return halves_.size(); }
  [[nodiscard]] const float* halves() const { return halves_.data(); }

  class Reader {
   public:
    Reader(const Coarse& coarse, const Rows& rows)
        : coarse_(coarse), rows_(rows), row_(rows.padded) {}
    [[nodiscard]] static bool in_place() { return false; }
    const std::uint16_t* block(std::size_t begin, std::size_t count, std::uint16_t* scratch) {
      for (std::size_t i = 0; i < count; ++i) copy(begin + i, scratch + i * rows_.padded);
      return scratch;
    }
    void copy(std::size_t i, std::uint16_t* out) {
      rows_.copy(i, row_.data());
      kernels().to_bf16(row_.data(), coarse_.middle_.data(), out, rows_.padded);
    }

   private:
    const Coarse& coarse_;
    Rows rows_;
    std::vector<float> row_;
  };

  void multiply(const std::uint16_t* rows, std::size_t count, std::size_t first, std::size_t width,
                float* out) const {
    kernels().dot_matrix_bf16(rows, count, values_.data() + first * padded_, width, padded_, out,
                              width);
  }

 private:
  std::size_t padded_;
  std::vector<float> middle_;
  AlignedArray<std::uint16_t> values_;
  std::vector<float> halves_;
};

// Below, making bf16 of the rows costs more than it saves.
constexpr std::size_t kFewCentroids = 8;

bool use_coarse(std::size_t centroids) { return kernels().coarse && centroids >= kFewCentroids; }

template <typename Sides>
void nearest_block(const typename Sides::Value* rows, std::size_t count, const Sides& sides,
                   float* products, std::uint32_t* labels) {
  Best best[kRowBlock];
  for (std::size_t c = 0; c < sides.count(); c += kCentroidBlock) {
    const std::size_t width = std::min(kCentroidBlock, sides.count() - c);
    sides.multiply(rows, count, c, width, products);
    for (std::size_t r = 0; r < count; ++r) {
      const Best here = best_of(products + r * width, sides.halves() + c, width);
      if (here.score <= best[r].score) continue;
      best[r] = {.score = here.score, .label = static_cast<std::uint32_t>(here.label + c)};
    }
  }
  for (std::size_t r = 0; r < count; ++r) labels[r] = best[r].label;
}

template <typename Sides>
void nearest_of(const Sides& sides, const Rows& rows, std::uint32_t* labels, Executor& executor) {
  parallel_ranges(executor, rows.count, kTaskRows, [&](std::size_t first, std::size_t end) {
    typename Sides::Reader reader(sides, rows);
    AlignedArray<float> products(kRowBlock * std::min(kCentroidBlock, sides.count()));
    AlignedArray<typename Sides::Value> scratch(reader.in_place() ? 0 : kRowBlock * rows.padded);
    for (std::size_t begin = first; begin < end; begin += kRowBlock) {
      const std::size_t block = std::min(kRowBlock, end - begin);
      nearest_block(reader.block(begin, block, scratch.data()), block, sides, products.data(),
                    labels + begin);
    }
  });
}

// One task of nearest_in_groups(): its rows and their candidates.
template <typename Sides>
class Beam {
 public:
  Beam(const Rows& rows, const Sides& leaves, const Sides& parents, const Groups& groups,
       std::size_t beam)
      : rows_(rows),
        leaves_(leaves),
        parents_(parents),
        groups_(groups),
        beam_(std::min(beam, groups.count())),
        scratch_(kRowBlock * rows.padded),
        products_(kRowBlock * std::max(groups.count(), kCentroidBlock)),
        best_(rows.count) {}

  void run(std::uint32_t* labels) {
    choose_groups();
    typename Sides::Reader reader(leaves_, rows_);
    for (std::size_t g = 0; g < groups_.count(); ++g) search(g, reader);
    for (std::size_t r = 0; r < rows_.count; ++r) labels[r] = best_[r].label;
  }

 private:
  // Fills wanted_: (group, row) in order of group.
  void choose_groups() {
    const std::size_t count = groups_.count();
    const float* halves = parents_.halves();
    typename Sides::Reader reader(parents_, rows_);
    std::vector<std::pair<float, std::uint32_t>> order(count);
    std::vector<std::uint32_t> chosen(rows_.count * beam_);
    for (std::size_t begin = 0; begin < rows_.count; begin += kRowBlock) {
      const std::size_t block = std::min(kRowBlock, rows_.count - begin);
      parents_.multiply(reader.block(begin, block, scratch_.data()), block, 0, count,
                        products_.data());
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

  void search(std::size_t group, typename Sides::Reader& reader) {
    const std::size_t end = groups_.first[group + 1];
    const std::span<const std::uint32_t> wanting(wanted_.rows.data() + wanted_.begin[group],
                                                 wanted_.count(group));
    for (std::size_t begin = 0; begin < wanting.size(); begin += kRowBlock) {
      const std::size_t block = std::min(kRowBlock, wanting.size() - begin);
      for (std::size_t r = 0; r < block; ++r)
        reader.copy(wanting[begin + r], scratch_.data() + r * rows_.padded);
      for (std::size_t c = groups_.first[group]; c < end; c += kCentroidBlock) {
        const std::size_t width = std::min(kCentroidBlock, end - c);
        leaves_.multiply(scratch_.data(), block, c, width, products_.data());
        for (std::size_t r = 0; r < block; ++r) {
          const Best here = best_of(products_.data() + r * width, leaves_.halves() + c, width);
          Best& best = best_[wanting[begin + r]];
          if (here.score <= best.score) continue;
          best = {.score = here.score, .label = static_cast<std::uint32_t>(here.label + c)};
        }
      }
    }
  }

  Rows rows_;
  const Sides& leaves_;
  const Sides& parents_;
  const Groups& groups_;
  std::size_t beam_;
  AlignedArray<typename Sides::Value> scratch_;
  AlignedArray<float> products_;
  std::vector<Best> best_;
  Members wanted_;
};

template <typename Sides>
void nearest_in_groups_of(const Sides& leaves, const Sides& parents, const Rows& rows,
                          const Groups& groups, std::size_t beam, std::uint32_t* labels,
                          Executor& executor) {
  parallel_ranges(executor, rows.count, kBeamRows, [&](std::size_t begin, std::size_t end) {
    Beam<Sides>(rows.part(begin, end - begin), leaves, parents, groups, beam).run(labels + begin);
  });
}

}  // namespace

void nearest(const Rows& rows, const Centroids& centroids, std::uint32_t* labels,
             Executor& executor) {
  if (use_coarse(centroids.count())) {
    nearest_of(Coarse(centroids), rows, labels, executor);
  } else {
    nearest_of(Floats(centroids), rows, labels, executor);
  }
}

void nearest_in_groups(const Rows& rows, const Centroids& centroids, const Groups& groups,
                       std::size_t beam, std::uint32_t* labels, Executor& executor) {
  if (use_coarse(centroids.count())) {
    nearest_in_groups_of(Coarse(centroids), Coarse(groups.parents), rows, groups, beam, labels,
                         executor);
  } else {
    nearest_in_groups_of(Floats(centroids), Floats(groups.parents), rows, groups, beam, labels,
                         executor);
  }
}

}  // namespace kedge
