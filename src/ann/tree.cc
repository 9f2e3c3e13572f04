#include "ann/tree.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>
#include <utility>

#include "ann/grouping.h"
#include "base/hash.h"
#include "base/random.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr float kLargestCentroid = 60'000;  // leaves room below the largest f16
constexpr std::size_t kFlatRounds = 4;
constexpr std::size_t kTopRows = 256;      // sample rows a centroid of the upper level
constexpr std::size_t kMinimumSample = 4;  // distinct sample rows a leaf
constexpr std::uint16_t kHalfExponent = 0x7C00;

// The sample without repetitions.
struct Distinct {
  std::vector<std::uint32_t>
      rows;  // in an order that depends on the rows alone, and on nothing near
  std::vector<std::uint32_t> heavy;  // rows so frequent that each fills a leaf
  std::size_t heavy_rows = 0;        // how often these occur together
};

Distinct distinct_rows(const Rows& sample, std::size_t heavy_count, Executor& executor) {
  struct Hashed {
    Id128 hash;
    std::uint32_t row;
  };
  std::vector<Hashed> hashed(sample.count);
  executor.parallel_for((sample.count + 4095) / 4096, [&](std::size_t task) {
    const std::size_t end = std::min(sample.count, (task + 1) * 4096);
    for (std::size_t i = task * 4096; i < end; ++i) {
      hashed[i] = {xxh3_128(sample.bytes(i)), static_cast<std::uint32_t>(i)};
    }
  });
  std::sort(hashed.begin(), hashed.end(), [](const Hashed& a, const Hashed& b) {
    return std::tie(a.hash, a.row) < std::tie(b.hash, b.row);
  });
  Distinct distinct;
  for (std::size_t i = 0; i < hashed.size();) {
    std::size_t end = i + 1;
    while (end < hashed.size() && hashed[end].hash == hashed[i].hash) ++end;
    if (end - i >= heavy_count) {
      distinct.heavy.push_back(hashed[i].row);
      distinct.heavy_rows += end - i;
    } else {
      distinct.rows.push_back(hashed[i].row);
    }
    i = end;
  }
  return distinct;
}

std::size_t wanted_leaves(const TreeOptions& options) {
  const std::uint64_t leaf_rows = std::max<std::uint64_t>(options.leaf_rows, 1);
  const std::uint64_t wanted = (options.rows + leaf_rows / 2) / leaf_rows;
  const std::size_t most = std::clamp<std::size_t>(options.max_leaves, 1, kMaxLeaves);
  return std::clamp<std::uint64_t>(wanted, 1, most);
}

// Shares `total` clusters out by size: largest remainders, at least one each.
std::vector<std::size_t> shares(const Members& members, std::size_t total) {
  const std::size_t parts = members.begin.size() - 1;
  const auto rows = static_cast<double>(members.rows.size());
  std::vector<std::size_t> share(parts);
  std::vector<std::pair<double, std::size_t>> rest(parts);
  std::size_t given = 0;
  for (std::size_t i = 0; i < parts; ++i) {
    const double exact = static_cast<double>(members.count(i)) / rows * static_cast<double>(total);
    share[i] = std::max<std::size_t>(1, static_cast<std::size_t>(exact));
    rest[i] = {static_cast<double>(share[i]) - exact, i};
    given += share[i];
  }
  std::sort(rest.begin(), rest.end());
  for (std::size_t i = 0; i < parts && given < total; ++i, ++given) ++share[rest[i].second];
  return share;
}

// The first leaves: clusters of the upper level, each clustered on its own.
Centroids two_levels(const Rows& rows, std::size_t leaves, std::uint64_t seed, Executor& executor) {
  const std::size_t tops = group_count(leaves);
  const Rows some = rows.part(0, std::min(rows.count, tops * kTopRows));
  const Centroids top = kmeans(some, {.clusters = tops, .seed = seed}, executor);
  std::vector<std::uint32_t> labels(rows.count);
  nearest(rows, top, labels.data(), executor);
  Members members = members_of(labels, top.count());
  for (std::uint32_t& row : members.rows) row = rows.index[row];
  const std::vector<std::size_t> share = shares(members, leaves);
  std::vector<Centroids> parts(top.count());
  executor.parallel_for(top.count(), [&](std::size_t t) {
    const Rows mine =
        rows.only(std::span(members.rows).subspan(members.begin[t], members.count(t)));
    parts[t] = kmeans(mine, {.clusters = share[t], .iterations = 5, .seed = seed + 1 + t},
                      inline_executor());
  });
  std::size_t count = 0;
  for (const Centroids& part : parts) count += part.count();
  Centroids all(count, rows.padded);
  count = 0;
  for (const Centroids& part : parts) {
    if (part.count() == 0) continue;
    std::memcpy(all.row(count), part.row(0), part.count() * rows.padded * sizeof(float));
    count += part.count();
  }
  all.measure();
  return all;
}

// Leaves near each other across the borders of the upper level settle.
Centroids settle(const Rows& rows, Centroids leaves, std::uint64_t seed, Executor& executor) {
  std::vector<std::uint32_t> labels(rows.count);
  for (std::size_t round = 0; round < kFlatRounds; ++round) {
    Groups groups = group(leaves, seed + round, executor);
    nearest_in_groups(rows, leaves, groups, beam_width(groups.count()) * 2 / 3 + 1, labels.data(),
                      executor);
    const Members members = members_of(labels, leaves.count());
    recentre(rows, members, leaves, executor);
    if (round + 1 < kFlatRounds) {
      even_out(rows, members, leaves, seed + round);
      continue;
    }
    std::vector<std::uint32_t> inhabited;
    for (std::uint32_t c = 0; c < leaves.count(); ++c) {
      if (members.count(c) > 0) inhabited.push_back(c);
    }
    leaves = leaves.reordered(inhabited);
  }
  return leaves;
}

}  // namespace

Tree Tree::train(const Rows& sample, const TreeOptions& options, Executor& executor) {
  const std::size_t n = sample.count;
  const std::uint32_t padded = sample.padded;
  const std::size_t wanted = wanted_leaves(options);
  const std::size_t heavy_count = std::max<std::size_t>((n + wanted - 1) / wanted, 2);
  const Distinct distinct = distinct_rows(sample, heavy_count, executor);
  const std::size_t room = wanted - std::min(wanted, distinct.heavy.size());
  const Rows light = sample.only(distinct.rows);
  Centroids learnt;
  if (light.count > 0 && room > 0) {
    const auto share = static_cast<double>(n - distinct.heavy_rows) / static_cast<double>(n);
    const auto leaves = std::clamp<std::size_t>(
        static_cast<std::size_t>(std::llround(share * static_cast<double>(wanted))), 1,
        std::clamp<std::size_t>(light.count / kMinimumSample, 1, room));
    learnt = leaves == 1 ? kmeans(light, {.clusters = 1, .seed = options.seed}, executor)
                         : settle(light, two_levels(light, leaves, options.seed, executor),
                                  options.seed, executor);
  }
  const std::size_t count = learnt.count() + distinct.heavy.size();
  Centroids leaves(std::max<std::size_t>(count, 1), padded);
  if (learnt.count() > 0) {
    std::memcpy(leaves.row(0), learnt.row(0), learnt.count() * padded * sizeof(float));
  }
  for (std::size_t i = 0; i < distinct.heavy.size(); ++i) {
    sample.copy(distinct.heavy[i], leaves.row(learnt.count() + i));
  }
  leaves.measure();
  Groups groups = group(leaves, options.seed, executor);
  float* values = leaves.row(0);
  std::vector<std::uint16_t> halves(leaves.count() * padded);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    values[i] = std::clamp(values[i], -kLargestCentroid, kLargestCentroid);
  }
  kernels().f32_to_f16(values, halves.data(), halves.size());
  return from_centroids(padded, std::move(halves), std::move(groups.first)).value();
}

Result<Tree> Tree::from_centroids(std::uint32_t padded, std::vector<std::uint16_t> centroids,
                                  std::vector<std::uint32_t> first_leaf,
                                  std::vector<float> penalties) {
  if (padded == 0 || padded % 64 != 0) return Error{Code::kCorrupt, "tree: bad dimension"};
  const std::size_t count = centroids.size() / padded;
  if (count == 0 || count > kMaxLeaves || centroids.size() % padded != 0) {
    return Error{Code::kCorrupt, "tree: leaves out of range"};
  }
  bool finite = true;  // to the end, so that it is done many at a time
  for (const std::uint16_t half : centroids) finite &= (half & kHalfExponent) != kHalfExponent;
  if (!finite) return Error{Code::kCorrupt, "tree: centroid is not finite"};
  if (first_leaf.empty()) first_leaf = even_groups(count);
  if (first_leaf.size() < 2 || first_leaf.front() != 0 || first_leaf.back() != count) {
    return Error{Code::kCorrupt, "tree: groups do not cover the leaves"};
  }
  for (std::size_t i = 1; i < first_leaf.size(); ++i) {
    if (first_leaf[i] <= first_leaf[i - 1]) return Error{Code::kCorrupt, "tree: empty group"};
  }
  if (penalties.empty()) penalties.resize(count);
  if (penalties.size() != count) return Error{Code::kCorrupt, "tree: penalties do not fit"};
  for (const float penalty : penalties) {
    if (!std::isfinite(penalty) || penalty < 0)
      return Error{Code::kCorrupt, "tree: penalty out of range"};
  }
  Tree tree;
  tree.penalties_ = std::move(penalties);
  tree.padded_ = padded;
  tree.centroids_ = std::move(centroids);
  tree.first_leaf_ = std::move(first_leaf);
  return tree;
}

const Tree::Wide& Tree::wide() const {
  std::call_once(wide_->made, [&] {
    wide_->leaves = Centroids(leaf_count(), padded_);
    kernels().f16_to_f32(centroids_.data(), wide_->leaves.row(0), centroids_.size());
    wide_->leaves.measure();
    wide_->groups = with_parents(wide_->leaves, first_leaf_);
  });
  return *wide_;
}

Tree Tree::with_penalties(std::vector<float> penalties) && {
  KEDGE_CHECK(penalties.size() == leaf_count());
  penalties_ = std::move(penalties);
  return std::move(*this);
}

void Tree::assign(const float* rows, std::size_t n, std::uint32_t* labels,
                  Executor& executor) const {
  const Rows all{rows, nullptr, n, padded_};
  const Wide& wide = this->wide();
  if (leaf_count() <= kExactAssignment) {
    nearest(all, wide.leaves, labels, executor);
  } else {
    nearest_in_groups(all, wide.leaves, wide.groups, beam_width(wide.groups.count()), labels,
                      executor);
  }
}

}  // namespace kedge
