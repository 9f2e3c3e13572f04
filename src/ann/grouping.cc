#include "ann/grouping.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::size_t kLargestGroupCount = 512;
constexpr std::size_t kWidestBeam = 24;

// Puts `items` into a chain: first the one nearest to `start`, then each time the nearest of the
// rest.
void chain(const Centroids& centroids, const float* start, std::span<std::uint32_t> items) {
  const Kernels& simd = kernels();
  const float* from = start;
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::size_t best = i;
    float best_distance = std::numeric_limits<float>::infinity();
    for (std::size_t j = i; j < items.size(); ++j) {
      const float distance = simd.l2_f32(from, centroids.row(items[j]), centroids.padded());
      if (distance >= best_distance) continue;
      best_distance = distance;
      best = j;
    }
    std::swap(items[i], items[best]);
    from = centroids.row(items[i]);
  }
}

// Cuts what is longer than `most` into equal runs of the chain: in high dimensions the group in the
// middle is nearest to many a leaf that is near to none.
std::vector<std::uint32_t> cut_long(const std::vector<std::uint32_t>& first, std::size_t most) {
  std::vector<std::uint32_t> cut{0};
  for (std::size_t g = 0; g + 1 < first.size(); ++g) {
    const std::size_t size = first[g + 1] - first[g];
    const std::size_t runs = (size + most - 1) / most;
    for (std::size_t run = 1; run <= runs; ++run) {
      cut.push_back(static_cast<std::uint32_t>(first[g] + size * run / runs));
    }
  }
  return cut;
}

}  // namespace

std::size_t group_count(std::size_t leaves) {
  if (leaves <= 8) return 1;
  const auto root = static_cast<std::size_t>(std::sqrt(static_cast<double>(leaves)));
  return std::min(root, kLargestGroupCount);
}

std::size_t beam_width(std::size_t groups) {
  const auto root = static_cast<std::size_t>(2 * std::sqrt(static_cast<double>(groups)));
  return std::min({groups, std::max<std::size_t>(root, 2) - 1, kWidestBeam});
}

Groups group(Centroids& leaves, std::uint64_t seed, Executor& executor) {
  const Rows rows{leaves.row(0), nullptr, leaves.count(), leaves.padded()};
  const Centroids tops =
      kmeans(rows, {.clusters = group_count(leaves.count()), .seed = seed}, executor);
  std::vector<std::uint32_t> labels(leaves.count());
  nearest(rows, tops, labels.data(), executor);
  Members members = members_of(labels, tops.count());

  std::vector<std::uint32_t> group_order;
  for (std::uint32_t g = 0; g < tops.count(); ++g) {
    if (members.count(g) > 0) group_order.push_back(g);
  }
  // From one end of the space to the other, as far as a chain can.
  chain(tops, tops.row(group_order[0]), group_order);
  std::vector<std::uint32_t> first{0};
  std::vector<std::uint32_t> order;
  for (const std::uint32_t g : group_order) {
    order.insert(order.end(), members.rows.begin() + members.begin[g],
                 members.rows.begin() + members.begin[g + 1]);
    first.push_back(static_cast<std::uint32_t>(order.size()));
  }
  executor.parallel_for(group_order.size(), [&](std::size_t i) {
    const float* before = tops.row(group_order[i == 0 ? 0 : i - 1]);
    chain(leaves, before, std::span(order).subspan(first[i], first[i + 1] - first[i]));
  });
  leaves = leaves.reordered(order);
  first = cut_long(first, 2 * leaves.count() / group_order.size() + 1);
  return with_parents(leaves, std::move(first));
}

std::vector<std::uint32_t> even_groups(std::size_t leaves) {
  const std::size_t groups = group_count(leaves);
  std::vector<std::uint32_t> first(groups + 1);
  for (std::size_t g = 0; g <= groups; ++g) {
    first[g] = static_cast<std::uint32_t>(leaves * g / groups);
  }
  return first;
}

Groups with_parents(const Centroids& leaves, std::vector<std::uint32_t> first) {
  const std::size_t count = first.size() - 1;
  Groups groups{Centroids(count, leaves.padded()), std::move(first)};
  const Rows rows{leaves.row(0), nullptr, leaves.count(), leaves.padded()};
  Members members;
  members.begin = groups.first;
  members.rows.resize(leaves.count());
  for (std::uint32_t i = 0; i < leaves.count(); ++i) members.rows[i] = i;
  recentre(rows, members, groups.parents, inline_executor());
  return groups;
}

}  // namespace kedge
