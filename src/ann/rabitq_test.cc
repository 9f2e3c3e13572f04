// The whole search rests on three properties of a code: its estimate has no bias, its bound holds,
// and five bits know much more than one.
#include "ann/rabitq.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "ann/testing.h"
#include "format/segment_pages.h"

namespace kedge {
namespace {

constexpr float kFactor = 2.9F;
constexpr float kEverything = std::numeric_limits<float>::infinity();

double widen(std::uint16_t half) {
  float value = 0;
  kernels().f16_to_f32(&half, &value, 1);
  return value;
}

// Rows encoded relative to one centroid, scanned and refined as the engine will.
struct List {
  List(const Rotation& rotation_in, Metric metric, const std::vector<float>& centre)
      : rotation(rotation_in), encoder(rotation.padded(), metric), groups(rotation.padded() / 4) {
    std::vector<float> rotated(rotation.padded());
    rotation.apply(centre.data(), rotated.data());
    centroid_f16.resize(rotated.size());
    centroid.resize(rotated.size());
    kernels().f32_to_f16(rotated.data(), centroid_f16.data(), rotated.size());
    kernels().f16_to_f32(centroid_f16.data(), centroid.data(), rotated.size());
  }
  void add(const float* row) {
    std::vector<float> rotated(rotation.padded());
    rotation.apply(row, rotated.data());
    add_rotated(rotated.data());
  }
  void add_rotated(const float* rotated) {
    EncodedRow code;
    fits.push_back(encoder.encode(rotated, centroid.data(), code));
    const std::size_t slot = rows.size() % kBlockRows;
    const std::size_t block_bytes = code_block_bytes(rotation.padded());
    if (slot == 0) blocks.resize(blocks.size() + block_bytes);
    CodedRow row;
    row.object = static_cast<std::uint32_t>(rows.size());
    row.bits = code.bits.data();
    row.add = code.add;
    row.rescale = code.rescale;
    row.error = code.error;
    put_code(blocks.data() + blocks.size() - block_bytes, rotation.padded(),
             static_cast<std::uint32_t>(slot), row);
    rows.push_back(code);
  }
  struct Estimate {
    float distance;
    float bound;
    float refined;
  };
  std::vector<Estimate> search(const QueryCodes& query, float* distance_to_centroid) const {
    const float list_add = query.list_add(centroid_f16.data(), distance_to_centroid);
    std::vector<ScanHit> hits(rows.size());
    const ScanQuery scan = query.for_list(list_add, *distance_to_centroid, kFactor);
    hits.resize(kernels().scan_codes(blocks.data(), rows.size(), scan, kEverything, hits.data()));
    std::vector<Estimate> out;
    for (const ScanHit& hit : hits) {
      const EncodedRow& row = rows[hit.row];
      out.push_back(
          {hit.distance, hit.bound,
           query.refine(hit.dot, row.extra.data(), row.refine_add, row.refine_rescale, list_add)});
    }
    return out;
  }

  const Rotation& rotation;
  RowEncoder encoder;
  std::size_t groups;
  std::vector<std::uint16_t> centroid_f16;
  std::vector<float> centroid;
  std::vector<std::byte> blocks;
  std::vector<EncodedRow> rows;
  std::vector<bool> fits;
};

double true_distance(Metric metric, const float* a, const float* b, std::size_t dimension) {
  double sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) {
    const double d = double{a[i]} - b[i];
    sum += metric == Metric::kDot ? -double{a[i]} * b[i] : d * d;
  }
  return sum;
}

struct Made {
  const char* name;
  float offset;      // of all data from the origin, in standard deviations
  float centre_off;  // how far the centroid is from the mean of its rows
  float spread;      // of rows around their centroid; queries are at 1
};

struct Totals {
  double error = 0;
  double square = 0;
  double refined_square = 0;
  double expected_square = 0;
  double refined_expected = 0;
  std::size_t below = 0;
  std::size_t count = 0;
};

Totals measure(const Made& made, Metric metric, std::uint32_t dimension, std::uint64_t seed) {
  Totals totals;
  const Rotation rotation(dimension, seed);
  QueryCodes query(rotation, metric);
  Normal normal(seed * 1000 + dimension);
  for (int lists = 0; lists < 8; ++lists) {
    const std::vector<float> middle = normal.vector(dimension, 1, made.offset);
    std::vector<float> centre = middle;
    for (float& value : centre) value += made.centre_off * normal();
    List list(rotation, metric, centre);
    std::vector<std::vector<float>> rows;
    for (int i = 0; i < 150; ++i) {
      std::vector<float> row = middle;
      for (float& value : row) value += made.spread * normal();
      list.add(row.data());
      rows.push_back(row);
    }
    for (int q = 0; q < 8; ++q) {
      const std::vector<float> asked = normal.vector(dimension, 1, made.offset);
      query.set(asked.data());
      float to_centroid = 0;
      const auto estimates = list.search(query, &to_centroid);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const double truth = true_distance(metric, asked.data(), rows[i].data(), dimension);
        const double error = estimates[i].distance - truth;
        const double refined = estimates[i].refined - truth;
        const double sigma = widen(list.rows[i].error) * to_centroid;
        totals.error += error;
        totals.square += error * error;
        totals.refined_square += refined * refined;
        totals.expected_square += sigma * sigma;
        totals.refined_expected += std::pow(list.rows[i].refine_error * to_centroid, 2);
        if (estimates[i].bound <= truth) ++totals.below;
        ++totals.count;
      }
    }
  }
  return totals;
}

TEST(RaBitQ, EstimatesWithoutBiasAndBoundsFromBelow) {
  const Made cases[] = {
      {"gaussian", 0, 0, 1}, {"clustered", 0, 0.02F, 0.1F}, {"far from the origin", 100, 0.1F, 1}};
  double all_below = 0;
  double all = 0;
  for (const Made& made : cases) {
    for (const Metric metric : {Metric::kL2, Metric::kDot}) {
      for (const std::uint32_t dimension : {64U, 100U, 384U, 784U, 1536U}) {
        SCOPED_TRACE(std::string(made.name) + ", metric " +
                     std::to_string(static_cast<int>(metric)) + ", dimension " +
                     std::to_string(dimension));
        const Totals totals = measure(made, metric, dimension, 5);
        const auto count = static_cast<double>(totals.count);
        ASSERT_EQ(totals.count, 9600U);
        // Errors of rows share queries and one rotation: 9600 of them are worth fewer.
        const double deviation = std::sqrt(totals.square / count);
        EXPECT_LT(std::abs(totals.error / count), 3 * deviation / std::sqrt(count / 8));
        // 0.9981 of a normal distribution; the sample's own noise is 0.0005 and more.
        EXPECT_GE(static_cast<double>(totals.below) / count, 0.997);
        all_below += static_cast<double>(totals.below);
        all += count;
        // The error is the one that the code names. Far from the origin the rounding of the query
        // adds to it, which is why a space's mean is subtracted first.
        const double ratio = std::sqrt(totals.square / totals.expected_square);
        EXPECT_LT(ratio, 1.6);
        if (made.offset > 0) continue;
        EXPECT_NEAR(ratio, 1, 0.1);
        EXPECT_NEAR(std::sqrt(totals.refined_square / totals.refined_expected), 1, 0.1);
        EXPECT_LT(totals.refined_square, totals.square / (10 * 10));
      }
    }
  }
  EXPECT_GE(all_below / all, 0.998);
}

// The encoder tries few steps of its magnitudes, and is hardly worse than with every step of a fine
// grid.
TEST(RaBitQ, FewStepsAreAsGoodAsAll) {
  constexpr std::uint32_t kPadded = 384;
  RowEncoder encoder(kPadded, Metric::kL2);
  Normal normal(23);
  const std::vector<float> zero(kPadded);
  std::vector<std::uint8_t> magnitudes(kPadded);
  const struct {
    float tail;   // how much larger some values are
    double most;  // of the least errors
  } cases[] = {{0, 1.012}, {1, 1.030}};
  for (const auto& [tail, most] : cases) {
    double errors = 0;
    double least_errors = 0;
    for (int i = 0; i < 300; ++i) {
      std::vector<float> row = normal.vector(kPadded);
      for (std::size_t j = 0; j < kPadded; j += 16) row[j] += tail * normal();
      EncodedRow code;
      ASSERT_TRUE(encoder.encode(row.data(), zero.data(), code));
      errors += double{code.refine_error};
      const double norm2 = kernels().dot_f32(row.data(), row.data(), kPadded);
      double best = 0;
      for (double step = 0.12; step < 0.26; step += 0.002) {
        float product = 0;
        float norm = 0;
        kernels().quantize(row.data(), kPadded,
                           static_cast<float>(1 / (step * std::sqrt(norm2 / kPadded))),
                           magnitudes.data(), &product, &norm);
        best = std::max(best, double{product} * double{product} / (norm2 * double{norm}));
      }
      least_errors += 2 * std::sqrt(norm2 * (1 - best) / (best * (kPadded - 1.0)));
    }
    EXPECT_LT(errors / least_errors, most) << "tail " << tail;
  }
}

// What 90 % of some collections are. Any factor that is not zero would make equal rows differ.
TEST(RaBitQ, IsExactForARowThatEqualsItsCentroid) {
  const Rotation rotation(100, 1);
  Normal normal(1);
  for (const Metric metric : {Metric::kL2, Metric::kDot, Metric::kCosine}) {
    for (const float offset : {0.0F, 1000.0F}) {
      List list(rotation, metric, normal.vector(100, 1, offset));
      list.add_rotated(list.centroid.data());
      const EncodedRow& row = list.rows[0];
      EXPECT_EQ(row.add, 0);
      EXPECT_EQ(row.rescale, 0);
      EXPECT_EQ(row.error, 0);
      EXPECT_EQ(row.refine_add, 0);
      EXPECT_EQ(row.refine_rescale, 0);
      QueryCodes query(rotation, metric);
      query.set(normal.vector(100).data());
      float to_centroid = 0;
      const float expected = query.list_add(list.centroid_f16.data(), &to_centroid);
      const auto estimates = list.search(query, &to_centroid);
      ASSERT_EQ(estimates.size(), 1U);
      EXPECT_EQ(estimates[0].distance, expected);
      EXPECT_EQ(estimates[0].bound, expected);
      EXPECT_EQ(estimates[0].refined, expected);
    }
  }
}

// From residuals that vanish in f16 to ones that overflow it, nothing becomes infinite, and the
// bound holds as long as encode() says so.
TEST(RaBitQ, StaysFiniteAtEverySize) {
  const Rotation rotation(384, 1);
  for (const Metric metric : {Metric::kL2, Metric::kDot}) {
    const int too_large = metric == Metric::kDot ? 15 : 14;  // its factors are half as large
    for (int exponent = -50; exponent <= 50; exponent += 2) {
      SCOPED_TRACE(exponent);
      const auto size = static_cast<float>(std::ldexp(1.0, exponent));
      Normal normal(static_cast<std::uint64_t>(exponent + 100));
      List list(rotation, metric, std::vector<float>(384));
      std::vector<std::vector<float>> rows;
      for (int i = 0; i < 40; ++i) {
        rows.push_back(normal.vector(384, size));
        list.add(rows.back().data());
      }
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const EncodedRow& row = list.rows[i];
        for (const double value : {double{row.add}, widen(row.rescale), widen(row.error),
                                   double{row.refine_add}, double{row.refine_rescale}}) {
          EXPECT_TRUE(std::isfinite(value));
        }
        EXPECT_LE(widen(row.rescale), 0);
        EXPECT_GE(widen(row.error), 0);
        EXPECT_EQ(list.fits[i], exponent < too_large) << i;
      }
      if (exponent >= too_large) continue;
      QueryCodes query(rotation, metric);
      const std::vector<float> asked = normal.vector(384, size);
      query.set(asked.data());
      float to_centroid = 0;
      const auto estimates = list.search(query, &to_centroid);
      ASSERT_EQ(estimates.size(), rows.size());
      std::size_t below = 0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const double truth = true_distance(metric, asked.data(), rows[i].data(), 384);
        if (estimates[i].bound <= truth + 1e-5 * std::abs(truth)) ++below;
      }
      EXPECT_GE(below, rows.size() - 1);
    }
  }
}

TEST(QueryCodes, TakesAZeroQuery) {
  const Rotation rotation(64, 1);
  Normal normal(2);
  List list(rotation, Metric::kL2, std::vector<float>(64));
  const std::vector<float> row = normal.vector(64);
  list.add(row.data());
  QueryCodes query(rotation, Metric::kL2);
  query.set(std::vector<float>(64).data());
  float to_centroid = 1;
  const auto estimates = list.search(query, &to_centroid);
  EXPECT_EQ(to_centroid, 0);
  const double truth = kernels().dot_f32(row.data(), row.data(), 64);
  EXPECT_NEAR(estimates[0].distance, truth, 1e-4 * truth);
  EXPECT_NEAR(estimates[0].bound, truth, 1e-4 * truth);
  EXPECT_NEAR(estimates[0].refined, truth, 1e-4 * truth);
}

TEST(QueryCodes, NamesItsSum) {
  const Rotation rotation(100, 1);
  Normal normal(3);
  QueryCodes query(rotation, Metric::kL2);
  query.set(normal.vector(100).data());
  double sum = 0;
  for (std::uint32_t i = 0; i < query.padded(); ++i) sum += query.rotated()[i];
  EXPECT_NEAR(query.sum(), sum, 1e-4);
}

TEST(ToInt8, RoundsToTheNearestStep) {
  const std::vector<float> in{127, -127, 0.4F, 0.6F, -63.6F, 0, 126.49F, 1};
  std::int8_t out[8];
  const SmallScale small = to_int8(in.data(), in.size(), out);
  EXPECT_EQ(small.scale, 1);
  const std::int8_t expected[8] = {127, -127, 0, 1, -64, 0, 126, 1};
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    EXPECT_EQ(out[i], expected[i]) << i;
    sum += expected[i];
  }
  EXPECT_EQ(small.sum, sum);
}

}  // namespace
}  // namespace kedge
