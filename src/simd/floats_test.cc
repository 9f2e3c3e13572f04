// Rotations and distances of floats: scalar against the definition, every table against scalar.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "simd/guarded_array.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

void fill(std::mt19937_64& random, float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(random() % 20'001) / 10'000 - 1;
}

// An array at the guard, and the same one 4 bytes before it: aligned and not.
constexpr std::size_t kPaddings[] = {0, sizeof(float)};

// Runs `call` on every table with a copy of `values`, each time expecting what scalar makes of it.
template <typename Call>
void expect_same_bits(const std::vector<float>& values, const Call& call) {
  const std::size_t bytes = values.size() * sizeof(float);
  std::vector<float> expected = values;
  call(scalar_kernels(), expected.data());
  for (const Kernels* table : available_kernels()) {
    for (const std::size_t padding : kPaddings) {
      const GuardedArray out(bytes + padding);
      if (bytes > 0) std::memcpy(out.data(), values.data(), bytes);
      call(*table, out.as<float>());
      EXPECT_TRUE(bytes == 0 || std::memcmp(out.data(), expected.data(), bytes) == 0)
          << table->name << ", " << values.size() << " values, padding " << padding;
    }
  }
}

TEST(Floats, ScalarTransformsByTheDefinition) {
  std::mt19937_64 random(11);
  for (std::size_t log2_count = 0; log2_count <= 7; ++log2_count) {
    const std::size_t count = std::size_t{1} << log2_count;
    std::vector<float> values(count);  // small integers: every sum is exact
    for (float& value : values) value = static_cast<float>(random() % 201) - 100;
    std::vector<float> expected(count, 0);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < count; ++j)
        expected[i] += std::popcount(i & j) % 2 == 0 ? values[j] : -values[j];
    }
    scalar_kernels().fht(values.data(), log2_count);
    EXPECT_EQ(values, expected) << log2_count;
  }
}

TEST(Floats, ScalarFlipsWalksAndScalesAsTheHeaderSays) {
  std::vector<float> values(66, 1);
  const std::uint64_t signs[] = {std::uint64_t{1} << 63 | 2, 1};
  scalar_kernels().flip_signs(values.data(), signs, values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(values[i], i == 1 || i == 63 || i == 64 ? -1 : 1) << i;
  std::vector<float> pairs = {1, 2, 10, 30};
  scalar_kernels().kac_walk(pairs.data(), 4);
  EXPECT_EQ(pairs, (std::vector<float>{11, 32, -9, -28}));
  scalar_kernels().scale(pairs.data(), 0.5F, 3);
  EXPECT_EQ(pairs, (std::vector<float>{5.5F, 16, -4.5F, -28}));
}

TEST(Floats, RotationsEqualScalarToTheBit) {
  std::mt19937_64 random(12);
  for (std::size_t log2_count = 0; log2_count <= 13; ++log2_count) {
    std::vector<float> values(std::size_t{1} << log2_count);
    fill(random, values.data(), values.size());
    expect_same_bits(values, [&](const Kernels& table, float* at) { table.fht(at, log2_count); });
  }
  for (const std::size_t count : kernel_sizes()) {
    std::vector<float> values(count);
    fill(random, values.data(), count);
    expect_same_bits(values,
                     [&](const Kernels& table, float* at) { table.scale(at, 0.3F, count); });
    expect_same_bits(
        values, [&](const Kernels& table, float* at) { table.kac_walk(at, count - count % 2); });
    const GuardedArray signs((count + 63) / 64 * sizeof(std::uint64_t));
    for (std::size_t i = 0; i < (count + 63) / 64; ++i) signs.as<std::uint64_t>()[i] = random();
    expect_same_bits(values, [&](const Kernels& table, float* at) {
      table.flip_signs(at, signs.as<std::uint64_t>(), count);
    });
  }
}

// Zeros of both signs, infinities, NaN and numbers at the ends of the range take the same way. Of a
// NaN, only that it is one is compared.
TEST(Floats, RotationsTakeSpecialValuesAlike) {
  constexpr float kSpecial[] = {0.0F,
                                -0.0F,
                                std::numeric_limits<float>::infinity(),
                                -std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN(),
                                std::numeric_limits<float>::max(),
                                std::numeric_limits<float>::denorm_min(),
                                1};
  std::mt19937_64 random(13);
  for (int turn = 0; turn < 200; ++turn) {
    std::vector<float> values(256);
    // Few infinities and NaN, or every sum is one.
    for (float& value : values) value = kSpecial[random() % 50 == 0 ? random() % 8 : random() % 2];
    std::vector<float> expected = values;
    scalar_kernels().fht(expected.data(), 8);
    for (const Kernels* table : available_kernels()) {
      std::vector<float> out = values;
      table->fht(out.data(), 8);
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (std::isnan(expected[i])) {
          ASSERT_TRUE(std::isnan(out[i])) << table->name << ", turn " << turn << ", " << i;
        } else {
          ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(expected[i]))
              << table->name << ", turn " << turn << ", " << i;
        }
      }
    }
  }
}

TEST(Floats, DistancesEqualScalar) {
  const float x[] = {1, 2, -3};
  const float y[] = {1, 4, 2};
  EXPECT_EQ(scalar_kernels().dot_f32(x, y, 3), 3);
  EXPECT_EQ(scalar_kernels().l2_f32(x, y, 3), 29);
  std::mt19937_64 random(14);
  for (const std::size_t count : kernel_sizes()) {
    const GuardedArray a(count * sizeof(float));
    const GuardedArray b(count * sizeof(float));
    fill(random, a.as<float>(), count);
    fill(random, b.as<float>(), count);
    // A lost element is seen: each product is far more than the tolerance.
    for (std::size_t i = 0; i < count; ++i) a.as<float>()[i] += b.as<float>()[i] < 0 ? -2.0F : 2.0F;
    const float tolerance = 1e-5F * static_cast<float>(count + 1);
    const float dot = scalar_kernels().dot_f32(a.as<float>(), b.as<float>(), count);
    const float l2 = scalar_kernels().l2_f32(a.as<float>(), b.as<float>(), count);
    for (const Kernels* table : available_kernels()) {
      EXPECT_NEAR(table->dot_f32(a.as<float>(), b.as<float>(), count), dot, tolerance)
          << table->name << ", " << count;
      EXPECT_NEAR(table->l2_f32(a.as<float>(), b.as<float>(), count), l2, 4 * tolerance)
          << table->name << ", " << count;
    }
  }
}

// `rows` rows of `dimension` floats whose products do not cancel.
void fill_rows(std::mt19937_64& random, const GuardedArray& rows, std::size_t count) {
  fill(random, rows.as<float>(), count);
  for (std::size_t i = 0; i < count; ++i) rows.as<float>()[i] += 1.5F;
}

void expect_product(std::mt19937_64& random, std::size_t a_rows, std::size_t b_rows,
                    std::size_t dimension, std::size_t padding) {
  const GuardedArray a(a_rows * dimension * sizeof(float));
  const GuardedArray b(b_rows * dimension * sizeof(float));
  fill_rows(random, a, a_rows * dimension);
  fill_rows(random, b, b_rows * dimension);
  const std::size_t stride = b_rows + padding;
  const std::size_t size = a_rows == 0 ? 0 : (a_rows - 1) * stride + b_rows;
  const float tolerance = 4e-5F * static_cast<float>(dimension + 1);
  for (const Kernels* table : available_kernels()) {
    const GuardedArray out(size * sizeof(float));
    for (std::size_t i = 0; i < size; ++i) out.as<float>()[i] = -1;
    table->dot_matrix(a.as<float>(), a_rows, b.as<float>(), b_rows, dimension, out.as<float>(),
                      stride);
    for (std::size_t at = 0; at < size; ++at) {
      const std::size_t i = at / stride;
      const std::size_t j = at % stride;
      const float expected =
          j >= b_rows ? -1
                      : scalar_kernels().dot_f32(a.as<float>() + i * dimension,
                                                 b.as<float>() + j * dimension, dimension);
      ASSERT_NEAR(out.as<float>()[at], expected, tolerance)
          << table->name << ", " << a_rows << " x " << b_rows << " x " << dimension << ", row " << i
          << ", column " << j;
    }
  }
}

TEST(Floats, MatrixEqualsScalarAndWritesNothingElse) {
  std::mt19937_64 random(15);
  for (std::size_t a_rows = 0; a_rows <= 14; ++a_rows) {
    for (std::size_t b_rows = 0; b_rows <= 10; ++b_rows) {
      for (const std::size_t dimension : {0, 1, 7, 8, 15, 16, 17, 64})
        expect_product(random, a_rows, b_rows, dimension, a_rows % 3);
    }
  }
  // More rows than stay in a cache, which is where panels and blocks end.
  for (const std::size_t dimension : {384, 1600, 8192})
    expect_product(random, 13, 39, dimension, 5);
  expect_product(random, 275, 21, 384, 0);
}

// Odd sizes, nothing written beside; what is rounded is equal to the bit, sums to rounding.
TEST(Floats, CoarseProductsEqualScalar) {
  std::mt19937_64 random(16);
  for (const std::size_t count : {0, 1, 7, 15, 16, 17, 64, 1000}) {
    const GuardedArray in(count * sizeof(float));
    const GuardedArray middle(count * sizeof(float));
    fill(random, in.as<float>(), count);
    fill(random, middle.as<float>(), count);
    for (std::size_t i = 0; i < count; i += 3) in.as<float>()[i] = middle.as<float>()[i];
    const GuardedArray expected(count * sizeof(std::uint16_t));
    scalar_kernels().to_bf16(in.as<float>(), middle.as<float>(), expected.as<std::uint16_t>(),
                             count);
    for (const Kernels* table : available_kernels()) {
      const GuardedArray out(count * sizeof(std::uint16_t));
      table->to_bf16(in.as<float>(), middle.as<float>(), out.as<std::uint16_t>(), count);
      for (std::size_t i = 0; i < count; ++i)
        ASSERT_EQ(out.as<std::uint16_t>()[i], expected.as<std::uint16_t>()[i])
            << table->name << ", " << in.as<float>()[i] << " - " << middle.as<float>()[i];
    }
  }
  for (std::size_t a_rows = 0; a_rows <= 14; ++a_rows) {
    for (std::size_t b_rows = 0; b_rows <= 9; ++b_rows) {
      for (const std::size_t dimension : {0, 32, 64, 384}) {
        const auto fill_halves = [&](const GuardedArray& halves, std::size_t count) {
          const GuardedArray floats(count * sizeof(float));
          const std::vector<float> zero(count);
          fill_rows(random, floats, count);
          scalar_kernels().to_bf16(floats.as<float>(), zero.data(), halves.as<std::uint16_t>(),
                                   count);
        };
        const GuardedArray a(a_rows * dimension * sizeof(std::uint16_t));
        const GuardedArray b(b_rows * dimension * sizeof(std::uint16_t));
        fill_halves(a, a_rows * dimension);
        fill_halves(b, b_rows * dimension);
        const std::size_t stride = b_rows + a_rows % 3;
        const std::size_t size = a_rows == 0 ? 0 : (a_rows - 1) * stride + b_rows;
        std::vector<float> expected(size, -1);
        scalar_kernels().dot_matrix_bf16(a.as<std::uint16_t>(), a_rows, b.as<std::uint16_t>(),
                                         b_rows, dimension, expected.data(), stride);
        for (const Kernels* table : available_kernels()) {
          const GuardedArray out(size * sizeof(float));
          for (std::size_t i = 0; i < size; ++i) out.as<float>()[i] = -1;
          table->dot_matrix_bf16(a.as<std::uint16_t>(), a_rows, b.as<std::uint16_t>(), b_rows,
                                 dimension, out.as<float>(), stride);
          for (std::size_t i = 0; i < size; ++i)
            ASSERT_NEAR(out.as<float>()[i], expected[i], 4e-5F * static_cast<float>(dimension + 1))
                << table->name << ", " << a_rows << " x " << b_rows << " x " << dimension;
        }
      }
    }
  }
}

}  // namespace
}  // namespace kedge
