// What the tree is made of, each part alone: in the tree they make up for each other.
#include "ann/kmeans.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "ann/testing.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr std::uint32_t kPadded = 64;

Centroids centroids_of(const std::vector<float>& values) {
  Centroids centroids(values.size() / kPadded, kPadded);
  std::copy(values.begin(), values.end(), centroids.row(0));
  centroids.measure();
  return centroids;
}

float distance(const float* a, const float* b) { return kernels().l2_f32(a, b, kPadded); }

double imbalance(const Members& members, std::size_t clusters, std::size_t rows) {
  double squares = 0;
  for (std::size_t c = 0; c < clusters; ++c) {
    squares += std::pow(static_cast<double>(members.count(c)), 2);
  }
  return squares * static_cast<double>(clusters) / std::pow(static_cast<double>(rows), 2);
}

// Counts around the sizes of blocks, rows in place and by index.
TEST(Nearest, IsWhatBruteForceFinds) {
  Normal normal(1);
  const std::vector<float> values = normal.vector(1200 * kPadded);
  std::vector<std::uint32_t> index;
  for (std::uint32_t i = 0; i < 1200; ++i) index.push_back(1199 - i);
  for (const std::size_t count : {1U, 15U, 16U, 17U, 255U, 256U, 257U, 600U}) {
    const Centroids centroids = centroids_of(normal.vector(count * kPadded));
    for (const std::size_t rows : {1U, 63U, 65U, 1025U, 1200U}) {
      SCOPED_TRACE(std::to_string(count) + " centroids, " + std::to_string(rows) + " rows");
      std::vector<std::uint32_t> labels(rows);
      std::vector<std::uint32_t> by_index(rows);
      nearest({values.data(), nullptr, rows, kPadded}, centroids, labels.data(), inline_executor());
      nearest({values.data(), index.data() + 1200 - rows, rows, kPadded}, centroids,
              by_index.data(), inline_executor());
      for (std::size_t i = 0; i < rows; ++i) {
        ASSERT_EQ(labels[i], by_index[rows - 1 - i]) << i;
        if (i % 7 != 0) continue;
        const float* row = values.data() + i * kPadded;
        float least = distance(row, centroids.row(0));
        for (std::size_t c = 1; c < count; ++c) {
          least = std::min(least, distance(row, centroids.row(c)));
        }
        const float rounding = kernels().coarse ? 0.02F * least : 1e-3F;
        ASSERT_NEAR(distance(row, centroids.row(labels[i])), least, rounding) << i;
      }
    }
  }
}

// Rows whose differences are a hundredth of their length, as embeddings with a common part may
// be: neither floats nor bf16 may lose what tells the centroids apart.
TEST(Nearest, StandsFarFromTheOrigin) {
  Normal normal(7);
  const std::vector<float> offset = normal.vector(kPadded, 100);
  const auto moved = [&](std::size_t count) {
    std::vector<float> values = normal.vector(count * kPadded);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += offset[i % kPadded];
    return values;
  };
  const std::vector<float> values = moved(300);
  const Centroids centroids = centroids_of(moved(40));
  std::vector<std::uint32_t> labels(300);
  nearest({values.data(), nullptr, 300, kPadded}, centroids, labels.data(), inline_executor());
  double found = 0;
  double best = 0;
  for (std::size_t i = 0; i < 300; ++i) {
    const float* row = values.data() + i * kPadded;
    float least = distance(row, centroids.row(0));
    for (std::size_t c = 1; c < 40; ++c) least = std::min(least, distance(row, centroids.row(c)));
    found += distance(row, centroids.row(labels[i]));
    best += least;
  }
  EXPECT_LT(found, 1.1 * best);
}

TEST(NearestInGroups, IsTheNearestWhenItLooksIntoAllGroups) {
  Normal normal(2);
  const std::vector<float> values = normal.vector(700 * kPadded);
  const Centroids centroids = centroids_of(normal.vector(90 * kPadded));
  Groups groups{centroids_of(normal.vector(4 * kPadded)), {0, 1, 20, 60, 90}};
  const Rows rows{values.data(), nullptr, 700, kPadded};
  std::vector<std::uint32_t> all(700);
  std::vector<std::uint32_t> grouped(700);
  nearest(rows, centroids, all.data(), inline_executor());
  nearest_in_groups(rows, centroids, groups, 4, grouped.data(), inline_executor());
  EXPECT_EQ(all, grouped);
  // With one group, only leaves of the group whose parent is nearest.
  std::vector<std::uint32_t> parents(700);
  nearest(rows, groups.parents, parents.data(), inline_executor());
  nearest_in_groups(rows, centroids, groups, 1, grouped.data(), inline_executor());
  for (std::size_t i = 0; i < 700; ++i) {
    EXPECT_GE(grouped[i], groups.first[parents[i]]);
    EXPECT_LT(grouped[i], groups.first[parents[i] + 1]);
  }
}

TEST(EvenOut, MovesALightCentroidIntoAHeavyCluster) {
  Normal normal(3);
  const std::vector<float> middle = normal.vector(5 * kPadded, 10);
  // Two blobs of 200 rows share centroid 0; the others have 60, 60 and 2 rows.
  const std::size_t counts[] = {200, 200, 60, 60, 2};
  const std::uint32_t owner[] = {0, 0, 1, 2, 3};
  std::vector<float> values;
  std::vector<std::uint32_t> labels;
  for (std::size_t blob = 0; blob < 5; ++blob) {
    for (std::size_t i = 0; i < counts[blob]; ++i) {
      for (std::uint32_t j = 0; j < kPadded; ++j) {
        values.push_back(middle[blob * kPadded + j] + normal());
      }
      labels.push_back(owner[blob]);
    }
  }
  const Rows rows{values.data(), nullptr, labels.size(), kPadded};
  Centroids centroids(4, kPadded);
  const Members members = members_of(labels, 4);
  recentre(rows, members, centroids, inline_executor());
  const std::vector<float> before(centroids.row(0), centroids.row(0) + 4 * kPadded);
  even_out(rows, members, centroids, 1);
  const float* blobs[] = {middle.data(), middle.data() + kPadded};
  const auto near = [](const float* a, const float* b) { return distance(a, b) < 10; };
  EXPECT_TRUE((near(centroids.row(0), blobs[0]) && near(centroids.row(3), blobs[1])) ||
              (near(centroids.row(0), blobs[1]) && near(centroids.row(3), blobs[0])));
  for (const std::size_t c : {1U, 2U}) {
    EXPECT_TRUE(std::equal(centroids.row(c), centroids.row(c) + kPadded, &before[c * kPadded]));
  }
}

TEST(EvenOut, LeavesEqualRowsAlone) {
  Normal normal(4);
  const std::vector<float> one = normal.vector(kPadded);
  std::vector<float> values;
  for (int i = 0; i < 500; ++i) values.insert(values.end(), one.begin(), one.end());
  const Rows rows{values.data(), nullptr, 500, kPadded};
  Centroids centroids(3, kPadded);
  const Members members = members_of(std::vector<std::uint32_t>(500, 0), 3);
  recentre(rows, members, centroids, inline_executor());
  even_out(rows, members, centroids, 1);
  EXPECT_TRUE(std::equal(one.begin(), one.end(), centroids.row(0),
                         [](float a, float b) { return std::abs(a - b) < 1e-4F; }));
  EXPECT_EQ(*centroids.row(1), 0);
  EXPECT_EQ(kmeans(rows, {.clusters = 7}, inline_executor()).count(), 1U);
}

// Blobs far apart, most of them without a centroid of their own: they flock to one in the middle.
TEST(KMeans, IsMoreEvenWithEvenOut) {
  Normal normal(5);
  constexpr std::size_t kRows = 6000;
  const std::vector<float> values = clustered(normal, kRows, kPadded, 200, 0.3F);
  const Rows rows{values.data(), nullptr, kRows, kPadded};
  double found[2] = {};
  for (const bool even : {false, true}) {
    const Centroids centroids = kmeans(
        rows, {.clusters = 100, .iterations = 8, .seed = 1, .even = even}, inline_executor());
    std::vector<std::uint32_t> labels(kRows);
    nearest(rows, centroids, labels.data(), inline_executor());
    found[even ? 1 : 0] =
        imbalance(members_of(labels, centroids.count()), centroids.count(), kRows);
  }
  EXPECT_LT(found[1], 0.7 * found[0]) << found[0];
}

TEST(KMeans, TakesFewRows) {
  EXPECT_EQ(kmeans({nullptr, nullptr, 0, kPadded}, {.clusters = 3}, inline_executor()).count(), 0U);
  Normal normal(6);
  const std::vector<float> values = normal.vector(2 * kPadded);
  const Rows rows{values.data(), nullptr, 2, kPadded};
  EXPECT_EQ(kmeans(rows, {.clusters = 3}, inline_executor()).count(), 2U);
  EXPECT_EQ(kmeans(rows, {.clusters = 1}, inline_executor()).count(), 1U);
}

}  // namespace
}  // namespace kedge
