// Rotations and distances of floats on CPUs with AVX2, FMA and F16C.
#include <immintrin.h>

#include "simd/columns.h"
#include "simd/tables.h"

// On every function of this file, and never a compiler flag: a flag would also compile the inline
// functions of shared headers for this CPU, and the linker may keep that copy for the program.
#define KEDGE_TARGET [[gnu::target("avx2,fma,f16c")]]

namespace kedge::avx2 {
namespace {

constexpr std::size_t kWidth = 8;

KEDGE_TARGET float sum_of(__m256 lanes) noexcept {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

// The first three levels of a transform. A lane is multiplied with 1 or -1 and its partner added:
// that rounds as the sum or the difference does.
KEDGE_TARGET __m256 transform_8(__m256 x) noexcept {
  x = _mm256_fmadd_ps(x, _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1), _mm256_permute_ps(x, 0xB1));
  x = _mm256_fmadd_ps(x, _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1), _mm256_permute_ps(x, 0x4E));
  return _mm256_fmadd_ps(x, _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1),
                         _mm256_permute2f128_ps(x, x, 1));
}

// Two levels at once, of four times 8 values that stand `half` apart.
KEDGE_TARGET void store_two_levels(__m256 a, __m256 b, __m256 c, __m256 d, float* values,
                                   std::size_t half) noexcept {
  const __m256 ab = _mm256_add_ps(a, b);
  const __m256 a_b = _mm256_sub_ps(a, b);
  const __m256 cd = _mm256_add_ps(c, d);
  const __m256 c_d = _mm256_sub_ps(c, d);
  _mm256_storeu_ps(values, _mm256_add_ps(ab, cd));
  _mm256_storeu_ps(values + half, _mm256_add_ps(a_b, c_d));
  _mm256_storeu_ps(values + 2 * half, _mm256_sub_ps(ab, cd));
  _mm256_storeu_ps(values + 3 * half, _mm256_sub_ps(a_b, c_d));
}

// Four registers added up: lane i of the result is the sum of argument i.
KEDGE_TARGET __m128 sums_of(__m256 a, __m256 b, __m256 c, __m256 d) noexcept {
  const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
  const __m256 all =
      _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
  return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

// Blocks of a product: as many sums as keep 16 registers busy, rows of b that stay in the first
// cache while rows of a pass, and rows of a that stay in the second while those of b do.
constexpr std::size_t kTileA = 3;
constexpr std::size_t kTileB = 4;
constexpr std::size_t kPanelFloats = 6144;
constexpr std::size_t kBlockFloats = 98'304;

// Sums of a row of a with four rows of b. Names, because an array would be kept in memory.
struct Sums {
  __m256 of0;
  __m256 of1;
  __m256 of2;
  __m256 of3;
};

KEDGE_TARGET Sums no_sums() noexcept {
  const __m256 zero = _mm256_setzero_ps();
  return {zero, zero, zero, zero};
}

KEDGE_TARGET void add_products(__m256 left, const Sums& right, Sums& sums) noexcept {
  sums.of0 = _mm256_fmadd_ps(left, right.of0, sums.of0);
  sums.of1 = _mm256_fmadd_ps(left, right.of1, sums.of1);
  sums.of2 = _mm256_fmadd_ps(left, right.of2, sums.of2);
  sums.of3 = _mm256_fmadd_ps(left, right.of3, sums.of3);
}

KEDGE_TARGET Sums load(const Columns<float>& b, std::size_t k) noexcept {
  return {_mm256_loadu_ps(b.at0 + k), _mm256_loadu_ps(b.at1 + k), _mm256_loadu_ps(b.at2 + k),
          _mm256_loadu_ps(b.at3 + k)};
}

KEDGE_TARGET void store(const Sums& sums, std::size_t columns, float* out) noexcept {
  const __m128i lanes = _mm_setr_epi32(0, 1, 2, 3);
  _mm_maskstore_ps(out, _mm_cmpgt_epi32(_mm_set1_epi32(static_cast<int>(columns)), lanes),
                   sums_of(sums.of0, sums.of1, sums.of2, sums.of3));
}

// What is left of a row of a behind the whole steps of 8, which end at `k`.
KEDGE_TARGET void add_last(const float* a, const float* b, std::size_t columns, std::size_t k,
                           std::size_t dimension, float* out) noexcept {
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t last = k; last < dimension; ++last)
      out[j] += a[last] * b[j * dimension + last];
  }
}

KEDGE_TARGET void multiply_three(const float* a, const float* b, std::size_t columns,
                                 std::size_t dimension, float* out,
                                 std::size_t out_stride) noexcept {
  const Columns rows = columns_of(b, columns, dimension);
  const float* const a1 = a + dimension;
  const float* const a2 = a1 + dimension;
  Sums sums0 = no_sums();
  Sums sums1 = no_sums();
  Sums sums2 = no_sums();
  std::size_t k = 0;
  for (; k + kWidth <= dimension; k += kWidth) {
    const Sums right = load(rows, k);
    add_products(_mm256_loadu_ps(a + k), right, sums0);
    add_products(_mm256_loadu_ps(a1 + k), right, sums1);
    add_products(_mm256_loadu_ps(a2 + k), right, sums2);
  }
  store(sums0, columns, out);
  store(sums1, columns, out + out_stride);
  store(sums2, columns, out + 2 * out_stride);
  if (k == dimension) return;
  add_last(a, b, columns, k, dimension, out);
  add_last(a1, b, columns, k, dimension, out + out_stride);
  add_last(a2, b, columns, k, dimension, out + 2 * out_stride);
}

KEDGE_TARGET void multiply_one(const float* a, const float* b, std::size_t columns,
                               std::size_t dimension, float* out) noexcept {
  const Columns rows = columns_of(b, columns, dimension);
  Sums sums = no_sums();
  std::size_t k = 0;
  for (; k + kWidth <= dimension; k += kWidth)
    add_products(_mm256_loadu_ps(a + k), load(rows, k), sums);
  store(sums, columns, out);
  add_last(a, b, columns, k, dimension, out);
}

// As many rows as `floats` hold, a multiple of `tile`, but one tile at least.
std::size_t rows_of(std::size_t floats, std::size_t dimension, std::size_t tile) noexcept {
  const std::size_t tiles = dimension == 0 ? 1 : floats / dimension / tile;
  return (tiles == 0 ? 1 : tiles) * tile;
}

KEDGE_TARGET void multiply_block(const float* a, std::size_t a_rows, const float* b,
                                 std::size_t b_rows, std::size_t dimension, float* out,
                                 std::size_t out_stride) noexcept {
  std::size_t i = 0;
  for (; i + kTileA <= a_rows; i += kTileA) {
    for (std::size_t j = 0; j < b_rows; j += kTileB) {
      multiply_three(a + i * dimension, b + j * dimension,
                     b_rows - j < kTileB ? b_rows - j : kTileB, dimension, out + i * out_stride + j,
                     out_stride);
    }
  }
  for (; i < a_rows; ++i) {
    for (std::size_t j = 0; j < b_rows; j += kTileB) {
      multiply_one(a + i * dimension, b + j * dimension, b_rows - j < kTileB ? b_rows - j : kTileB,
                   dimension, out + i * out_stride + j);
    }
  }
}

}  // namespace

KEDGE_TARGET void fht(float* values, std::size_t log2_count) noexcept {
  if (log2_count < 5) return scalar::fht(values, log2_count);
  const std::size_t count = std::size_t{1} << log2_count;
  for (std::size_t i = 0; i < count; i += 4 * kWidth) {
    float* const at = values + i;
    store_two_levels(transform_8(_mm256_loadu_ps(at)), transform_8(_mm256_loadu_ps(at + 8)),
                     transform_8(_mm256_loadu_ps(at + 16)), transform_8(_mm256_loadu_ps(at + 24)),
                     at, kWidth);
  }
  std::size_t half = 4 * kWidth;
  for (; 4 * half <= count; half *= 4) {
    for (std::size_t i = 0; i < count; i += 4 * half) {
      for (float* at = values + i; at < values + i + half; at += kWidth) {
        store_two_levels(_mm256_loadu_ps(at), _mm256_loadu_ps(at + half),
                         _mm256_loadu_ps(at + 2 * half), _mm256_loadu_ps(at + 3 * half), at, half);
      }
    }
  }
  if (half < count) kac_walk(values, count);  // the last level is one
}

KEDGE_TARGET void flip_signs(float* values, const std::uint64_t* signs,
                             std::size_t count) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(signs);
  const __m256i to_sign = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
  const __m256i sign = _mm256_set1_epi32(static_cast<int>(0x8000'0000U));
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    const __m256i bits = _mm256_set1_epi32(static_cast<int>(bytes[i / 8]));
    const __m256i flips = _mm256_and_si256(_mm256_sllv_epi32(bits, to_sign), sign);
    _mm256_storeu_ps(values + i,
                     _mm256_xor_ps(_mm256_loadu_ps(values + i), _mm256_castsi256_ps(flips)));
  }
  for (; i < count; ++i) {
    if (((static_cast<unsigned>(bytes[i / 8]) >> (i % 8)) & 1U) != 0) values[i] = -values[i];
  }
}

KEDGE_TARGET void kac_walk(float* values, std::size_t count) noexcept {
  const std::size_t half = count / 2;
  std::size_t i = 0;
  for (; i + kWidth <= half; i += kWidth) {
    const __m256 a = _mm256_loadu_ps(values + i);
    const __m256 b = _mm256_loadu_ps(values + half + i);
    _mm256_storeu_ps(values + i, _mm256_add_ps(a, b));
    _mm256_storeu_ps(values + half + i, _mm256_sub_ps(a, b));
  }
  for (; i < half; ++i) {
    const float a = values[i];
    const float b = values[half + i];
    values[i] = a + b;
    values[half + i] = a - b;
  }
}

KEDGE_TARGET void scale(float* values, float factor, std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    _mm256_storeu_ps(values + i,
                     _mm256_mul_ps(_mm256_loadu_ps(values + i), _mm256_set1_ps(factor)));
  }
  for (; i < count; ++i) values[i] *= factor;
}

KEDGE_TARGET float dot_f32(const float* a, const float* b, std::size_t count) noexcept {
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + 2 * kWidth <= count; i += 2 * kWidth) {
    sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
    sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), sum1);
  }
  float sum = sum_of(_mm256_add_ps(sum0, sum1));
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

KEDGE_TARGET float l2_f32(const float* a, const float* b, std::size_t count) noexcept {
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + 2 * kWidth <= count; i += 2 * kWidth) {
    const __m256 d0 = _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
    const __m256 d1 = _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));
    sum0 = _mm256_fmadd_ps(d0, d0, sum0);
    sum1 = _mm256_fmadd_ps(d1, d1, sum1);
  }
  float sum = sum_of(_mm256_add_ps(sum0, sum1));
  for (; i < count; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

KEDGE_TARGET void dot_matrix(const float* a, std::size_t a_rows, const float* b, std::size_t b_rows,
                             std::size_t dimension, float* out, std::size_t out_stride) noexcept {
  const std::size_t block = rows_of(kBlockFloats, dimension, kTileA);
  const std::size_t panel = rows_of(kPanelFloats, dimension, kTileB);
  for (std::size_t i = 0; i < a_rows; i += block) {
    for (std::size_t j = 0; j < b_rows; j += panel) {
      multiply_block(a + i * dimension, a_rows - i < block ? a_rows - i : block, b + j * dimension,
                     b_rows - j < panel ? b_rows - j : panel, dimension, out + i * out_stride + j,
                     out_stride);
    }
  }
}

}  // namespace kedge::avx2
