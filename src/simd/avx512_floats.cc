// Rotations and distances of floats on CPUs with AVX-512 F, BW, VL, DQ and VNNI.
#if defined(__GNUC__) && !defined(__clang__)
// The compiler's own header initialises "undefined" registers by themselves, and is warned about
// wherever it is inlined into this file (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include "simd/columns.h"
#include "simd/tables.h"

// On every function of this file, and never a compiler flag: a flag would also compile the inline
// functions of shared headers for this CPU, and the linker may keep that copy for the program.
#define KEDGE_TARGET [[gnu::target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]]

namespace kedge::avx512 {
namespace {

constexpr std::size_t kWidth = 16;

// The first `left` lanes, all from 16 on.
__mmask16 mask_of(std::size_t left) noexcept {
  return static_cast<__mmask16>(left < kWidth ? (1U << left) - 1 : 0xFFFF);
}

// The first four levels of a transform. A lane is multiplied with 1 or -1 and its partner added:
// that rounds as the sum or the difference does.
KEDGE_TARGET __m512 transform_16(__m512 x) noexcept {
  const __m512 one = _mm512_set1_ps(1);
  const __m512 minus = _mm512_set1_ps(-1);
  x = _mm512_fmadd_ps(x, _mm512_mask_mov_ps(one, 0xAAAA, minus), _mm512_permute_ps(x, 0xB1));
  x = _mm512_fmadd_ps(x, _mm512_mask_mov_ps(one, 0xCCCC, minus), _mm512_permute_ps(x, 0x4E));
  x = _mm512_fmadd_ps(x, _mm512_mask_mov_ps(one, 0xF0F0, minus), _mm512_shuffle_f32x4(x, x, 0xB1));
  return _mm512_fmadd_ps(x, _mm512_mask_mov_ps(one, 0xFF00, minus),
                         _mm512_shuffle_f32x4(x, x, 0x4E));
}

// Two levels at once, of four times 16 values that stand `half` apart.
KEDGE_TARGET void store_two_levels(__m512 a, __m512 b, __m512 c, __m512 d, float* values,
                                   std::size_t half) noexcept {
  const __m512 ab = _mm512_add_ps(a, b);
  const __m512 a_b = _mm512_sub_ps(a, b);
  const __m512 cd = _mm512_add_ps(c, d);
  const __m512 c_d = _mm512_sub_ps(c, d);
  _mm512_storeu_ps(values, _mm512_add_ps(ab, cd));
  _mm512_storeu_ps(values + half, _mm512_add_ps(a_b, c_d));
  _mm512_storeu_ps(values + 2 * half, _mm512_sub_ps(ab, cd));
  _mm512_storeu_ps(values + 3 * half, _mm512_sub_ps(a_b, c_d));
}

// Four registers added up: lane i of the result is the sum of argument i.
KEDGE_TARGET __m128 sums_of(__m512 a, __m512 b, __m512 c, __m512 d) noexcept {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512 all =
      _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

// Blocks of a product: as many sums as keep 32 registers busy, rows of b that stay in the first
// cache while rows of a pass, and rows of a that stay in the second while those of b do.
constexpr std::size_t kTileA = 6;
constexpr std::size_t kTileB = 4;
constexpr std::size_t kPanelFloats = 6144;
constexpr std::size_t kBlockFloats = 98'304;

// Sums of a row of a with four rows of b. Names, because an array would be kept in memory.
struct Sums {
  __m512 of0;
  __m512 of1;
  __m512 of2;
  __m512 of3;
};

KEDGE_TARGET Sums no_sums() noexcept {
  const __m512 zero = _mm512_setzero_ps();
  return {zero, zero, zero, zero};
}

KEDGE_TARGET void add_products(__m512 left, const Sums& right, Sums& sums) noexcept {
  sums.of0 = _mm512_fmadd_ps(left, right.of0, sums.of0);
  sums.of1 = _mm512_fmadd_ps(left, right.of1, sums.of1);
  sums.of2 = _mm512_fmadd_ps(left, right.of2, sums.of2);
  sums.of3 = _mm512_fmadd_ps(left, right.of3, sums.of3);
}

KEDGE_TARGET Sums load(const Columns<float>& b, std::size_t k, __mmask16 mask) noexcept {
  return {_mm512_maskz_loadu_ps(mask, b.at0 + k), _mm512_maskz_loadu_ps(mask, b.at1 + k),
          _mm512_maskz_loadu_ps(mask, b.at2 + k), _mm512_maskz_loadu_ps(mask, b.at3 + k)};
}

KEDGE_TARGET void store(const Sums& sums, std::size_t columns, float* out) noexcept {
  _mm_mask_storeu_ps(out, static_cast<__mmask8>((1U << columns) - 1),
                     sums_of(sums.of0, sums.of1, sums.of2, sums.of3));
}

KEDGE_TARGET void multiply_six(const float* a, const float* b, std::size_t columns,
                               std::size_t dimension, float* out, std::size_t out_stride) noexcept {
  const Columns rows = columns_of(b, columns, dimension);
  Sums sums0 = no_sums();
  Sums sums1 = no_sums();
  Sums sums2 = no_sums();
  Sums sums3 = no_sums();
  Sums sums4 = no_sums();
  Sums sums5 = no_sums();
  for (std::size_t k = 0; k < dimension; k += kWidth) {
    const __mmask16 mask = mask_of(dimension - k);
    const Sums right = load(rows, k, mask);
    const float* left = a + k;
    add_products(_mm512_maskz_loadu_ps(mask, left), right, sums0);
    add_products(_mm512_maskz_loadu_ps(mask, left + dimension), right, sums1);
    add_products(_mm512_maskz_loadu_ps(mask, left + 2 * dimension), right, sums2);
    add_products(_mm512_maskz_loadu_ps(mask, left + 3 * dimension), right, sums3);
    add_products(_mm512_maskz_loadu_ps(mask, left + 4 * dimension), right, sums4);
    add_products(_mm512_maskz_loadu_ps(mask, left + 5 * dimension), right, sums5);
  }
  store(sums0, columns, out);
  store(sums1, columns, out + out_stride);
  store(sums2, columns, out + 2 * out_stride);
  store(sums3, columns, out + 3 * out_stride);
  store(sums4, columns, out + 4 * out_stride);
  store(sums5, columns, out + 5 * out_stride);
}

KEDGE_TARGET void multiply_one(const float* a, const float* b, std::size_t columns,
                               std::size_t dimension, float* out) noexcept {
  const Columns rows = columns_of(b, columns, dimension);
  Sums sums = no_sums();
  for (std::size_t k = 0; k < dimension; k += kWidth) {
    const __mmask16 mask = mask_of(dimension - k);
    add_products(_mm512_maskz_loadu_ps(mask, a + k), load(rows, k, mask), sums);
  }
  store(sums, columns, out);
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
      multiply_six(a + i * dimension, b + j * dimension, b_rows - j < kTileB ? b_rows - j : kTileB,
                   dimension, out + i * out_stride + j, out_stride);
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
  if (log2_count < 6) return scalar::fht(values, log2_count);
  const std::size_t count = std::size_t{1} << log2_count;
  for (std::size_t i = 0; i < count; i += 4 * kWidth) {
    float* const at = values + i;
    store_two_levels(transform_16(_mm512_loadu_ps(at)), transform_16(_mm512_loadu_ps(at + 16)),
                     transform_16(_mm512_loadu_ps(at + 32)), transform_16(_mm512_loadu_ps(at + 48)),
                     at, kWidth);
  }
  std::size_t half = 4 * kWidth;
  for (; 4 * half <= count; half *= 4) {
    for (std::size_t i = 0; i < count; i += 4 * half) {
      for (float* at = values + i; at < values + i + half; at += kWidth) {
        store_two_levels(_mm512_loadu_ps(at), _mm512_loadu_ps(at + half),
                         _mm512_loadu_ps(at + 2 * half), _mm512_loadu_ps(at + 3 * half), at, half);
      }
    }
  }
  if (half < count) kac_walk(values, count);  // the last level is one
}

KEDGE_TARGET void flip_signs(float* values, const std::uint64_t* signs,
                             std::size_t count) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(signs);
  const __m512 sign = _mm512_set1_ps(-0.0F);
  for (std::size_t i = 0; i < count; i += kWidth) {
    // Two bytes at any address: a whole word is there.
    const unsigned bits =
        static_cast<unsigned>(bytes[i / 8]) | static_cast<unsigned>(bytes[i / 8 + 1]) << 8;
    const __mmask16 mask = mask_of(count - i);
    const __m512 x = _mm512_maskz_loadu_ps(mask, values + i);
    _mm512_mask_storeu_ps(values + i, mask,
                          _mm512_mask_xor_ps(x, static_cast<__mmask16>(bits), x, sign));
  }
}

KEDGE_TARGET void kac_walk(float* values, std::size_t count) noexcept {
  const std::size_t half = count / 2;
  for (std::size_t i = 0; i < half; i += kWidth) {
    const __mmask16 mask = mask_of(half - i);
    const __m512 a = _mm512_maskz_loadu_ps(mask, values + i);
    const __m512 b = _mm512_maskz_loadu_ps(mask, values + half + i);
    _mm512_mask_storeu_ps(values + i, mask, _mm512_add_ps(a, b));
    _mm512_mask_storeu_ps(values + half + i, mask, _mm512_sub_ps(a, b));
  }
}

KEDGE_TARGET void scale(float* values, float factor, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; i += kWidth) {
    const __mmask16 mask = mask_of(count - i);
    const __m512 x = _mm512_maskz_loadu_ps(mask, values + i);
    _mm512_mask_storeu_ps(values + i, mask, _mm512_mul_ps(x, _mm512_set1_ps(factor)));
  }
}

KEDGE_TARGET float dot_f32(const float* a, const float* b, std::size_t count) noexcept {
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = _mm512_setzero_ps();
  std::size_t i = 0;
  for (; i + 2 * kWidth <= count; i += 2 * kWidth) {
    sum0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0);
    sum1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), sum1);
  }
  for (; i < count; i += kWidth) {
    const __mmask16 mask = mask_of(count - i);
    sum0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i),
                           sum0);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum0, sum1));
}

KEDGE_TARGET float l2_f32(const float* a, const float* b, std::size_t count) noexcept {
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = _mm512_setzero_ps();
  std::size_t i = 0;
  for (; i + 2 * kWidth <= count; i += 2 * kWidth) {
    const __m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
    const __m512 d1 = _mm512_sub_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16));
    sum0 = _mm512_fmadd_ps(d0, d0, sum0);
    sum1 = _mm512_fmadd_ps(d1, d1, sum1);
  }
  for (; i < count; i += kWidth) {
    const __mmask16 mask = mask_of(count - i);
    const __m512 d =
        _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i));
    sum0 = _mm512_fmadd_ps(d, d, sum0);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum0, sum1));
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

}  // namespace kedge::avx512
