// 8 floats a step, for CPUs with AVX2, FMA and F16C.
#include <immintrin.h>

#include "simd/tables.h"

// On every function of this file, and never a compiler flag: a flag would also compile the inline
// functions of shared headers for this CPU, and the linker may keep that copy for the program.
#define KEDGE_TARGET [[gnu::target("avx2,fma,f16c")]]

namespace kedge {
namespace {

constexpr std::size_t kWidth = 8;
// Bytes ahead of a row that are fetched while it is read: about as many rows as memory needs to
// answer.
constexpr std::size_t kAhead = 4096;
constexpr std::size_t kLine = 32;  // halves of a cache line

KEDGE_TARGET __m256 load_halves(const std::byte* at) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

// The last `left` of them, 1 to 7, and zeros: nothing behind them is read.
KEDGE_TARGET __m256 load_last_halves(const std::byte* at, std::size_t left) noexcept {
  alignas(16) std::byte last[2 * kWidth] = {};
  for (std::size_t i = 0; i < 2 * left; ++i) last[i] = at[i];
  return load_halves(last);
}

KEDGE_TARGET __m256i mask_of(std::size_t left) noexcept {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(left)), lanes);
}

KEDGE_TARGET float sum_of(__m256 lanes) noexcept {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

// Only a hint: what lies there need not be mapped.
KEDGE_TARGET void fetch(const std::byte* at) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(at) + kAhead, _MM_HINT_T0);
}

// One sum, as dot_four() has for each of its rows: a row must give the same distance to the bit
// wherever it stands, or equal vectors would not be equally near.
KEDGE_TARGET float dot_row(const float* query, const std::byte* row,
                           std::size_t dimension) noexcept {
  __m256 sum = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + kWidth <= dimension; i += kWidth)
    sum = _mm256_fmadd_ps(_mm256_loadu_ps(query + i), load_halves(row + 2 * i), sum);
  if (const std::size_t left = dimension - i; left > 0) {
    sum = _mm256_fmadd_ps(_mm256_maskload_ps(query + i, mask_of(left)),
                          load_last_halves(row + 2 * i, left), sum);
  }
  return sum_of(sum);
}

KEDGE_TARGET float dot_f16(const float* query, const std::uint16_t* row,
                           std::size_t dimension) noexcept {
  return dot_row(query, reinterpret_cast<const std::byte*>(row), dimension);
}

KEDGE_TARGET float l2_f16(const float* query, const std::uint16_t* row,
                          std::size_t dimension) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(row);
  __m256 sum = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + kWidth <= dimension; i += kWidth) {
    const __m256 d = _mm256_sub_ps(_mm256_loadu_ps(query + i), load_halves(bytes + 2 * i));
    sum = _mm256_fmadd_ps(d, d, sum);
  }
  if (const std::size_t left = dimension - i; left > 0) {
    const __m256 d = _mm256_sub_ps(_mm256_maskload_ps(query + i, mask_of(left)),
                                   load_last_halves(bytes + 2 * i, left));
    sum = _mm256_fmadd_ps(d, d, sum);
  }
  return sum_of(sum);
}

// Four rows at once: the query is loaded once for them, and four sums hide the latency of one. The
// sums have names because an array of them would be kept in memory.
KEDGE_TARGET void dot_four(const float* query, const std::byte* rows, std::size_t stride,
                           std::size_t dimension, float* out) noexcept {
  const std::byte* const row0 = rows;
  const std::byte* const row1 = row0 + stride;
  const std::byte* const row2 = row1 + stride;
  const std::byte* const row3 = row2 + stride;
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = _mm256_setzero_ps();
  __m256 sum2 = _mm256_setzero_ps();
  __m256 sum3 = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + kWidth <= dimension; i += kWidth) {
    if (i % kLine == 0) {
      fetch(row0 + 2 * i);
      fetch(row1 + 2 * i);
      fetch(row2 + 2 * i);
      fetch(row3 + 2 * i);
    }
    const __m256 q = _mm256_loadu_ps(query + i);
    sum0 = _mm256_fmadd_ps(q, load_halves(row0 + 2 * i), sum0);
    sum1 = _mm256_fmadd_ps(q, load_halves(row1 + 2 * i), sum1);
    sum2 = _mm256_fmadd_ps(q, load_halves(row2 + 2 * i), sum2);
    sum3 = _mm256_fmadd_ps(q, load_halves(row3 + 2 * i), sum3);
  }
  if (const std::size_t left = dimension - i; left > 0) {
    const __m256 q = _mm256_maskload_ps(query + i, mask_of(left));
    sum0 = _mm256_fmadd_ps(q, load_last_halves(row0 + 2 * i, left), sum0);
    sum1 = _mm256_fmadd_ps(q, load_last_halves(row1 + 2 * i, left), sum1);
    sum2 = _mm256_fmadd_ps(q, load_last_halves(row2 + 2 * i, left), sum2);
    sum3 = _mm256_fmadd_ps(q, load_last_halves(row3 + 2 * i, left), sum3);
  }
  out[0] = sum_of(sum0);
  out[1] = sum_of(sum1);
  out[2] = sum_of(sum2);
  out[3] = sum_of(sum3);
}

KEDGE_TARGET void dot_f16_rows(const float* query, const std::byte* rows, std::size_t stride_bytes,
                               std::size_t count, std::size_t dimension, float* out) noexcept {
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4)
    dot_four(query, rows + r * stride_bytes, stride_bytes, dimension, out + r);
  for (; r < count; ++r) out[r] = dot_row(query, rows + r * stride_bytes, dimension);
}

KEDGE_TARGET __m128i narrow(__m256 values) noexcept {
  return _mm256_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

KEDGE_TARGET void f32_to_f16(const float* in, std::uint16_t* out, std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), narrow(_mm256_loadu_ps(in + i)));
  if (const std::size_t left = count - i; left > 0) {
    alignas(16) std::uint16_t last[kWidth];
    _mm_store_si128(reinterpret_cast<__m128i*>(last),
                    narrow(_mm256_maskload_ps(in + i, mask_of(left))));
    for (std::size_t j = 0; j < left; ++j) out[i + j] = last[j];
  }
}

KEDGE_TARGET void f16_to_f32(const std::uint16_t* in, float* out, std::size_t count) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(in);
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) _mm256_storeu_ps(out + i, load_halves(bytes + 2 * i));
  if (const std::size_t left = count - i; left > 0)
    _mm256_maskstore_ps(out + i, mask_of(left), load_last_halves(bytes + 2 * i, left));
}

}  // namespace

const Kernels kAvx2Kernels = {.name = "avx2",
                              .dot_f16 = dot_f16,
                              .l2_f16 = l2_f16,
                              .dot_f16_rows = dot_f16_rows,
                              .f32_to_f16 = f32_to_f16,
                              .f16_to_f32 = f16_to_f32,
                              .fht = avx2::fht,
                              .flip_signs = avx2::flip_signs,
                              .kac_walk = avx2::kac_walk,
                              .scale = avx2::scale,
                              .dot_f32 = avx2::dot_f32,
                              .l2_f32 = avx2::l2_f32,
                              .dot_matrix = avx2::dot_matrix,
                              .coarse = false,
                              .to_bf16 = scalar::to_bf16,
                              .dot_matrix_bf16 = scalar::dot_matrix_bf16,
                              .quantize = avx2::quantize,
                              .make_table = avx2::make_table,
                              .scan_codes = avx2::scan_codes,
                              .dot_u4_i8 = avx2::dot_u4_i8,
                              .dots_u8_i8 = avx2::dots_u8_i8};

}  // namespace kedge
