// A rotation that is not orthonormal biases every distance; one whose signs change makes every
// stored code wrong.
#include "ann/rotation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ann/testing.h"

namespace kedge {
namespace {

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

TEST(Rotation, KeepsNormsAndInnerProducts) {
  for (const std::uint32_t dimension : {1U, 3U, 64U, 65U, 100U, 128U, 384U, 784U, 1536U, 8192U}) {
    SCOPED_TRACE(dimension);
    const Rotation rotation(dimension, 7);
    ASSERT_EQ(rotation.padded() % 64, 0U);
    ASSERT_LT(rotation.padded() - dimension, 64U);
    Normal normal(dimension);
    const std::vector<float> a = normal.vector(dimension);
    const std::vector<float> b = normal.vector(dimension, 2, 1);
    // Filled with what must not be seen.
    std::vector<float> rotated_a(rotation.padded(), 1e9F);
    std::vector<float> rotated_b(rotation.padded(), 1e9F);
    rotation.apply(a.data(), rotated_a.data());
    rotation.apply(b.data(), rotated_b.data());
    const double lengths = std::sqrt(dot(a, a) * dot(b, b));
    EXPECT_NEAR(dot(rotated_a, rotated_a) / dot(a, a), 1, 1e-5);
    EXPECT_NEAR(dot(rotated_b, rotated_b) / dot(b, b), 1, 1e-5);
    EXPECT_NEAR(dot(rotated_a, rotated_b) / lengths, dot(a, b) / lengths, 1e-5);
  }
}

// Codes of one bit a dimension rest on this: an axis has to become spread out.
TEST(Rotation, SpreadsEveryAxis) {
  for (const std::uint32_t dimension : {64U, 384U, 784U, 1536U}) {
    const Rotation rotation(dimension, 3);
    std::vector<float> axis(dimension);
    std::vector<float> rotated(rotation.padded());
    for (std::uint32_t i = 0; i < dimension; i += dimension / 32) {
      axis[i] = 1;
      rotation.apply(axis.data(), rotated.data());
      axis[i] = 0;
      float largest = 0;
      for (const float value : rotated) largest = std::max(largest, std::abs(value));
      EXPECT_LT(largest, 5.5F / std::sqrt(static_cast<float>(rotation.padded())))
          << dimension << ", axis " << i;
    }
  }
}

// Part of the format: these bits may never change.
TEST(Rotation, HasTheSignsOfItsSeed) {
  const Rotation rotation(100, 42);
  ASSERT_EQ(rotation.signs().size(), 8U);
  EXPECT_EQ(rotation.signs()[0], 0x15780b2e0c2ec716U);
  EXPECT_EQ(rotation.signs()[1], 0x6104d9866d113a7eU);
  EXPECT_EQ(rotation.signs()[7], 0xd99a2743ebe60087U);
  std::vector<float> axis(100);
  axis[0] = 1;
  std::vector<float> rotated(128);
  rotation.apply(axis.data(), rotated.data());
  EXPECT_FLOAT_EQ(rotated[0], 0.095214829F);
  EXPECT_FLOAT_EQ(rotated[77], -0.19580075F);
}

TEST(Rotation, DependsOnTheSeed) {
  const Rotation one(64, 1);
  const Rotation two(64, 2);
  EXPECT_NE(one.signs()[0], two.signs()[0]);
}

}  // namespace
}  // namespace kedge
