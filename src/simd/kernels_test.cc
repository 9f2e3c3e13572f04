// Halves and the choice of a table. Every table against scalar, on sizes around each vector width,
// in arrays that end at an unreadable page; so do floats_test.cc and codes_test.cc.
#include "simd/kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "simd/guarded_array.h"

namespace kedge {
namespace {

// Values whose products do not cancel to nothing, so that a lost element is seen.
void fill(std::mt19937_64& random, float* query, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    query[i] = 0.5F + static_cast<float>(random() % 1000) / 1000;
}
void fill(std::mt19937_64& random, std::uint16_t* row, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)  // 0.5 to 2, some of them negative
    row[i] =
        static_cast<std::uint16_t>(0x3800 + random() % 0x800 + (random() % 8 == 0 ? 0x8000 : 0));
}

const Kernels& scalar() { return scalar_kernels(); }

float tolerance(std::size_t dimension) { return 1e-5F * static_cast<float>(dimension + 1); }

TEST(Kernels, ReportsTablesThatDidNotRun) {
  ASSERT_EQ(scalar().name, "scalar");
  std::string ran;
  for (const Kernels* table : available_kernels()) ran += std::string(table->name) + " ";
  std::printf("kernels: tested %s\n", ran.c_str());
  for (const std::string_view name : unavailable_kernels()) {
    std::printf("kernels: NOT TESTED, this CPU cannot run it: %s\n", std::string(name).c_str());
  }
}

TEST(Kernels, DotAndL2EqualScalar) {
  std::mt19937_64 random(1);
  for (const std::size_t dimension : kernel_sizes()) {
    const GuardedArray query(dimension * sizeof(float));
    const GuardedArray row(dimension * sizeof(std::uint16_t));
    fill(random, query.as<float>(), dimension);
    fill(random, row.as<std::uint16_t>(), dimension);
    const float dot = scalar().dot_f16(query.as<float>(), row.as<std::uint16_t>(), dimension);
    const float l2 = scalar().l2_f16(query.as<float>(), row.as<std::uint16_t>(), dimension);
    for (const Kernels* table : available_kernels()) {
      SCOPED_TRACE(std::string(table->name) + ", dimension " + std::to_string(dimension));
      EXPECT_NEAR(table->dot_f16(query.as<float>(), row.as<std::uint16_t>(), dimension), dot,
                  tolerance(dimension));
      EXPECT_NEAR(table->l2_f16(query.as<float>(), row.as<std::uint16_t>(), dimension), l2,
                  tolerance(dimension));
    }
  }
}

TEST(Kernels, ScalarIsWhatTheHeaderSays) {
  const float query[] = {1, 2, -3};
  const std::uint16_t row[] = {0x3C00, 0x4000, 0x3800};  // 1, 2, 0.5
  EXPECT_EQ(scalar().dot_f16(query, row, 3), 3.5F);
  EXPECT_EQ(scalar().l2_f16(query, row, 3), 12.25F);
}

// Rows of any count, at odd addresses, the last one ending at the guard without its padding.
TEST(Kernels, RowsEqualScalar) {
  std::mt19937_64 random(2);
  for (const std::size_t dimension : {1, 7, 8, 9, 16, 31, 33, 64, 100, 384}) {
    for (std::size_t count = 0; count <= 9; ++count) {
      for (const std::size_t padding : {0, 8, 3}) {
        const std::size_t stride = 2 * dimension + padding;
        const std::size_t bytes = count == 0 ? 0 : stride * (count - 1) + 2 * dimension;
        const GuardedArray query(dimension * sizeof(float));
        const GuardedArray rows(bytes);
        fill(random, query.as<float>(), dimension);
        for (std::size_t r = 0; r < count; ++r) {
          std::vector<std::uint16_t> row(dimension);
          fill(random, row.data(), dimension);
          std::memcpy(rows.data() + r * stride, row.data(), 2 * dimension);
        }
        std::vector<float> expected(count);
        scalar().dot_f16_rows(query.as<float>(), rows.data(), stride, count, dimension,
                              expected.data());
        for (const Kernels* table : available_kernels()) {
          const GuardedArray out(count * sizeof(float));
          table->dot_f16_rows(query.as<float>(), rows.data(), stride, count, dimension,
                              out.as<float>());
          for (std::size_t r = 0; r < count; ++r) {
            EXPECT_NEAR(out.as<float>()[r], expected[r], tolerance(dimension))
                << table->name << ", dimension " << dimension << ", row " << r << " of " << count;
            // Wherever a row stands: equal vectors must be equally near.
            std::vector<std::uint16_t> row(dimension);
            std::memcpy(row.data(), rows.data() + r * stride, 2 * dimension);
            EXPECT_EQ(out.as<float>()[r], table->dot_f16(query.as<float>(), row.data(), dimension))
                << table->name << ", dimension " << dimension << ", row " << r << " of " << count;
          }
        }
      }
    }
  }
}

// All 65,536 halves, bit for bit, NaN included; back again all but signalling NaN stay what they
// are.
TEST(Kernels, WidensEveryHalfAlike) {
  std::vector<std::uint16_t> halves(65'536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  std::vector<float> expected(halves.size());
  scalar().f16_to_f32(halves.data(), expected.data(), halves.size());
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const int exponent = static_cast<int>((i >> 10) & 31);
    const auto fraction = static_cast<double>(i & 1023);
    if (exponent == 31) continue;
    const double size =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    ASSERT_EQ(static_cast<double>(expected[i]), (i & 0x8000) != 0 ? -size : size) << i;
  }
  for (const Kernels* table : available_kernels()) {
    std::vector<float> widened(halves.size());
    table->f16_to_f32(halves.data(), widened.data(), halves.size());
    EXPECT_EQ(std::memcmp(widened.data(), expected.data(), 4 * halves.size()), 0) << table->name;
    std::vector<std::uint16_t> narrowed(halves.size());
    table->f32_to_f16(widened.data(), narrowed.data(), halves.size());
    for (std::size_t i = 0; i < halves.size(); ++i) {
      const bool nan = (i & 0x7C00) == 0x7C00 && (i & 0x3FF) != 0;
      ASSERT_EQ(narrowed[i], nan ? i | 0x200 : i) << table->name;
    }
  }
}

// Ties to even, overflow and underflow: values at, just below and just above each middle of two
// halves, and random bits.
TEST(Kernels, NarrowsToNearestEvenAlike) {
  std::vector<float> values;
  for (std::uint32_t half = 0; half < 0x7C00; ++half) {
    const auto here = static_cast<std::uint16_t>(half);
    const auto next = static_cast<std::uint16_t>(half + 1);
    float low = 0;
    float high = 0;
    scalar().f16_to_f32(&here, &low, 1);
    scalar().f16_to_f32(&next, &high, 1);
    const float middle = half == 0x7BFF ? 65'520.0F : low + (high - low) / 2;
    for (const float value :
         {middle, std::nextafterf(middle, 0), std::nextafterf(middle, HUGE_VALF)}) {
      values.push_back(value);
      values.push_back(-value);
      std::uint16_t narrowed = 0;
      scalar().f32_to_f16(&value, &narrowed, 1);
      const std::uint32_t even = half % 2 == 0 ? half : half + 1;
      ASSERT_EQ(narrowed, value == middle ? even : value < middle ? half : half + 1) << value;
    }
  }
  std::mt19937_64 random(3);
  for (int i = 0; i < 100'000; ++i)
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(random())));
  std::vector<std::uint16_t> expected(values.size());
  scalar().f32_to_f16(values.data(), expected.data(), values.size());
  for (const Kernels* table : available_kernels()) {
    std::vector<std::uint16_t> narrowed(values.size());
    table->f32_to_f16(values.data(), narrowed.data(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(narrowed[i], expected[i]) << table->name << ": " << values[i];
  }
}

TEST(Kernels, ConversionsStayInsideTheirArrays) {
  std::mt19937_64 random(4);
  for (const std::size_t count : kernel_sizes()) {
    const GuardedArray wide(count * sizeof(float));
    const GuardedArray narrow(count * sizeof(std::uint16_t));
    for (const Kernels* table : available_kernels()) {
      fill(random, wide.as<float>(), count);
      std::vector<std::uint16_t> halves(count);
      scalar().f32_to_f16(wide.as<float>(), halves.data(), count);
      table->f32_to_f16(wide.as<float>(), narrow.as<std::uint16_t>(), count);
      EXPECT_TRUE(std::equal(halves.begin(), halves.end(), narrow.as<std::uint16_t>()))
          << table->name << ", " << count;
      std::vector<float> floats(count);
      scalar().f16_to_f32(halves.data(), floats.data(), count);
      table->f16_to_f32(narrow.as<std::uint16_t>(), wide.as<float>(), count);
      EXPECT_TRUE(std::equal(floats.begin(), floats.end(), wide.as<float>()))
          << table->name << ", " << count;
    }
  }
}

// A figure must never name a path that did not run.
TEST(KernelsDeathTest, RefusesATableThatIsNotThere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        setenv("KEDGE_SIMD", "neon", 1);
        kernels();
      },
      "KEDGE_SIMD=neon: no such table");
  for (const Kernels* table : available_kernels()) {
    EXPECT_EXIT(
        {
          setenv("KEDGE_SIMD", std::string(table->name).c_str(), 1);
          std::exit(kernels().name == table->name ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
  }
}

}  // namespace
}  // namespace kedge
