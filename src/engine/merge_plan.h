// Which segments are due to become one, and on which tree: pure, from a snapshot.
//
// Levels: a segment without a tree is scanned whole, so there are few and small ones of it;
// together they become a segment on the tree when they are as many rows as kedge would make a tree
// for. Of segments on the tree there are at most kMaxFragments, each a multiple of the next in
// size, so that a list has as many pieces and every row is copied a few times only.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/index.h"
#include "engine/segment.h"

namespace kedge {

struct MergePlan {
  std::vector<SegmentPtr> inputs;  // of one space; empty: nothing is due
  enum class Target : std::uint8_t { kOneList, kNewestTree, kNewTree };
  Target target = Target::kOneList;
};

// Before a commit that adds `coming` segments: only what must not wait.
MergePlan plan_before_commit(const Snapshot& snapshot, const IndexOptions& options,
                             std::size_t coming);
// What debt there is, the most urgent first.
MergePlan plan_merge(const Snapshot& snapshot, const IndexOptions& options);
// Everything of one space into one segment, on a new tree; empty where it does not fit one.
MergePlan plan_retraining(const Snapshot& snapshot, const IndexOptions& options,
                          const Id128& space);
// Everything of one space into one segment, or as much as fits one, on a new tree where that pays;
// empty where it is one already, without dead objects, on a tree that fits, unless `again`.
MergePlan plan_compaction(const Snapshot& snapshot, const IndexOptions& options, const Id128& space,
                          bool again);

inline constexpr std::size_t kMaxFragments = 3;  // to kManyRows rows
inline constexpr std::size_t kMaxFragmentsAbove = 6;
inline constexpr std::uint64_t kManyRows = 10'000'000;
inline constexpr std::uint64_t kOutgrown = 4;  // times the rows that the tree was trained for

}  // namespace kedge
