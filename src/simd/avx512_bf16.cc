// Products of bf16 on CPUs with AVX-512 F, BW, VL, DQ, VNNI and BF16.
#if defined(__GNUC__) && !defined(__clang__)
// As in avx512_floats.cc (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include "simd/columns.h"
#include "simd/tables.h"

// On every function of this file, as in avx512_floats.cc.
#define KEDGE_TARGET [[gnu::target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")]]

namespace kedge {
namespace {

constexpr std::size_t kWidth = 32;
constexpr std::size_t kTileA = 6;
constexpr std::size_t kTileB = 4;

KEDGE_TARGET void to_bf16(const float* in, const float* middle, std::uint16_t* out,
                          std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; i += 16) {
    const auto mask = static_cast<__mmask16>(count - i < 16 ? (1U << (count - i)) - 1 : 0xFFFF);
    const __m512 difference =
        _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, in + i), _mm512_maskz_loadu_ps(mask, middle + i));
    const __m256bh halves = _mm512_cvtneps_pbh(difference);
    _mm256_mask_storeu_epi16(out + i, mask, reinterpret_cast<const __m256i&>(halves));
  }
}

// Sums of a row of a with four rows of b. Names, because an array would be kept in memory.
struct Sums {
  __m512 of0;
  __m512 of1;
  __m512 of2;
  __m512 of3;
};

struct Halves {
  __m512bh of0;
  __m512bh of1;
  __m512bh of2;
  __m512bh of3;
};

KEDGE_TARGET __m512bh load(const std::uint16_t* at) noexcept {
  const __m512i bits = _mm512_loadu_si512(at);
  return reinterpret_cast<const __m512bh&>(bits);
}

KEDGE_TARGET Halves load(const Columns<std::uint16_t>& b, std::size_t k) noexcept {
  return {load(b.at0 + k), load(b.at1 + k), load(b.at2 + k), load(b.at3 + k)};
}

KEDGE_TARGET Sums no_sums() noexcept {
  const __m512 zero = _mm512_setzero_ps();
  return {zero, zero, zero, zero};
}

KEDGE_TARGET void add_products(__m512bh left, const Halves& right, Sums& sums) noexcept {
  sums.of0 = _mm512_dpbf16_ps(sums.of0, left, right.of0);
  sums.of1 = _mm512_dpbf16_ps(sums.of1, left, right.of1);
  sums.of2 = _mm512_dpbf16_ps(sums.of2, left, right.of2);
  sums.of3 = _mm512_dpbf16_ps(sums.of3, left, right.of3);
}

KEDGE_TARGET void store(const Sums& sums, std::size_t columns, float* out) noexcept {
  out[0] = _mm512_reduce_add_ps(sums.of0);
  if (columns > 1) out[1] = _mm512_reduce_add_ps(sums.of1);
  if (columns > 2) out[2] = _mm512_reduce_add_ps(sums.of2);
  if (columns > 3) out[3] = _mm512_reduce_add_ps(sums.of3);
}

KEDGE_TARGET void multiply_six(const std::uint16_t* a, const std::uint16_t* b, std::size_t columns,
                               std::size_t dimension, float* out, std::size_t out_stride) noexcept {
  const Columns rows = columns_of(b, columns, dimension);
  Sums sums0 = no_sums();
  Sums sums1 = no_sums();
  Sums sums2 = no_sums();
  Sums sums3 = no_sums();
  Sums sums4 = no_sums();
  Sums sums5 = no_sums();
  for (std::size_t k = 0; k < dimension; k += kWidth) {
    const Halves right = load(rows, k);
    const std::uint16_t* left = a + k;
    add_products(load(left), right, sums0);
    add_products(load(left + dimension), right, sums1);
    add_products(load(left + 2 * dimension), right, sums2);
    add_products(load(left + 3 * dimension), right, sums3);
    add_products(load(left + 4 * dimension), right, sums4);
    add_products(load(left + 5 * dimension), right, sums5);
  }
  store(sums0, columns, out);
  store(sums1, columns, out + out_stride);
  store(sums2, columns, out + 2 * out_stride);
  store(sums3, columns, out + 3 * out_stride);
  store(sums4, columns, out + 4 * out_stride);
  store(sums5, columns, out + 5 * out_stride);
}

KEDGE_TARGET void multiply_one(const std::uint16_t* a, const std::uint16_t* b, std::size_t columns,
                               std::size_t dimension, float* out) noexcept {
  const Columns rows = columns_of(b, columns, dimension);
  Sums sums = no_sums();
  for (std::size_t k = 0; k < dimension; k += kWidth)
    add_products(load(a + k), load(rows, k), sums);
  store(sums, columns, out);
}

// Four rows of b stay in the first cache while all of a pass, which stays in the second: a caller's
// blocks are of that size.
KEDGE_TARGET void dot_matrix_bf16(const std::uint16_t* a, std::size_t a_rows,
                                  const std::uint16_t* b, std::size_t b_rows, std::size_t dimension,
                                  float* out, std::size_t out_stride) noexcept {
  for (std::size_t j = 0; j < b_rows; j += kTileB) {
    const std::size_t columns = b_rows - j < kTileB ? b_rows - j : kTileB;
    const std::uint16_t* four = b + j * dimension;
    std::size_t i = 0;
    for (; i + kTileA <= a_rows; i += kTileA)
      multiply_six(a + i * dimension, four, columns, dimension, out + i * out_stride + j,
                   out_stride);
    for (; i < a_rows; ++i)
      multiply_one(a + i * dimension, four, columns, dimension, out + i * out_stride + j);
  }
}

}  // namespace

const Kernels& avx512_bf16_kernels() {
  static const Kernels table = [] {
    Kernels out = kAvx512Kernels;
    out.name = "avx512bf16";
    out.coarse = true;
    out.to_bf16 = to_bf16;
    out.dot_matrix_bf16 = dot_matrix_bf16;
    return out;
  }();
  return table;
}

}  // namespace kedge
