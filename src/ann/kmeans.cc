#include "ann/kmeans.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/random.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

// Clusters above this share of the mean size may be split, into at most so many pieces, with so
// many rows looked at for each.
constexpr double kHeavy = 1.8;
constexpr std::size_t kMostPieces = 16;
constexpr std::size_t kPieceRows = 256;

void add_to(float* sum, const float* row, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) sum[i] += row[i];
}

// Centroids of up to `pieces` parts of a cluster.
Centroids split(const Rows& rows, std::span<const std::uint32_t> members, std::size_t pieces,
                std::uint64_t seed) {
  const std::size_t step = (members.size() - 1) / (pieces * kPieceRows) + 1;
  std::vector<std::uint32_t> some;
  for (std::size_t i = 0; i < members.size(); i += step) {
    some.push_back(rows.index == nullptr ? members[i] : rows.index[members[i]]);
  }
  return kmeans(rows.only(some), {.clusters = pieces, .iterations = 4, .seed = seed, .even = false},
                inline_executor());
}

// Whether the sum of squared sizes falls, by a margin, when the small cluster's centroid moves into
// the large one: its rows go to clusters of about the mean size.
bool pays(double large, double small, double mean) {
  return large > kHeavy * mean && large * large / 2 > 3 * small * mean;
}

Centroids pick_start(const Rows& rows, std::size_t clusters, Random& random) {
  // Partial Fisher-Yates: distinct rows; equal ones are sorted out by even_out().
  std::vector<std::uint32_t> order(rows.count);
  std::iota(order.begin(), order.end(), 0U);
  Centroids start(clusters, rows.padded);
  for (std::size_t i = 0; i < clusters; ++i) {
    std::swap(order[i], order[i + random.below(rows.count - i)]);
    rows.copy(order[i], start.row(i));
  }
  start.measure();
  return start;
}

}  // namespace

std::span<const std::byte> Rows::bytes(std::size_t i) const {
  return halves != nullptr ? std::as_bytes(std::span(halves + at(i), padded))
                           : std::as_bytes(std::span(values + at(i), padded));
}

void Rows::copy(std::size_t i, float* out) const {
  if (halves != nullptr) {
    kernels().f16_to_f32(halves + at(i), out, padded);
  } else {
    std::memcpy(out, values + at(i), padded * sizeof(float));
  }
}

const float* Rows::block(std::size_t begin, std::size_t rows, float* scratch) const {
  if (!scattered()) return values + at(begin);
  for (std::size_t i = 0; i < rows; ++i) copy(begin + i, scratch + i * padded);
  return scratch;
}

Rows Rows::part(std::size_t begin, std::size_t rows) const {
  Rows out = *this;
  out.count = rows;
  if (index != nullptr) {
    out.index += begin;
  } else if (halves != nullptr) {
    out.halves += begin * padded;
  } else {
    out.values += begin * padded;
  }
  return out;
}

Centroids::Centroids(std::size_t count, std::uint32_t padded)
    : padded_(padded), values_(count * padded), halves_(count) {}

void Centroids::measure(std::size_t i) {
  halves_[i] = kernels().dot_f32(row(i), row(i), padded_) / 2;
}
void Centroids::measure() {
  for (std::size_t i = 0; i < count(); ++i) measure(i);
}

Centroids Centroids::reordered(std::span<const std::uint32_t> order) const {
  Centroids out(order.size(), padded_);
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::memcpy(out.row(i), row(order[i]), padded_ * sizeof(float));
    out.halves_[i] = halves_[order[i]];
  }
  return out;
}

Members members_of(std::span<const std::uint32_t> labels, std::size_t clusters) {
  Members members;
  members.begin.assign(clusters + 1, 0);
  members.rows.resize(labels.size());
  for (const std::uint32_t label : labels) ++members.begin[label + 1];
  std::partial_sum(members.begin.begin(), members.begin.end(), members.begin.begin());
  std::vector<std::uint32_t> next(members.begin.begin(), members.begin.end() - 1);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    members.rows[next[labels[i]]++] = static_cast<std::uint32_t>(i);
  }
  return members;
}

void recentre(const Rows& rows, const Members& members, Centroids& centroids, Executor& executor) {
  executor.parallel_for(centroids.count(), [&](std::size_t c) {
    const std::size_t count = members.count(c);
    if (count == 0) return;
    float* mean = centroids.row(c);
    std::fill(mean, mean + rows.padded, 0.0F);
    std::vector<float> row(rows.halves != nullptr ? rows.padded : 0);
    for (std::size_t i = members.begin[c]; i < members.begin[c + 1]; ++i) {
      const std::size_t member = members.rows[i];
      if (rows.halves != nullptr) rows.copy(member, row.data());
      add_to(mean, rows.halves != nullptr ? row.data() : rows.values + rows.at(member),
             rows.padded);
    }
    kernels().scale(mean, 1 / static_cast<float>(count), rows.padded);
    centroids.measure(c);
  });
}

void even_out(const Rows& rows, const Members& members, Centroids& centroids, std::uint64_t seed) {
  const std::size_t clusters = centroids.count();
  std::vector<std::uint32_t> by_size(clusters);
  std::iota(by_size.begin(), by_size.end(), 0U);
  std::stable_sort(by_size.begin(), by_size.end(), [&](std::uint32_t a, std::uint32_t b) {
    return members.count(a) < members.count(b);
  });
  const double mean = static_cast<double>(rows.count) / static_cast<double>(clusters);
  std::size_t light = 0;
  for (std::size_t heavy = clusters; heavy-- > light + 1;) {
    const std::uint32_t large = by_size[heavy];
    const auto size = static_cast<double>(members.count(large));
    std::size_t pieces = 1;
    for (; pieces < kMostPieces && light + pieces - 1 < heavy; ++pieces) {
      const std::size_t small = members.count(by_size[light + pieces - 1]);
      const bool takes = pays(size / static_cast<double>(pieces), static_cast<double>(small), mean);
      if (!takes && (small > 0 || size < 2 * static_cast<double>(pieces))) break;
    }
    if (pieces == 1) break;
    const std::span<const std::uint32_t> inside(members.rows.data() + members.begin[large],
                                                members.count(large));
    const Centroids parts = split(rows, inside, pieces, seed + heavy);
    if (parts.count() < 2) continue;
    for (std::size_t i = 0; i < parts.count(); ++i) {
      const std::uint32_t target = i == 0 ? large : by_size[light++];
      std::memcpy(centroids.row(target), parts.row(i), rows.padded * sizeof(float));
      centroids.measure(target);
    }
  }
}

Centroids kmeans(const Rows& rows, const KMeansOptions& options, Executor& executor) {
  const std::size_t clusters = std::min(options.clusters, rows.count);
  if (clusters == 0) return {};
  SeededRandom random(options.seed);
  Centroids centroids = pick_start(rows, clusters, random);
  std::vector<std::uint32_t> labels(rows.count);
  Members members;
  for (std::size_t iteration = 0;; ++iteration) {
    nearest(rows, centroids, labels.data(), executor);
    members = members_of(labels, clusters);
    if (iteration == options.iterations) break;
    recentre(rows, members, centroids, executor);
    // Not before the last assignment: what moved has to settle.
    if (options.even && iteration + 2 < options.iterations) {
      even_out(rows, members, centroids, random.next());
    }
  }
  std::vector<std::uint32_t> inhabited;
  for (std::uint32_t c = 0; c < clusters; ++c) {
    if (members.count(c) > 0) inhabited.push_back(c);
  }
  return inhabited.size() == clusters ? std::move(centroids) : centroids.reordered(inhabited);
}

}  // namespace kedge
