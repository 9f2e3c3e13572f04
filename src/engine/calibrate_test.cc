#include "engine/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <vector>

#include "ann/rabitq.h"
#include "ann/testing.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

// Rows on a tree, and some of them as questions.
struct Made {
  Made(std::vector<float> its_rows, std::uint32_t dimension, std::size_t asked)
      : padded(dimension),
        rows(std::move(its_rows)),
        count(rows.size() / dimension),
        tree(Tree::train({rows.data(), nullptr, count, padded}, {.leaf_rows = 64, .rows = count},
                         inline_executor())),
        lists(count),
        questions(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(asked * dimension)),
        calibration(questions, padded, Metric::kL2) {
    tree.assign(rows.data(), count, lists.data(), inline_executor());
    calibration.add(tree, rows.data(), lists.data(), count, inline_executor());
  }

  // Of each leaf the mean squared distance of its rows.
  std::vector<float> spreads() const {
    std::vector<float> sums(tree.leaf_count());
    std::vector<float> of(tree.leaf_count());
    for (std::size_t i = 0; i < count; ++i) {
      sums[lists[i]] +=
          kernels().l2_f32(rows.data() + i * padded, tree.centroid_f32(lists[i]), padded);
      ++of[lists[i]];
    }
    for (std::size_t leaf = 0; leaf < sums.size(); ++leaf) sums[leaf] /= std::max(of[leaf], 1.0F);
    return sums;
  }
  // Lists for .95 with these penalties.
  std::uint32_t lists_needed(const std::vector<float>& penalties) const {
    Tree other = Tree::from_centroids(padded, {tree.centroids().begin(), tree.centroids().end()},
                                      {}, penalties)
                     .value();
    for (std::uint32_t probes = 1; probes < tree.leaf_count(); ++probes) {
      if (calibration.share_within(other, probes) >= 0.95) return probes;
    }
    return tree.leaf_count();
  }

  std::uint32_t padded;
  std::vector<float> rows;
  std::size_t count;
  Tree tree;
  std::vector<std::uint32_t> lists;
  std::vector<float> questions;
  Calibration calibration;
};

// What it says that five bits lose is what they lose.
TEST(Calibration, KnowsWhatFiveBitsLose) {
  constexpr std::size_t kAsked = 100;
  constexpr std::size_t kNearest = Calibration::kNearest;
  for (const std::uint32_t dimension : {64U, 256U}) {
    SCOPED_TRACE(dimension);
    Normal normal(41);
    const Made made(clustered(normal, 4000, dimension, 20, 0.7F), dimension, kAsked);
    const Rotation rotation(dimension, 5);
    QueryCodes query(rotation, Metric::kL2);
    RowEncoder encoder(dimension, Metric::kL2);
    std::vector<EncodedRow> codes(made.count);
    std::vector<float> rotated(made.rows.size());
    std::vector<std::vector<float>> centroids;
    for (std::uint32_t leaf = 0; leaf < made.tree.leaf_count(); ++leaf) {
      std::vector<float> centroid(dimension);
      rotation.apply(made.tree.centroid_f32(leaf), centroid.data());
      std::vector<std::uint16_t> halves(dimension);
      kernels().f32_to_f16(centroid.data(), halves.data(), dimension);
      kernels().f16_to_f32(halves.data(), centroid.data(), dimension);
      centroids.push_back(std::move(centroid));
    }
    for (std::size_t i = 0; i < made.count; ++i) {
      rotation.apply(made.rows.data() + i * dimension, rotated.data() + i * dimension);
      encoder.encode(rotated.data() + i * dimension, centroids[made.lists[i]].data(), codes[i]);
    }
    std::size_t kept = 0;
    for (std::size_t q = 0; q < kAsked; ++q) {
      query.set(made.rows.data() + q * dimension);
      std::vector<std::pair<float, std::size_t>> exact;
      std::vector<std::pair<float, std::size_t>> estimated;
      for (std::size_t i = 0; i < made.count; ++i) {
        if (i == q) continue;
        const float* row = rotated.data() + i * dimension;
        exact.emplace_back(kernels().l2_f32(query.rotated(), row, dimension), i);
        // <q, u> of the five-bit code from its definition, without the kernels.
        const float add =
            kernels().l2_f32(query.rotated(), centroids[made.lists[i]].data(), dimension);
        float dot1 = 0;
        for (std::size_t d = 0; d < dimension; ++d) {
          const bool bit = (std::to_integer<unsigned>(codes[i].bits[d / 8]) >> (d % 8) & 1U) != 0;
          dot1 += query.rotated()[d] * (bit ? 0.5F : -0.5F);
        }
        estimated.emplace_back(query.refine(dot1, codes[i].extra.data(), codes[i].refine_add,
                                            codes[i].refine_rescale, add),
                               i);
      }
      std::sort(exact.begin(), exact.end());
      std::sort(estimated.begin(), estimated.end());
      for (std::size_t n = 0; n < kNearest; ++n) {
        kept += std::any_of(estimated.begin(), estimated.begin() + kNearest,
                            [&](const auto& one) { return one.second == exact[n].second; })
                    ? 1
                    : 0;
      }
    }
    const double really = static_cast<double>(kept) / (kAsked * kNearest);
    const double told = made.calibration.five_bits(made.tree);
    std::cout << dimension << " dimensions: " << really << " are kept, said to be " << told << "\n";
    EXPECT_LT(really, 0.99) << "nothing is lost: no test of anything";
    EXPECT_NEAR(told, really, 0.02);
  }
}

// On the sphere wide leaves have their centroids inside, as near to a question as those of tight
// ones: by the centroid alone too many of them come first.
TEST(Calibration, PenaltiesPutTightLeavesFirst) {
  constexpr std::uint32_t kDimension = 128;
  Normal normal(42);
  std::vector<float> rows;
  for (std::size_t i = 0; i < 6000; ++i) {
    // A few hundred directions, some of which have their rows closer than others.
    const std::uint64_t centre = normal.below(300);
    Normal of(1000 + centre);
    std::vector<float> row = of.vector(kDimension);
    const float spread = centre % 3 == 0 ? 0.4F : 1.6F;
    double norm = 0;
    for (float& value : row) {
      value += spread * normal();
      norm += double{value} * double{value};
    }
    for (float& value : row) value = static_cast<float>(double{value} / std::sqrt(norm));
    rows.insert(rows.end(), row.begin(), row.end());
  }
  const Made made(std::move(rows), kDimension, 200);
  const std::vector<float> best = made.calibration.best_penalties(made.tree, made.spreads());
  ASSERT_EQ(best.size(), made.tree.leaf_count());
  EXPECT_GT(*std::max_element(best.begin(), best.end()), 0);
  const std::uint32_t with = made.lists_needed(best);
  const std::uint32_t without = made.lists_needed(std::vector<float>(best.size()));
  std::cout << with << " lists, without penalties " << without << "\n";
  EXPECT_LT(with, without);
}

// Rows along curves: a wide leaf reaches far along its own, and the nearest centroid is best.
TEST(Calibration, PenaltiesAreZeroWhereTheyDoNotHelp) {
  constexpr std::uint32_t kDimension = 64;
  Normal normal(43);
  std::vector<float> rows;
  for (std::size_t i = 0; i < 4000; ++i) {
    std::vector<float> row(kDimension);
    const float at = static_cast<float>(normal.below(1'000'000)) / 1'000'000;
    row[0] = at * at * 100;
    row[1] = at;
    rows.insert(rows.end(), row.begin(), row.end());
  }
  const Made made(std::move(rows), kDimension, 200);
  for (const float penalty : made.calibration.best_penalties(made.tree, made.spreads()))
    ASSERT_EQ(penalty, 0);
  const Calibration dot(made.questions, kDimension, Metric::kDot);
  for (const float penalty : dot.best_penalties(made.tree, made.spreads())) ASSERT_EQ(penalty, 0);
}

}  // namespace
}  // namespace kedge
