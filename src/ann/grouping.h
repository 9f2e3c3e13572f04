// The upper level of a tree: leaves in groups of neighbours, in an order that keeps near ones
// together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ann/kmeans.h"
#include "base/executor.h"

namespace kedge {

// How many groups `leaves` leaves are in: about their root.
std::size_t group_count(std::size_t leaves);
// How many groups an approximate search of the nearest leaf looks into: of 31 groups 10, in which
// 99 of 100 rows of hard text vectors have their nearest leaf.
std::size_t beam_width(std::size_t groups);

// Groups the leaves and puts them into depth-first order: groups in a chain of nearest neighbours,
// and so the leaves of each. `leaves` must be measured.
Groups group(Centroids& leaves, std::uint64_t seed, Executor& executor);
// Bounds of groups of equal size, for leaves that are in order already.
std::vector<std::uint32_t> even_groups(std::size_t leaves);
// first: increasing from 0 to the number of leaves.
Groups with_parents(const Centroids& leaves, std::vector<std::uint32_t> first);

}  // namespace kedge
