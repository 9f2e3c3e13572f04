// RaBitQ codes of rows relative to a centroid, and the query side of their distance estimates
// (Gao and Long 2024; Gao et al. 2025). Everything is in rotated space of P dimensions, a multiple
// of 64. docs/format.md has the bytes.
//
// With r = row - centroid c and a code u, the estimate of a distance is linear in <q, u>:
//   L2, cosine (L2 of normalised rows): |q - x|^2 ~ |q - c|^2 + add + rescale <q, u>
//   dot:                                 -<q, x>  ~ -<q, c>   + add + rescale <q, u>
// 1 bit: u = bit - 1/2. 5 bits: u = 16 bit + extra - 15.5, extra 4 bits. The standard deviation of
// the estimate is error * |q - c|.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ann/aligned.h"
#include "ann/rotation.h"
#include "format/space.h"
#include "simd/kernels.h"

namespace kedge {

// All factors are finite. A row that equals its centroid has zeros: its estimate is exact.
struct EncodedRow {
  std::vector<std::byte> bits;   // P / 8: dimension i is bit i % 8 of byte i / 8
  std::vector<std::byte> extra;  // P / 2: the layout of Kernels::dot_u4_i8
  float add = 0;
  std::uint16_t rescale = 0;  // f16 bits
  std::uint16_t error = 0;    // f16 bits; rounded up
  float refine_add = 0;
  float refine_rescale = 0;
  float refine_error = 0;  // not stored: what tests expect of the 5-bit estimate
};

// Threads: one at a time; has its own scratch.
class RowEncoder {
 public:
  RowEncoder(std::uint32_t padded, Metric metric);
  // `row` and `centroid` have P finite values, rotated; the centroid is what its f16 bits say, or
  // the errors of `add` and of the query's inner products would not cancel far from the origin.
  // Reuses the memory of `out`. False if a factor did not fit its f16, which begins where values of
  // r reach about 13,000: the estimate is then finite and biased, and its bound may not hold.
  bool encode(const float* row, const float* centroid, EncodedRow& out);

 private:
  struct Code {
    double product;  // <r, u>
    double norm2;    // |u|^2
    double centre;   // <c, u>
  };
  Code sign_code(const float* centroid, EncodedRow& out);
  Code full_code(const float* centroid, double norm2, EncodedRow& out);
  [[nodiscard]] double deviation(double norm2, const Code& code) const;

  const Kernels& simd_;
  std::uint32_t padded_;
  double share_;  // of |q - x|^2 that the metric needs: all, or half of it for dot
  AlignedArray<float> residual_;
  AlignedArray<float> unit_;
  AlignedArray<std::uint8_t> signs_;  // 1 where r >= 0
  AlignedArray<std::uint8_t> magnitudes_;
  AlignedArray<std::uint8_t> best_magnitudes_;
};

// A query prepared for scanning. Allocates when made, never in set().
// Threads: one at a time for set(), then any for the rest. The rotation must outlive it.
class QueryCodes {
 public:
  QueryCodes(const Rotation& rotation, Metric metric);
  // `query` has rotation.dimension() finite values (normalised for cosine).
  void set(const float* query);

  [[nodiscard]] Metric metric() const { return metric_; }
  [[nodiscard]] std::uint32_t padded() const { return padded_; }
  [[nodiscard]] const float* rotated() const { return rotated_.data(); }
  [[nodiscard]] float sum() const { return sum_; }

  // |q - c|^2, or -<q, c> for dot: what for_list() and refine() take as `add`; *distance is |q - c|
  // for every metric.
  float list_add(const std::uint16_t* centroid_f16, float* distance) const;
  // For Kernels::scan_codes over the rows of one list. Bounds are `factor` standard deviations
  // below the estimate. Valid until the next set().
  [[nodiscard]] ScanQuery for_list(float add, float distance_to_centroid, float factor) const;
  // The 5-bit distance of a hit. dot1: ScanHit::dot; extra: P / 2 bytes of the row.
  [[nodiscard]] float refine(float dot1, const std::byte* extra, float refine_add,
                             float refine_rescale, float add) const;

 private:
  const Kernels& simd_;
  const Rotation& rotation_;
  Metric metric_;
  std::uint32_t padded_;
  AlignedArray<float> rotated_;
  AlignedArray<std::uint8_t> table_;
  AlignedArray<std::int8_t> small_;  // the query in steps of small_scale_
  float sum_ = 0;
  float scale_ = 0;
  float bias_ = 0;
  float table_error_ = 0;
  float small_scale_ = 0;
  float refine_bias_ = 0;
};

// out[i] = round(in[i] / scale), scale = largest |in[i]| / 127; returns the scale and the sum of
// `out`. All zero: scale 0.
struct SmallScale {
  float scale;
  std::int32_t sum;
};
SmallScale to_int8(const float* in, std::size_t count, std::int8_t* out);

}  // namespace kedge
