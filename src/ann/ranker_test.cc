// The lists that a query reads are those that this names: one that is left out is recall that is
// lost.
#include "ann/ranker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "ann/testing.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

std::vector<Ranked> brute_force(const Tree& tree, const QueryCodes& query, std::size_t count) {
  std::vector<Ranked> all;
  for (std::uint32_t leaf = 0; leaf < tree.leaf_count(); ++leaf) {
    const float* centroid = tree.centroid_f32(leaf);
    const float value = query.metric() == Metric::kDot
                            ? -kernels().dot_f32(query.rotated(), centroid, tree.padded())
                            : kernels().l2_f32(query.rotated(), centroid, tree.padded());
    const bool dot = query.metric() == Metric::kDot;
    all.push_back({leaf, value + (dot ? 0 : tree.penalties()[leaf])});
  }
  std::sort(all.begin(), all.end(),
            [](const Ranked& a, const Ranked& b) { return a.value < b.value; });
  all.resize(std::min(count, all.size()));
  return all;
}

double overlap(const std::vector<Ranked>& a, const std::vector<Ranked>& b) {
  std::size_t both = 0;
  for (const Ranked& x : a) {
    both += static_cast<std::size_t>(
        std::count_if(b.begin(), b.end(), [&](const Ranked& y) { return x.leaf == y.leaf; }));
  }
  return static_cast<double>(both) / static_cast<double>(b.size());
}

TEST(Ranker, NamesTheLeavesThatBruteForceNames) {
  const struct {
    const char* name;
    std::size_t rows;
    std::uint32_t leaf_rows;
    float offset;
    Metric metric;
    double least;
  } cases[] = {{"L2", 8'000, 20, 0, Metric::kL2, 0.95},
               {"dot", 8'000, 20, 0, Metric::kDot, 0.95},
               {"L2, far from the origin", 8'000, 20, 30, Metric::kL2, 0.95},
               {"L2, two levels", 18'000, 4, 0, Metric::kL2, 0.95}};
  for (const auto& made : cases) {
    SCOPED_TRACE(made.name);
    constexpr std::uint32_t kDimension = 64;
    Normal normal(21);
    std::vector<float> rows = clustered(normal, made.rows, kDimension, 200, 0.6F);
    for (float& value : rows) value += made.offset;
    const Rotation rotation(kDimension, 1);
    std::vector<float> rotated(rows.size());
    for (std::size_t i = 0; i < made.rows; ++i) {
      rotation.apply(rows.data() + i * kDimension, rotated.data() + i * kDimension);
    }
    Tree tree = Tree::train({rotated.data(), nullptr, made.rows, kDimension},
                            {.leaf_rows = made.leaf_rows, .rows = made.rows}, inline_executor());
    ASSERT_EQ(tree.leaf_count() > kExactRanking, made.leaf_rows == 4);
    std::vector<float> penalties(tree.leaf_count());
    for (float& penalty : penalties) penalty = static_cast<float>(normal.below(200)) / 10;
    tree = std::move(tree).with_penalties(std::move(penalties));
    const Ranker ranker(tree);
    QueryCodes query(rotation, made.metric);
    std::vector<Ranked> ranked;
    double sum = 0;
    constexpr int kQueries = 40;
    for (int q = 0; q < kQueries; ++q) {
      query.set(rows.data() + normal.below(made.rows) * kDimension);
      ranker.rank(query, 50, ranked);
      ASSERT_EQ(ranked.size(), 50U);
      ASSERT_TRUE(std::is_sorted(ranked.begin(), ranked.end(),
                                 [](const auto& a, const auto& b) { return a.value < b.value; }));
      const std::vector<Ranked> expected = brute_force(tree, query, 50);
      sum += overlap(ranked, expected);
      EXPECT_NEAR(ranked[0].value, expected[0].value,
                  0.02 * std::abs(expected[0].value - expected[49].value) +
                      0.01 * std::abs(expected[0].value));
    }
    EXPECT_GE(sum / kQueries, made.least);
  }
}

TEST(Ranker, NamesAllWhenAskedForMore) {
  Normal normal(22);
  const std::vector<float> rows = normal.vector(1000 * 64);
  const Tree tree = Tree::train({rows.data(), nullptr, 1000, 64}, {.leaf_rows = 50, .rows = 1000},
                                inline_executor());
  const Ranker ranker(tree);
  const Rotation rotation(64, 1);
  QueryCodes query(rotation, Metric::kL2);
  query.set(rows.data());
  std::vector<Ranked> ranked;
  ranker.rank(query, 1000, ranked);
  ASSERT_EQ(ranked.size(), tree.leaf_count());
  std::vector<std::uint32_t> leaves;
  for (const Ranked& entry : ranked) leaves.push_back(entry.leaf);
  std::sort(leaves.begin(), leaves.end());
  EXPECT_EQ(std::adjacent_find(leaves.begin(), leaves.end()), leaves.end());
  ranker.rank(query, 0, ranked);
  EXPECT_TRUE(ranked.empty());
}

}  // namespace
}  // namespace kedge
