// Codes: scalar against the definition, every table against scalar.
#include <gtest/gtest.h>

#include <algorithm>
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

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float uniform(std::mt19937_64& random) {
  return static_cast<float>(random() % 20'001) / 10'000 - 1;
}

std::uint16_t half_of(float value) {
  std::uint16_t half = 0;
  scalar_kernels().f32_to_f16(&value, &half, 1);
  return half;
}

// Blocks of random codes; row r of 8 has a rescale of that sign, and some rows NaN or infinities.
struct Blocks {
  Blocks(std::mt19937_64& random, std::size_t groups, std::size_t rows, std::size_t padding = 0)
      : block_bytes(16 * groups + kBlockFactorBytes),
        count((rows + kBlockRows - 1) / kBlockRows),
        bytes(count * block_bytes + padding) {
    for (std::size_t i = 0; i < count; ++i) {
      std::byte* block = bytes.data() + i * block_bytes;
      for (std::size_t at = 0; at < 16 * groups; ++at) block[at] = static_cast<std::byte>(random());
      for (std::size_t r = 0; r < kBlockRows; ++r) {
        set_factors(i * kBlockRows + r, uniform(random), uniform(random) / 8,
                    std::fabs(uniform(random)));
      }
    }
  }
  void set_factors(std::size_t row, float add, float rescale, float error) const {
    std::byte* factors = bytes.data() + (row / kBlockRows + 1) * block_bytes - kBlockFactorBytes;
    const std::size_t r = row % kBlockRows;
    const std::uint16_t halves[] = {half_of(rescale), half_of(error)};
    std::memcpy(factors + 4 * r, &add, sizeof add);
    std::memcpy(factors + 128 + 2 * r, halves, 2);
    std::memcpy(factors + 192 + 2 * r, halves + 1, 2);
  }

  std::size_t block_bytes;
  std::size_t count;
  GuardedArray bytes;
};

struct Table {
  Table(std::mt19937_64& random, std::size_t groups) : bytes(16 * groups) {
    for (std::size_t i = 0; i < 16 * groups; ++i)
      bytes.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(random());
    query = {.table = bytes.as<std::uint8_t>(),
             .groups = groups,
             .scale = 0.013F,
             .bias = uniform(random) * static_cast<float>(groups),
             .add = uniform(random),
             .error = 0.7F,
             .table_error = 0.11F};
  }
  GuardedArray bytes;
  ScanQuery query;
};

std::vector<ScanHit> scan(const Kernels& table, const std::byte* blocks, std::size_t rows,
                          const ScanQuery& query, float limit) {
  const GuardedArray out(rows * sizeof(ScanHit));
  const std::size_t hits = table.scan_codes(blocks, rows, query, limit, out.as<ScanHit>());
  if (hits > rows) std::abort();
  return {out.as<ScanHit>(), out.as<ScanHit>() + hits};
}

// To the bit: limits and ties must not depend on the CPU.
void expect_same_hits(const Blocks& blocks, std::size_t rows, const ScanQuery& query, float limit) {
  const std::vector<ScanHit> expected =
      scan(scalar_kernels(), blocks.bytes.data(), rows, query, limit);
  for (const Kernels* table : available_kernels()) {
    const std::vector<ScanHit> hits = scan(*table, blocks.bytes.data(), rows, query, limit);
    ASSERT_EQ(hits.size(), expected.size())
        << table->name << ", " << query.groups << " groups, " << rows << " rows, limit " << limit;
    for (std::size_t i = 0; i < hits.size(); ++i) {
      ASSERT_EQ(std::memcmp(&hits[i], &expected[i], sizeof(ScanHit)), 0)
          << table->name << ", " << query.groups << " groups, " << rows << " rows, limit " << limit
          << ", hit " << i << ": row " << hits[i].row << " and " << expected[i].row << ", bound "
          << hits[i].bound << " and " << expected[i].bound;
    }
  }
}

// In double, from the words of the header.
TEST(Codes, ScalarScansByTheDefinition) {
  std::mt19937_64 random(21);
  constexpr std::size_t kGroups = 32;
  constexpr std::size_t kRows = 70;
  const Blocks blocks(random, kGroups, kRows);
  const Table table(random, kGroups);
  const ScanQuery& query = table.query;
  const std::vector<ScanHit> hits =
      scan(scalar_kernels(), blocks.bytes.data(), kRows, query, kInfinity);
  ASSERT_EQ(hits.size(), kRows);
  for (std::size_t row = 0; row < kRows; ++row) {
    const std::byte* block = blocks.bytes.data() + row / 32 * blocks.block_bytes;
    const std::size_t r = row % 32;
    double sum = 0;
    for (std::size_t g = 0; g < kGroups; ++g) {
      const auto both = std::to_integer<unsigned>(block[16 * g + r % 16]);
      sum += query.table[16 * g + (r >= 16 ? both / 16 : both % 16)];
    }
    float add = 0;
    std::uint16_t halves[2];
    float factors[2];
    std::memcpy(&add, block + 16 * kGroups + 4 * r, 4);
    std::memcpy(halves, block + 16 * kGroups + 128 + 2 * r, 2);
    std::memcpy(halves + 1, block + 16 * kGroups + 192 + 2 * r, 2);
    scalar_kernels().f16_to_f32(halves, factors, 2);
    const double dot = double{query.scale} * sum + double{query.bias};
    const double distance = double{add} + double{query.add} + double{factors[0]} * dot;
    EXPECT_EQ(hits[row].row, row);
    EXPECT_NEAR(hits[row].dot, dot, 1e-4);
    EXPECT_NEAR(hits[row].distance, distance, 1e-4);
    EXPECT_NEAR(hits[row].bound,
                distance - double{factors[1]} * double{query.error} -
                    std::fabs(double{factors[0]}) * double{query.table_error},
                1e-4);
  }
}

TEST(Codes, ScansEqualScalarToTheBit) {
  std::mt19937_64 random(22);
  for (std::size_t rows = 0; rows <= 100; ++rows) {
    const std::size_t groups = 16 * (1 + random() % 9);
    const Blocks blocks(random, groups, rows, rows % 4);  // at odd addresses too
    const Table table(random, groups);
    std::vector<ScanHit> all =
        scan(scalar_kernels(), blocks.bytes.data(), rows, table.query, kInfinity);
    ASSERT_EQ(all.size(), rows);
    expect_same_hits(blocks, rows, table.query, kInfinity);
    expect_same_hits(blocks, rows, table.query, -kInfinity);
    expect_same_hits(blocks, rows, table.query, kNan);
    if (rows == 0) continue;
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.bound < b.bound; });
    // Some rows, one row, none, at a bound itself: strictly below is what counts.
    for (const std::size_t at : {rows / 2, rows - 1, std::min<std::size_t>(1, rows - 1)}) {
      const float limit = all[at].bound;
      const std::vector<ScanHit> some =
          scan(scalar_kernels(), blocks.bytes.data(), rows, table.query, limit);
      EXPECT_LE(some.size(), at);
      expect_same_hits(blocks, rows, table.query, limit);
      expect_same_hits(blocks, rows, table.query, std::nextafterf(limit, kInfinity));
    }
  }
}

TEST(Codes, ScansOfAnyWidthEqualScalar) {
  std::mt19937_64 random(23);
  for (const std::size_t groups :
       {16, 32, 96, 208, 240, 256, 272, 384, 512, 528, 1024, 1536, 2048}) {
    for (const std::size_t rows : {1, 31, 32, 33, 64, 97}) {
      const Blocks blocks(random, groups, rows);
      const Table table(random, groups);
      const std::vector<ScanHit> all =
          scan(scalar_kernels(), blocks.bytes.data(), rows, table.query, kInfinity);
      expect_same_hits(blocks, rows, table.query, kInfinity);
      expect_same_hits(blocks, rows, table.query, all[rows / 2].bound);
    }
  }
}

TEST(Codes, RowsWithoutANumberAreNoHits) {
  std::mt19937_64 random(24);
  constexpr std::size_t kRows = 50;
  const Blocks blocks(random, 16, kRows);
  const Table table(random, 16);
  blocks.set_factors(3, kNan, 0.1F, 0.1F);
  blocks.set_factors(17, 0, kNan, 0.1F);
  blocks.set_factors(34, 0, 0.1F, kNan);
  blocks.set_factors(35, kInfinity, 0.1F, kInfinity);  // their difference is no number
  blocks.set_factors(36, kInfinity, 0.1F, 0.1F);
  blocks.set_factors(37, -kInfinity, 0.1F, 0.1F);
  const std::vector<ScanHit> hits =
      scan(scalar_kernels(), blocks.bytes.data(), kRows, table.query, kInfinity);
  EXPECT_EQ(hits.size(), kRows - 5);
  for (const ScanHit& hit : hits) {
    for (const std::uint32_t row : {3U, 17U, 34U, 35U, 36U}) EXPECT_NE(hit.row, row);
  }
  for (const float limit : {kInfinity, 0.0F, std::numeric_limits<float>::lowest(), -kInfinity})
    expect_same_hits(blocks, kRows, table.query, limit);
}

// The greatest sums there are: 255 in every group of 8,192 dimensions, next to rows of none.
TEST(Codes, SumsAreExactInEveryWidth) {
  std::mt19937_64 random(25);
  for (const std::size_t groups : {16, 240, 256, 272, 512, 1008, 1024, 2048}) {
    for (const unsigned full :
         {0x5555'5555U, 0xAAAA'AAAAU, 0xFFFF'0000U, 0xFFFF'FFFFU, 0x8001'0001U}) {
      const Blocks blocks(random, groups, kBlockRows);
      const Table table(random, groups);
      for (std::size_t i = 0; i < 16 * groups; ++i)
        table.bytes.as<std::uint8_t>()[i] = i % 16 == 15 ? 255 : 0;
      for (std::size_t i = 0; i < 16 * groups; ++i) {
        const unsigned low = (full >> (i % 16)) & 1U;
        const unsigned high = (full >> (i % 16 + 16)) & 1U;
        blocks.bytes.data()[i] = static_cast<std::byte>(15 * low + 240 * high);
      }
      const ScanQuery query = {.table = table.query.table,
                               .groups = groups,
                               .scale = 1,
                               .bias = 0,
                               .add = 0,
                               .error = 0,
                               .table_error = 0};
      for (const Kernels* kernel : available_kernels()) {
        const std::vector<ScanHit> hits =
            scan(*kernel, blocks.bytes.data(), kBlockRows, query, kInfinity);
        ASSERT_EQ(hits.size(), kBlockRows);
        for (const ScanHit& hit : hits) {
          EXPECT_EQ(hit.dot, ((full >> hit.row) & 1U) != 0 ? static_cast<float>(255 * groups) : 0)
              << kernel->name << ", " << groups << " groups, row " << hit.row;
        }
      }
    }
  }
}

TEST(Codes, ScalarMakesTablesByTheDefinition) {
  std::mt19937_64 random(26);
  for (const std::size_t groups : {16, 96, 2048}) {
    std::vector<float> query(4 * groups);
    for (float& value : query) value = uniform(random);
    query[5] = 0;
    std::vector<std::uint8_t> table(16 * groups);
    float scale = 0;
    float bias = 0;
    scalar_kernels().make_table(query.data(), groups, table.data(), &scale, &bias);
    double least_sum = 0;
    int greatest = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      double sums[16] = {};
      for (std::size_t m = 0; m < 16; ++m) {
        for (std::size_t b = 0; b < 4; ++b)
          sums[m] += (m >> b) % 2 != 0 ? double{query[4 * g + b]} : 0;
      }
      const double least = *std::min_element(sums, sums + 16);
      least_sum += least;
      for (std::size_t m = 0; m < 16; ++m) {
        EXPECT_NEAR(table[16 * g + m], (sums[m] - least) / double{scale}, 0.5001) << g << ", " << m;
        greatest = std::max<int>(greatest, table[16 * g + m]);
      }
    }
    EXPECT_NEAR(bias, least_sum, 1e-6 * static_cast<double>(groups));
    EXPECT_EQ(greatest, 255);
  }
}

void expect_same_table(const std::vector<float>& values) {
  const std::size_t groups = values.size() / 4;
  const GuardedArray query(values.size() * sizeof(float));
  std::copy(values.begin(), values.end(), query.as<float>());
  std::vector<std::uint8_t> expected(16 * groups);
  float expected_factors[2];
  scalar_kernels().make_table(query.as<float>(), groups, expected.data(), expected_factors,
                              expected_factors + 1);
  for (const Kernels* kernel : available_kernels()) {
    const GuardedArray table(16 * groups);
    float factors[2];
    kernel->make_table(query.as<float>(), groups, table.as<std::uint8_t>(), factors, factors + 1);
    EXPECT_EQ(std::memcmp(factors, expected_factors, sizeof factors), 0)
        << kernel->name << ", " << groups << " groups: scale " << factors[0] << " and "
        << expected_factors[0] << ", bias " << factors[1] << " and " << expected_factors[1];
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), table.as<std::uint8_t>()))
        << kernel->name << ", " << groups << " groups";
  }
}

TEST(Codes, TablesEqualScalarToTheBit) {
  std::mt19937_64 random(27);
  for (std::size_t groups = 4; groups <= 2048; groups += groups < 64 ? 4 : 124) {
    std::vector<float> query(4 * groups);
    for (float& value : query) value = uniform(random);
    expect_same_table(query);
    for (float& value : query) value *= 1e-39F;  // hardly any number left
    expect_same_table(query);
    for (float& value : query) value = random() % 2 == 0 ? 0.0F : -0.0F;
    expect_same_table(query);
    float scale = 0;
    float bias = 1;
    std::vector<std::uint8_t> table(16 * groups, 1);
    kernels().make_table(query.data(), groups, table.data(), &scale, &bias);
    EXPECT_EQ(scale, 1);
    EXPECT_EQ(bias, 0);
    EXPECT_EQ(std::count(table.begin(), table.end(), 0), static_cast<std::ptrdiff_t>(table.size()));
    query[1] = std::numeric_limits<float>::max();
    expect_same_table(query);
  }
}

TEST(Codes, MagnitudesEqualScalar) {
  const float o[] = {0, 0.4F, -1, 2, -8, kInfinity, kNan};
  std::uint8_t magnitudes[7];
  float dot = 0;
  float norm = 0;
  scalar_kernels().quantize(o, 5, 2, magnitudes, &dot, &norm);
  EXPECT_EQ(std::vector<std::uint8_t>(magnitudes, magnitudes + 5),
            (std::vector<std::uint8_t>{0, 0, 2, 4, 15}));
  EXPECT_NEAR(dot, 0.4 * 0.5 + 2.5 + 2 * 4.5 + 8 * 15.5, 1e-4);
  EXPECT_NEAR(norm, 0.25 + 0.25 + 6.25 + 20.25 + 240.25, 1e-4);
  for (const Kernels* kernel : available_kernels()) {
    kernel->quantize(o, 7, 2, magnitudes, &dot, &norm);
    EXPECT_EQ(magnitudes[5], 15) << kernel->name;
    EXPECT_EQ(magnitudes[6], 15) << kernel->name;
  }
  std::mt19937_64 random(28);
  for (const std::size_t count : kernel_sizes()) {
    const GuardedArray values(count * sizeof(float));
    for (std::size_t i = 0; i < count; ++i) values.as<float>()[i] = uniform(random);
    for (const float t : {0.0F, 1.0F, 7.3F, 15.5F, 1000.0F}) {
      std::vector<std::uint8_t> expected(count);
      float expected_dot = 0;
      float expected_norm = 0;
      scalar_kernels().quantize(values.as<float>(), count, t, expected.data(), &expected_dot,
                                &expected_norm);
      for (const Kernels* kernel : available_kernels()) {
        const GuardedArray out(count);
        kernel->quantize(values.as<float>(), count, t, out.as<std::uint8_t>(), &dot, &norm);
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), out.as<std::uint8_t>()))
            << kernel->name << ", " << count << ", t " << t;
        EXPECT_NEAR(dot, expected_dot, 1e-5F * (expected_dot + 1)) << kernel->name << ", " << count;
        EXPECT_NEAR(norm, expected_norm, 1e-5F * (expected_norm + 1))
            << kernel->name << ", " << count;
      }
    }
  }
}

// What a factor can be: random ones, and the extremes of both, where narrow sums overflow.
std::uint8_t any_byte(std::mt19937_64& random, std::uint64_t turn) {
  return turn == 0 ? static_cast<std::uint8_t>(random()) : std::uint8_t{255};
}
std::int8_t any_query(std::mt19937_64& random, std::uint64_t turn) {
  if (turn == 0) return static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
  return turn == 1 ? std::int8_t{127} : std::int8_t{-127};
}

TEST(Codes, NibblesEqualScalar) {
  std::mt19937_64 random(29);
  for (std::size_t dimension = 0; dimension <= 8192; dimension += dimension < 1024 ? 64 : 1024) {
    for (const std::uint64_t turn : {0, 1, 2}) {
      const GuardedArray codes(dimension / 2);
      const GuardedArray query(dimension);
      auto* q = query.as<std::int8_t>();
      for (std::size_t i = 0; i < dimension / 2; ++i)
        codes.data()[i] = static_cast<std::byte>(any_byte(random, turn));
      for (std::size_t i = 0; i < dimension; ++i) q[i] = any_query(random, turn);
      std::int32_t expected = 0;
      for (std::size_t i = 0; i < dimension; ++i) {
        const auto both = std::to_integer<int>(codes.data()[i / 64 * 32 + i % 32]);
        expected += (i % 64 < 32 ? both % 16 : both / 16) * q[i];
      }
      for (const Kernels* kernel : available_kernels()) {
        EXPECT_EQ(kernel->dot_u4_i8(codes.data(), q, dimension), expected)
            << kernel->name << ", " << dimension << ", turn " << turn;
      }
    }
  }
}

TEST(Codes, BytesEqualScalar) {
  std::mt19937_64 random(30);
  for (const std::size_t dimension : kernel_sizes()) {
    const std::size_t count = random() % 10;
    const std::size_t stride = dimension + dimension % 4;
    for (const std::uint64_t turn : {0, 1, 2}) {
      const GuardedArray rows(count == 0 ? 0 : (count - 1) * stride + dimension);
      const GuardedArray query(dimension);
      auto* q = query.as<std::int8_t>();
      const std::size_t size = count == 0 ? 0 : (count - 1) * stride + dimension;
      for (std::size_t i = 0; i < size; ++i) rows.as<std::uint8_t>()[i] = any_byte(random, turn);
      for (std::size_t i = 0; i < dimension; ++i) q[i] = any_query(random, turn);
      for (const Kernels* kernel : available_kernels()) {
        const GuardedArray out(count * sizeof(std::int32_t));
        kernel->dots_u8_i8(rows.as<std::uint8_t>(), stride, count, q, dimension,
                           out.as<std::int32_t>());
        for (std::size_t r = 0; r < count; ++r) {
          std::int32_t expected = 0;
          for (std::size_t i = 0; i < dimension; ++i)
            expected += rows.as<std::uint8_t>()[r * stride + i] * q[i];
          EXPECT_EQ(out.as<std::int32_t>()[r], expected)
              << kernel->name << ", " << dimension << ", row " << r << " of " << count;
        }
      }
    }
  }
}

}  // namespace
}  // namespace kedge
