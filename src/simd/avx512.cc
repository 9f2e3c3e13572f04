// 16 floats a step, for CPUs with AVX-512 F, BW, VL, DQ and VNNI. The masked load of a tail never
// reads past the arrays.
#if defined(__GNUC__) && !defined(__clang__)
// The compiler's own header initialises "undefined" registers by themselves, and is warned about
// wherever it is inlined into this file (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include "simd/tables.h"

// On every function of this file, and never a compiler flag: a flag would also compile the inline
// functions of shared headers for this CPU, and the linker may keep that copy for the program.
#define KEDGE_TARGET [[gnu::target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]]

namespace kedge {
namespace {

constexpr std::size_t kWidth = 16;
constexpr std::size_t kAhead = 4096;  // as in avx2.cc
constexpr std::size_t kLine = 32;     // halves of a cache line

KEDGE_TARGET __m512 load_halves(const std::byte* at) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

KEDGE_TARGET __m512 load_halves(const std::byte* at, __mmask16 mask) noexcept {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, at));
}

// Precondition: left < 16.
__mmask16 mask_of(std::size_t left) noexcept { return static_cast<__mmask16>((1U << left) - 1); }

// Only a hint: what lies there need not be mapped.
KEDGE_TARGET void fetch(const std::byte* at) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(at) + kAhead, _MM_HINT_T0);
}

// One sum, as dot_four() has for each of its rows: a row must give the same distance to the bit
// wherever it stands, or equal vectors would not be equally near.
KEDGE_TARGET float dot_row(const float* query, const std::byte* row,
                           std::size_t dimension) noexcept {
  __m512 sum = _mm512_setzero_ps();
  std::size_t i = 0;
  for (; i + kWidth <= dimension; i += kWidth)
    sum = _mm512_fmadd_ps(_mm512_loadu_ps(query + i), load_halves(row + 2 * i), sum);
  if (i < dimension) {
    const __mmask16 mask = mask_of(dimension - i);
    sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, query + i), load_halves(row + 2 * i, mask),
                          sum);
  }
  return _mm512_reduce_add_ps(sum);
}

KEDGE_TARGET float dot_f16(const float* query, const std::uint16_t* row,
                           std::size_t dimension) noexcept {
  return dot_row(query, reinterpret_cast<const std::byte*>(row), dimension);
}

KEDGE_TARGET float l2_f16(const float* query, const std::uint16_t* row,
                          std::size_t dimension) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(row);
  __m512 sum = _mm512_setzero_ps();
  std::size_t i = 0;
  for (; i + kWidth <= dimension; i += kWidth) {
    const __m512 d = _mm512_sub_ps(_mm512_loadu_ps(query + i), load_halves(bytes + 2 * i));
    sum = _mm512_fmadd_ps(d, d, sum);
  }
  if (i < dimension) {
    const __mmask16 mask = mask_of(dimension - i);
    const __m512 d =
        _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, query + i), load_halves(bytes + 2 * i, mask));
    sum = _mm512_fmadd_ps(d, d, sum);
  }
  return _mm512_reduce_add_ps(sum);
}

// Four rows at once: the query is loaded once for them, and four sums hide the latency of one. The
// sums have names because an array of them would be kept in memory.
KEDGE_TARGET void dot_four(const float* query, const std::byte* rows, std::size_t stride,
                           std::size_t dimension, float* out) noexcept {
  const std::byte* const row0 = rows;
  const std::byte* const row1 = row0 + stride;
  const std::byte* const row2 = row1 + stride;
  const std::byte* const row3 = row2 + stride;
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = _mm512_setzero_ps();
  __m512 sum2 = _mm512_setzero_ps();
  __m512 sum3 = _mm512_setzero_ps();
  std::size_t i = 0;
  for (; i + kWidth <= dimension; i += kWidth) {
    if (i % kLine == 0) {
      fetch(row0 + 2 * i);
      fetch(row1 + 2 * i);
      fetch(row2 + 2 * i);
      fetch(row3 + 2 * i);
    }
    const __m512 q = _mm512_loadu_ps(query + i);
    sum0 = _mm512_fmadd_ps(q, load_halves(row0 + 2 * i), sum0);
    sum1 = _mm512_fmadd_ps(q, load_halves(row1 + 2 * i), sum1);
    sum2 = _mm512_fmadd_ps(q, load_halves(row2 + 2 * i), sum2);
    sum3 = _mm512_fmadd_ps(q, load_halves(row3 + 2 * i), sum3);
  }
  if (i < dimension) {
    const __mmask16 mask = mask_of(dimension - i);
    const __m512 q = _mm512_maskz_loadu_ps(mask, query + i);
    sum0 = _mm512_fmadd_ps(q, load_halves(row0 + 2 * i, mask), sum0);
    sum1 = _mm512_fmadd_ps(q, load_halves(row1 + 2 * i, mask), sum1);
    sum2 = _mm512_fmadd_ps(q, load_halves(row2 + 2 * i, mask), sum2);
    sum3 = _mm512_fmadd_ps(q, load_halves(row3 + 2 * i, mask), sum3);
  }
  out[0] = _mm512_reduce_add_ps(sum0);
  out[1] = _mm512_reduce_add_ps(sum1);
  out[2] = _mm512_reduce_add_ps(sum2);
  out[3] = _mm512_reduce_add_ps(sum3);
}

KEDGE_TARGET void dot_f16_rows(const float* query, const std::byte* rows, std::size_t stride_bytes,
                               std::size_t count, std::size_t dimension, float* out) noexcept {
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4)
    dot_four(query, rows + r * stride_bytes, stride_bytes, dimension, out + r);
  for (; r < count; ++r) out[r] = dot_row(query, rows + r * stride_bytes, dimension);
}

KEDGE_TARGET __m256i narrow(__m512 values) noexcept {
  return _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

KEDGE_TARGET void f32_to_f16(const float* in, std::uint16_t* out, std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), narrow(_mm512_loadu_ps(in + i)));
  if (i < count) {
    const __mmask16 mask = mask_of(count - i);
    _mm256_mask_storeu_epi16(out + i, mask, narrow(_mm512_maskz_loadu_ps(mask, in + i)));
  }
}

KEDGE_TARGET void f16_to_f32(const std::uint16_t* in, float* out, std::size_t count) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(in);
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) _mm512_storeu_ps(out + i, load_halves(bytes + 2 * i));
  if (i < count) {
    const __mmask16 mask = mask_of(count - i);
    _mm512_mask_storeu_ps(out + i, mask, load_halves(bytes + 2 * i, mask));
  }
}

}  // namespace

const Kernels kAvx512Kernels = {.name = "avx512",
                                .dot_f16 = dot_f16,
                                .l2_f16 = l2_f16,
                                .dot_f16_rows = dot_f16_rows,
                                .f32_to_f16 = f32_to_f16,
                                .f16_to_f32 = f16_to_f32,
                                .fht = avx512::fht,
                                .flip_signs = avx512::flip_signs,
                                .kac_walk = avx512::kac_walk,
                                .scale = avx512::scale,
                                .dot_f32 = avx512::dot_f32,
                                .l2_f32 = avx512::l2_f32,
                                .dot_matrix = avx512::dot_matrix,
                                .coarse = false,
                                .to_bf16 = scalar::to_bf16,
                                .dot_matrix_bf16 = scalar::dot_matrix_bf16,
                                .quantize = avx512::quantize,
                                .make_table = avx512::make_table,
                                .scan_codes = avx512::scan_codes,
                                .dot_u4_i8 = avx512::dot_u4_i8,
                                .dots_u8_i8 = avx512::dots_u8_i8};

}  // namespace kedge
