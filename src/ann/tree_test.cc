// A leaf that is not the nearest costs recall, a large one costs time, and training that does not
// end on equal vectors costs the index.
#include "ann/tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "ann/testing.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

std::size_t brute_force(const Tree& tree, const float* row) {
  std::size_t best = 0;
  double best_distance = 1e300;
  for (std::uint32_t leaf = 0; leaf < tree.leaf_count(); ++leaf) {
    const float* centroid = tree.centroid_f32(leaf);
    double distance = 0;
    for (std::uint32_t j = 0; j < tree.padded(); ++j) {
      const double d = double{row[j]} - centroid[j];
      distance += d * d;
    }
    if (distance < best_distance) {
      best_distance = distance;
      best = leaf;
    }
  }
  return best;
}

double distance(const Tree& tree, const float* row, std::size_t leaf) {
  return kernels().l2_f32(row, tree.centroid_f32(static_cast<std::uint32_t>(leaf)), tree.padded());
}

struct Sizes {
  std::size_t largest = 0;
  std::size_t empty = 0;
  double mean = 0;
};

Sizes sizes_of(const Tree& tree, const std::vector<float>& rows) {
  const std::size_t n = rows.size() / tree.padded();
  std::vector<std::uint32_t> labels(n);
  tree.assign(rows.data(), n, labels.data(), inline_executor());
  std::vector<std::size_t> counts(tree.leaf_count());
  for (const std::uint32_t label : labels) ++counts[label];
  Sizes sizes;
  for (const std::size_t count : counts) {
    sizes.largest = std::max(sizes.largest, count);
    if (count == 0) ++sizes.empty;
  }
  sizes.mean = static_cast<double>(n) / tree.leaf_count();
  return sizes;
}

TEST(Tree, AssignsTheNearestLeafAndIsBalanced) {
  Normal normal(11);
  constexpr std::size_t kRows = 20'000;
  const struct {
    const char* name;
    std::vector<float> rows;
  } cases[] = {{"clustered", clustered(normal, kRows, 64, 300, 0.3F)},
               {"gaussian", normal.vector(kRows * 64)}};
  for (const auto& made : cases) {
    SCOPED_TRACE(made.name);
    const Tree tree = Tree::train({made.rows.data(), nullptr, kRows, 64},
                                  {.leaf_rows = 100, .rows = kRows}, inline_executor());
    EXPECT_GT(tree.leaf_count(), 180U);
    EXPECT_LE(tree.leaf_count(), 200U);
    std::vector<std::uint32_t> labels(kRows);
    tree.assign(made.rows.data(), kRows, labels.data(), inline_executor());
    for (std::size_t i = 0; i < kRows; i += 37) {
      const float* row = made.rows.data() + i * 64;
      const std::size_t expected = brute_force(tree, row);
      if (labels[i] == expected) continue;
      const double least = distance(tree, row, expected);
      EXPECT_NEAR(distance(tree, row, labels[i]), least, kernels().coarse ? 0.02 * least : 1e-3)
          << i;
    }
    const Sizes sizes = sizes_of(tree, made.rows);
    EXPECT_LE(static_cast<double>(sizes.largest), 4 * sizes.mean);
    EXPECT_EQ(sizes.empty, 0U);
  }
}

// Against leaves that are rows drawn at random, which is where k-means begins.
TEST(Tree, IsNearerToItsRowsThanADraw) {
  Normal normal(12);
  constexpr std::size_t kRows = 12'800;
  const std::vector<float> rows = clustered(normal, kRows, 64, 1000, 0.5F);
  const Tree tree = Tree::train({rows.data(), nullptr, kRows, 64},
                                {.leaf_rows = 100, .rows = kRows}, inline_executor());
  std::vector<std::uint16_t> drawn(std::size_t{tree.leaf_count()} * 64);
  kernels().f32_to_f16(rows.data(), drawn.data(), drawn.size());
  const Tree draw = Tree::from_centroids(64, drawn).value();
  double sums[2] = {};
  const Tree* trees[] = {&tree, &draw};
  for (int t = 0; t < 2; ++t) {
    std::vector<std::uint32_t> labels(kRows);
    trees[t]->assign(rows.data(), kRows, labels.data(), inline_executor());
    for (std::size_t i = 0; i < kRows; ++i) {
      sums[t] += distance(*trees[t], rows.data() + i * 64, labels[i]);
    }
  }
  EXPECT_LT(sums[0], 0.75 * sums[1]);
}

TEST(Tree, IsTheSameForASeedWithAnyExecutor) {
  Normal normal(13);
  constexpr std::size_t kRows = 9000;
  const std::vector<float> rows = clustered(normal, kRows, 128, 50, 0.3F);
  const TreeOptions options{.leaf_rows = 90, .rows = kRows, .seed = 3};
  const Tree one = Tree::train({rows.data(), nullptr, kRows, 128}, options, inline_executor());
  const auto pool = make_thread_pool(4);
  const Tree two = Tree::train({rows.data(), nullptr, kRows, 128}, options, *pool);
  EXPECT_TRUE(std::ranges::equal(one.centroids(), two.centroids()));
  EXPECT_TRUE(std::ranges::equal(one.first_leaf(), two.first_leaf()));
  TreeOptions other = options;
  other.seed = 4;
  const Tree three = Tree::train({rows.data(), nullptr, kRows, 128}, other, *pool);
  EXPECT_FALSE(std::ranges::equal(one.centroids(), three.centroids()));
  std::vector<std::uint32_t> labels(kRows);
  std::vector<std::uint32_t> parallel(kRows);
  one.assign(rows.data(), kRows, labels.data(), inline_executor());
  one.assign(rows.data(), kRows, parallel.data(), *pool);
  EXPECT_EQ(labels, parallel);
}

// What was stored gives the tree that was trained.
TEST(Tree, ComesBackFromItsCentroids) {
  Normal normal(14);
  const std::vector<float> rows = normal.vector(5000 * 64, 3);
  const Tree tree = Tree::train({rows.data(), nullptr, 5000, 64}, {.leaf_rows = 50, .rows = 5000},
                                inline_executor());
  auto back = Tree::from_centroids(64, {tree.centroids().begin(), tree.centroids().end()},
                                   {tree.first_leaf().begin(), tree.first_leaf().end()});
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->leaf_count(), tree.leaf_count());
  EXPECT_TRUE(std::equal(tree.parent_f32(0), tree.parent_f32(0) + 64, back->parent_f32(0)));
  EXPECT_TRUE(std::equal(tree.centroid_f32(3), tree.centroid_f32(3) + 64, back->centroid_f32(3)));
}

TEST(Tree, RefusesWhatIsNoTree) {
  const std::vector<std::uint16_t> two(128, 0x3C00);
  std::vector<std::uint16_t> infinite = two;
  infinite[100] = 0xFC00;
  const struct {
    std::uint32_t padded;
    std::vector<std::uint16_t> centroids;
    std::vector<std::uint32_t> first;
    const char* message;
  } cases[] = {{0, two, {}, "tree: bad dimension"},
               {96, two, {}, "tree: bad dimension"},
               {64, {}, {}, "tree: leaves out of range"},
               {64, std::vector<std::uint16_t>(100), {}, "tree: leaves out of range"},
               {64, infinite, {}, "tree: centroid is not finite"},
               {64, two, {0}, "tree: groups do not cover the leaves"},
               {64, two, {0, 1}, "tree: groups do not cover the leaves"},
               {64, two, {1, 2}, "tree: groups do not cover the leaves"},
               {64, two, {0, 2, 1, 2}, "tree: empty group"},
               {64, two, {0, 0, 2}, "tree: empty group"}};
  for (const auto& c : cases) {
    const auto tree = Tree::from_centroids(c.padded, c.centroids, c.first);
    ASSERT_FALSE(tree.ok()) << c.message;
    EXPECT_EQ(tree.code(), Code::kCorrupt);
    EXPECT_EQ(tree.error().message, c.message);
  }
  EXPECT_TRUE(Tree::from_centroids(64, two).ok());
  EXPECT_TRUE(Tree::from_centroids(64, two, {}, {0.0F, 2.0F}).ok());
  const std::pair<std::vector<float>, const char*> penalties[] = {
      {{1}, "tree: penalties do not fit"},
      {{0, -1}, "tree: penalty out of range"},
      {{std::numeric_limits<float>::infinity(), 0}, "tree: penalty out of range"},
      {{0, std::numeric_limits<float>::quiet_NaN()}, "tree: penalty out of range"}};
  for (const auto& [bad, message] : penalties) {
    const auto tree = Tree::from_centroids(64, two, {}, bad);
    ASSERT_FALSE(tree.ok()) << message;
    EXPECT_EQ(tree.error().message, message);
  }
}

// Logs and templates: most vectors are one and the same.
TEST(Tree, EndsOnEqualVectors) {
  constexpr std::size_t kRows = 6'000;
  for (const std::size_t percent : {0U, 50U, 90U, 99U, 100U}) {
    for (const std::size_t kinds : {1U, 3U, 200U}) {
      SCOPED_TRACE(std::to_string(percent) + " % of " + std::to_string(kinds) + " kinds");
      Normal normal(percent + kinds);
      const std::vector<float> repeated = normal.vector(kinds * 64);
      std::vector<float> rows = normal.vector(kRows * 64);
      for (std::size_t i = 0; i < kRows; ++i) {
        if (normal.below(100) >= percent) continue;
        const std::uint64_t kind = normal.below(kinds);
        std::copy_n(repeated.data() + kind * 64, 64, rows.data() + i * 64);
      }
      const Tree tree = Tree::train({rows.data(), nullptr, kRows, 64},
                                    {.leaf_rows = 60, .rows = kRows}, inline_executor());
      EXPECT_GE(tree.leaf_count(), 1U);
      EXPECT_LE(tree.leaf_count(), 100U);
      const Sizes sizes = sizes_of(tree, rows);
      EXPECT_LE(sizes.empty, tree.leaf_count() / 20);
      const std::size_t equal = kRows * percent / 100 / kinds;
      EXPECT_LE(sizes.largest, equal * 12 / 10 + 300);
      std::set<std::vector<std::uint16_t>> distinct;
      for (std::uint32_t leaf = 0; leaf < tree.leaf_count(); ++leaf) {
        distinct.emplace(tree.centroid_f16(leaf), tree.centroid_f16(leaf) + 64);
      }
      EXPECT_EQ(distinct.size(), tree.leaf_count());
    }
  }
}

TEST(Tree, TakesTheSmallestAndTheLargestInputs) {
  Normal normal(15);
  const std::vector<float> none;
  const Tree empty =
      Tree::train({none.data(), nullptr, 0, 64}, {.rows = 1'000'000}, inline_executor());
  EXPECT_EQ(empty.leaf_count(), 1U);
  const std::vector<float> one = normal.vector(64);
  EXPECT_EQ(Tree::train({one.data(), nullptr, 1, 64}, {.rows = 1'000'000}, inline_executor())
                .leaf_count(),
            1U);
  // Centroids stay within f16.
  const std::vector<float> huge = normal.vector(4000 * 64, 1e6F);
  const Tree tree = Tree::train({huge.data(), nullptr, 4000, 64}, {.leaf_rows = 100, .rows = 4000},
                                inline_executor());
  for (std::uint32_t leaf = 0; leaf < tree.leaf_count(); ++leaf) {
    for (std::uint32_t j = 0; j < 64; ++j) {
      ASSERT_LE(std::abs(tree.centroid_f32(leaf)[j]), 60'000.0F);
    }
  }
  // A limit on leaves holds, and none means one leaf.
  const std::vector<float> rows = normal.vector(4000 * 64);
  EXPECT_LE(Tree::train({rows.data(), nullptr, 4000, 64},
                        {.leaf_rows = 10, .rows = 4000, .max_leaves = 7}, inline_executor())
                .leaf_count(),
            7U);
  EXPECT_EQ(Tree::train({rows.data(), nullptr, 4000, 64}, {.leaf_rows = 10}, inline_executor())
                .leaf_count(),
            1U);
}

// Else everyone who reads its neighbours reads all of it.
TEST(Tree, GivesAFrequentRowALeafOfItsOwn) {
  Normal normal(18);
  constexpr std::size_t kRows = 4000;
  std::vector<float> rows = normal.vector(kRows * 64);
  for (std::size_t i = 0; i < kRows; i += 2) std::copy_n(rows.data(), 64, rows.data() + i * 64);
  const Tree tree = Tree::train({rows.data(), nullptr, kRows, 64},
                                {.leaf_rows = 100, .rows = kRows}, inline_executor());
  std::vector<std::uint32_t> labels(kRows);
  tree.assign(rows.data(), kRows, labels.data(), inline_executor());
  EXPECT_LT(distance(tree, rows.data(), labels[0]), 1e-3);
  EXPECT_LE(std::count(labels.begin(), labels.end(), labels[0]), kRows / 2 + 100);
  EXPECT_GE(tree.leaf_count(), 15U);
  EXPECT_LE(tree.leaf_count(), 21U);
}

// Reads of neighbours coalesce: a leaf is nearer to the next than to others of its group, and a
// group to the next than to others.
TEST(Tree, KeepsNearLeavesTogether) {
  Normal normal(16);
  constexpr std::size_t kRows = 20'000;
  // Four dimensions that matter, so that some groups are much nearer than others.
  std::vector<float> rows = normal.vector(kRows * 64, 0.1F);
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < 4; ++j) rows[i * 64 + j] = normal();
  }
  const Tree tree = Tree::train({rows.data(), nullptr, kRows, 64}, {.leaf_rows = 50, .rows = kRows},
                                inline_executor());
  const auto compare = [](std::size_t begin, std::size_t end, const auto& between, double* next,
                          double* any) {
    for (std::size_t i = begin; i + 1 < end; ++i) {
      *next += between(i, i + 1);
      double sum = 0;
      for (std::size_t j = begin; j < end; ++j) sum += between(i, j);
      *any += sum / static_cast<double>(end - begin - 1);
    }
  };
  double next = 0;
  double any = 0;
  const std::size_t groups = tree.first_leaf().size() - 1;
  ASSERT_GT(groups, 10U);
  for (std::size_t g = 0; g < groups; ++g) {
    compare(
        tree.first_leaf()[g], tree.first_leaf()[g + 1],
        [&](std::size_t a, std::size_t b) {
          return distance(tree, tree.centroid_f32(static_cast<std::uint32_t>(a)), b);
        },
        &next, &any);
  }
  EXPECT_LT(next, 0.55 * any) << any;
  next = any = 0;
  compare(
      0, groups,
      [&](std::size_t a, std::size_t b) {
        return double{kernels().l2_f32(tree.parent_f32(a), tree.parent_f32(b), tree.padded())};
      },
      &next, &any);
  EXPECT_LT(next, 0.7 * any) << any;
}

// Above kExactAssignment leaves only near groups are looked at.
TEST(Tree, FindsNearlyAlwaysTheNearestOfManyLeaves) {
  Normal normal(17);
  constexpr std::size_t kRows = 12'000;
  const std::vector<float> rows = clustered(normal, kRows, 64, 500, 0.5F);
  const Tree tree = Tree::train({rows.data(), nullptr, kRows, 64}, {.leaf_rows = 10, .rows = kRows},
                                inline_executor());
  ASSERT_GT(tree.leaf_count(), 2 * kExactAssignment);
  std::vector<std::uint32_t> labels(kRows);
  tree.assign(rows.data(), kRows, labels.data(), inline_executor());
  double found = 0;
  double least = 0;
  for (std::size_t i = 0; i < kRows; i += 23) {
    const float* row = rows.data() + i * 64;
    found += distance(tree, row, labels[i]);
    least += distance(tree, row, brute_force(tree, row));
  }
  EXPECT_LT(found, 1.005 * least);
}

}  // namespace
}  // namespace kedge
