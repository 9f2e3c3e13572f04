// Codes on CPUs with AVX-512 F, BW, VL, DQ and VNNI: 64 bytes a step.
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

namespace kedge::avx512 {
namespace {

constexpr std::size_t kWidth = 16;
constexpr std::size_t kLine = 64;
// Bytes ahead of the codes that are fetched while they are read: what memory needs to answer. Only
// from the same scan: many are short, and to fetch for nothing costs as much as to read.
constexpr std::ptrdiff_t kAhead = 4096;
// As many groups as 16 bits can add up: 256 * 255.
constexpr std::size_t kGroupsOf16Bits = 256;

// Precondition: left < 64.
std::uint64_t mask_of(std::size_t left) noexcept { return (std::uint64_t{1} << left) - 1; }

KEDGE_TARGET void fetch(const std::byte* at) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
}

KEDGE_TARGET __m512i load(const void* at) noexcept { return _mm512_loadu_si512(at); }

KEDGE_TARGET __m512 load_halves(const std::byte* at) noexcept {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

// Halved until one is left, as scalar adds up the bias of a table.
KEDGE_TARGET float sum_of(__m512 lanes) noexcept {
  const __m256 eight =
      _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

// Adds the four 128-bit lanes of each: lane i of the result is the sum of argument i.
KEDGE_TARGET __m512i add_lanes(__m512i a, __m512i b, __m512i c, __m512i d) noexcept {
  const __m512i ab =
      _mm512_add_epi16(_mm512_shuffle_i64x2(a, b, 0x44), _mm512_shuffle_i64x2(a, b, 0xEE));
  const __m512i cd =
      _mm512_add_epi16(_mm512_shuffle_i64x2(c, d, 0x44), _mm512_shuffle_i64x2(c, d, 0xEE));
  return _mm512_add_epi16(_mm512_shuffle_i64x2(ab, cd, 0x88), _mm512_shuffle_i64x2(ab, cd, 0xDD));
}

// Sums of 16 bits of the rows of a block, four groups side by side. A sum of bytes needs 16 bits,
// so a register of them goes to two of sums: the one of the even bytes takes the odd ones along in
// its upper half, which is put right at the end.
struct Sums {
  __m512i low_even;  // rows 0, 2 to 14
  __m512i low_odd;   // rows 1, 3 to 15
  __m512i high_even;
  __m512i high_odd;
};

// Adds the table entries of four groups.
KEDGE_TARGET void add_line(const std::byte* codes, std::ptrdiff_t ahead, const std::uint8_t* table,
                           Sums& sums) noexcept {
  fetch(codes + ahead);
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i both = load(codes);
  const __m512i entries = load(table);
  const __m512i low = _mm512_shuffle_epi8(entries, _mm512_and_si512(both, nibble));
  const __m512i high =
      _mm512_shuffle_epi8(entries, _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble));
  sums.low_even = _mm512_add_epi16(sums.low_even, low);
  sums.low_odd = _mm512_add_epi16(sums.low_odd, _mm512_srli_epi16(low, 8));
  sums.high_even = _mm512_add_epi16(sums.high_even, high);
  sums.high_odd = _mm512_add_epi16(sums.high_odd, _mm512_srli_epi16(high, 8));
}

// The table entries of 32 rows, summed up over at most kGroupsOf16Bits groups, a multiple of 8: 16
// bits a row.
KEDGE_TARGET __m512i sum_chunk(const std::byte* codes, std::ptrdiff_t ahead,
                               const std::uint8_t* table, std::size_t groups) noexcept {
  const __m512i zero = _mm512_setzero_si512();
  Sums sums = {zero, zero, zero, zero};
  for (std::size_t at = 0; at < 16 * groups; at += 2 * kLine) {
    add_line(codes + at, ahead, table + at, sums);
    add_line(codes + at + kLine, ahead, table + at + kLine, sums);
  }
  sums.low_even = _mm512_sub_epi16(sums.low_even, _mm512_slli_epi16(sums.low_odd, 8));
  sums.high_even = _mm512_sub_epi16(sums.high_even, _mm512_slli_epi16(sums.high_odd, 8));
  const __m512i rows = add_lanes(sums.low_even, sums.low_odd, sums.high_even, sums.high_odd);
  const __m512i order = _mm512_set_epi16(31, 23, 30, 22, 29, 21, 28, 20, 27, 19, 26, 18, 25, 17, 24,
                                         16, 15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
  return _mm512_permutexvar_epi16(order, rows);
}

// 16 rows of a block.
struct Rows {
  __m512 dot;
  __m512 distance;
  __m512 bound;
};

// `factors`: of the block; `first`: 0 or 16.
KEDGE_TARGET Rows measure(__m512i sums, const std::byte* factors, std::size_t first,
                          const ScanQuery& query) noexcept {
  const __m512 add = _mm512_loadu_ps(factors + 4 * first);
  const __m512 rescale = load_halves(factors + 4 * kBlockRows + 2 * first);
  const __m512 error = load_halves(factors + 6 * kBlockRows + 2 * first);
  Rows rows;
  rows.dot = _mm512_fmadd_ps(_mm512_set1_ps(query.scale), _mm512_cvtepi32_ps(sums),
                             _mm512_set1_ps(query.bias));
  rows.distance = _mm512_fmadd_ps(rescale, rows.dot, _mm512_add_ps(add, _mm512_set1_ps(query.add)));
  const __m512 above = _mm512_fnmadd_ps(error, _mm512_set1_ps(query.error), rows.distance);
  rows.bound = _mm512_fnmadd_ps(_mm512_abs_ps(rescale), _mm512_set1_ps(query.table_error), above);
  return rows;
}

KEDGE_TARGET ScanHit* write_hits(__mmask16 mask, std::size_t first_row, const Rows& rows,
                                 ScanHit* out) noexcept {
  alignas(64) float distance[kWidth];
  alignas(64) float bound[kWidth];
  alignas(64) float dot[kWidth];
  _mm512_store_ps(distance, rows.distance);
  _mm512_store_ps(bound, rows.bound);
  _mm512_store_ps(dot, rows.dot);
  for (unsigned left = mask; left != 0; left &= left - 1) {
    const auto r = static_cast<unsigned>(__builtin_ctz(left));
    *out++ = {static_cast<std::uint32_t>(first_row + r), distance[r], bound[r], dot[r]};
  }
  return out;
}

// Four rows at once: the query is loaded once for them.
KEDGE_TARGET void dots_of_four(const std::uint8_t* rows, std::size_t stride,
                               const std::int8_t* query, std::size_t dimension,
                               std::int32_t* out) noexcept {
  __m512i sum0 = _mm512_setzero_si512();
  __m512i sum1 = _mm512_setzero_si512();
  __m512i sum2 = _mm512_setzero_si512();
  __m512i sum3 = _mm512_setzero_si512();
  std::size_t i = 0;
  for (; i + kLine <= dimension; i += kLine) {
    const __m512i q = load(query + i);
    sum0 = _mm512_dpbusd_epi32(sum0, load(rows + i), q);
    sum1 = _mm512_dpbusd_epi32(sum1, load(rows + stride + i), q);
    sum2 = _mm512_dpbusd_epi32(sum2, load(rows + 2 * stride + i), q);
    sum3 = _mm512_dpbusd_epi32(sum3, load(rows + 3 * stride + i), q);
  }
  if (i < dimension) {
    const __mmask64 mask = mask_of(dimension - i);
    const __m512i q = _mm512_maskz_loadu_epi8(mask, query + i);
    sum0 = _mm512_dpbusd_epi32(sum0, _mm512_maskz_loadu_epi8(mask, rows + i), q);
    sum1 = _mm512_dpbusd_epi32(sum1, _mm512_maskz_loadu_epi8(mask, rows + stride + i), q);
    sum2 = _mm512_dpbusd_epi32(sum2, _mm512_maskz_loadu_epi8(mask, rows + 2 * stride + i), q);
    sum3 = _mm512_dpbusd_epi32(sum3, _mm512_maskz_loadu_epi8(mask, rows + 3 * stride + i), q);
  }
  out[0] = _mm512_reduce_add_epi32(sum0);
  out[1] = _mm512_reduce_add_epi32(sum1);
  out[2] = _mm512_reduce_add_epi32(sum2);
  out[3] = _mm512_reduce_add_epi32(sum3);
}

KEDGE_TARGET std::int32_t dot_of_one(const std::uint8_t* row, const std::int8_t* query,
                                     std::size_t dimension) noexcept {
  __m512i sum = _mm512_setzero_si512();
  std::size_t i = 0;
  for (; i + kLine <= dimension; i += kLine)
    sum = _mm512_dpbusd_epi32(sum, load(row + i), load(query + i));
  if (i < dimension) {
    const __mmask64 mask = mask_of(dimension - i);
    sum = _mm512_dpbusd_epi32(sum, _mm512_maskz_loadu_epi8(mask, row + i),
                              _mm512_maskz_loadu_epi8(mask, query + i));
  }
  return _mm512_reduce_add_epi32(sum);
}

// What dimension `b` of a group adds to each of its 16 entries: |q| where the bit differs from the
// least sum's, else 0. `absent`: the sign bit in the entries that have bit `b` clear.
KEDGE_TARGET __m512 part_of_entries(const float* query, __m512 absent) noexcept {
  return _mm512_max_ps(_mm512_xor_ps(_mm512_set1_ps(*query), absent), _mm512_setzero_ps());
}

// The sign bit in the lanes of `mask`.
KEDGE_TARGET __m512 signs_of(unsigned mask) noexcept {
  return _mm512_maskz_mov_ps(static_cast<__mmask16>(mask), _mm512_set1_ps(-0.0F));
}

}  // namespace

KEDGE_TARGET std::size_t scan_codes(const std::byte* blocks, std::size_t rows,
                                    const ScanQuery& query, float limit, ScanHit* out) noexcept {
  const std::size_t code_bytes = 16 * query.groups;
  const std::size_t block_bytes = code_bytes + kBlockFactorBytes;
  const std::byte* const stop = blocks + (rows + kBlockRows - 1) / kBlockRows * block_bytes;
  for (std::ptrdiff_t at = 0; at < kAhead && at < stop - blocks; at += kLine) fetch(blocks + at);
  const __m512 limits = _mm512_set1_ps(limit);
  ScanHit* end = out;
  for (std::size_t row = 0; row < rows; row += kBlockRows) {
    const std::ptrdiff_t behind = stop - blocks - static_cast<std::ptrdiff_t>(block_bytes);
    const std::ptrdiff_t ahead = behind > kAhead ? kAhead : 0;
    __m512i sums0 = _mm512_setzero_si512();
    __m512i sums1 = _mm512_setzero_si512();
    for (std::size_t g = 0; g < query.groups; g += kGroupsOf16Bits) {
      const std::size_t left = query.groups - g;
      const __m512i chunk = sum_chunk(blocks + 16 * g, ahead, query.table + 16 * g,
                                      left < kGroupsOf16Bits ? left : kGroupsOf16Bits);
      sums0 = _mm512_add_epi32(sums0, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(chunk)));
      sums1 = _mm512_add_epi32(sums1, _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(chunk, 1)));
    }
    const std::byte* factors = blocks + code_bytes;
    for (std::size_t at = 0; at < kBlockFactorBytes; at += kLine) fetch(factors + at + ahead);
    const Rows rows0 = measure(sums0, factors, 0, query);
    const Rows rows1 = measure(sums1, factors, kWidth, query);
    const std::size_t left = rows - row;
    const auto present = left < kBlockRows ? static_cast<std::uint32_t>(mask_of(left)) : ~0U;
    const __mmask16 hits0 =
        _mm512_mask_cmp_ps_mask(static_cast<__mmask16>(present), rows0.bound, limits, _CMP_LT_OQ);
    const __mmask16 hits1 = _mm512_mask_cmp_ps_mask(static_cast<__mmask16>(present >> kWidth),
                                                    rows1.bound, limits, _CMP_LT_OQ);
    if ((hits0 | hits1) != 0) {
      end = write_hits(hits0, row, rows0, end);
      end = write_hits(hits1, row + kWidth, rows1, end);
    }
    blocks = factors + kBlockFactorBytes;
  }
  return static_cast<std::size_t>(end - out);
}

KEDGE_TARGET void make_table(const float* query, std::size_t groups, std::uint8_t* table,
                             float* scale, float* bias) noexcept {
  __m512 widest = _mm512_setzero_ps();
  __m512 least = _mm512_setzero_ps();
  for (std::size_t i = 0; i < 4 * groups; i += kWidth) {
    const __m512 q = _mm512_loadu_ps(query + i);
    const __m512 size = _mm512_abs_ps(q);
    const __m512 pairs = _mm512_add_ps(size, _mm512_permute_ps(size, 0xB1));
    const __m512 ranges = _mm512_add_ps(pairs, _mm512_permute_ps(pairs, 0x4E));
    widest = _mm512_max_ps(ranges, widest);
    least = _mm512_add_ps(least, _mm512_min_ps(q, _mm512_setzero_ps()));
  }
  *bias = sum_of(least);
  *scale = _mm512_reduce_max_ps(widest) / 255;
  if (*scale == 0) *scale = 1;
  const __m512 step = _mm512_set1_ps(*scale);
  const __m512 absent0 = signs_of(0x5555);
  const __m512 absent1 = signs_of(0x3333);
  const __m512 absent2 = signs_of(0x0F0F);
  const __m512 absent3 = signs_of(0x00FF);
  for (std::size_t g = 0; g < groups; ++g) {
    const float* q = query + 4 * g;
    const __m512 low = _mm512_add_ps(part_of_entries(q, absent0), part_of_entries(q + 1, absent1));
    const __m512 high =
        _mm512_add_ps(part_of_entries(q + 2, absent2), part_of_entries(q + 3, absent3));
    __m512 steps = _mm512_div_ps(_mm512_add_ps(low, high), step);
    steps = _mm512_min_ps(_mm512_max_ps(steps, _mm512_setzero_ps()), _mm512_set1_ps(255));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(table + 16 * g),
                     _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(steps)));
  }
}

KEDGE_TARGET void quantize(const float* o, std::size_t count, float t, std::uint8_t* magnitudes,
                           float* dot, float* norm) noexcept {
  __m512 dots = _mm512_setzero_ps();
  __m512 norms = _mm512_setzero_ps();
  for (std::size_t i = 0; i < count; i += kWidth) {
    const std::size_t left = count - i;
    const auto mask = static_cast<__mmask16>(left < kWidth ? mask_of(left) : 0xFFFF);
    const __m512 size = _mm512_abs_ps(_mm512_maskz_loadu_ps(mask, o + i));
    const __m512 scaled = _mm512_min_ps(_mm512_mul_ps(_mm512_set1_ps(t), size), _mm512_set1_ps(15));
    const __m512i magnitude = _mm512_cvttps_epi32(scaled);
    _mm512_mask_cvtepi32_storeu_epi8(magnitudes + i, mask, magnitude);
    const __m512 middle = _mm512_add_ps(_mm512_cvtepi32_ps(magnitude), _mm512_set1_ps(0.5F));
    dots = _mm512_mask3_fmadd_ps(size, middle, dots, mask);
    norms = _mm512_mask3_fmadd_ps(middle, middle, norms, mask);
  }
  *dot = sum_of(dots);
  *norm = sum_of(norms);
}

// 64 dimensions a step: the 32 bytes twice, the second time shifted, which is their order.
KEDGE_TARGET std::int32_t dot_u4_i8(const std::byte* codes, const std::int8_t* query,
                                    std::size_t dimension) noexcept {
  const __m512i shift = _mm512_set_epi64(4, 4, 4, 4, 0, 0, 0, 0);
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t c = 0; c < dimension; c += kLine) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + c / 2));
    const __m512i shifted = _mm512_srlv_epi64(_mm512_broadcast_i64x4(both), shift);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(shifted, nibble), load(query + c));
  }
  return _mm512_reduce_add_epi32(sum);
}

KEDGE_TARGET void dots_u8_i8(const std::uint8_t* rows, std::size_t stride, std::size_t count,
                             const std::int8_t* query, std::size_t dimension,
                             std::int32_t* out) noexcept {
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4) dots_of_four(rows + r * stride, stride, query, dimension, out + r);
  for (; r < count; ++r) out[r] = dot_of_one(rows + r * stride, query, dimension);
}

}  // namespace kedge::avx512
