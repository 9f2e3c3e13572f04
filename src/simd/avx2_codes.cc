// Codes on CPUs with AVX2, FMA and F16C: 32 bytes a step.
#include <immintrin.h>

#include "simd/tables.h"

// On every function of this file, and never a compiler flag: a flag would also compile the inline
// functions of shared headers for this CPU, and the linker may keep that copy for the program.
#define KEDGE_TARGET [[gnu::target("avx2,fma,f16c")]]

namespace kedge::avx2 {
namespace {

constexpr std::size_t kWidth = 8;
constexpr std::size_t kBytes = 32;
constexpr std::size_t kWords = 16;
constexpr std::size_t kLine = 64;
constexpr std::ptrdiff_t kAhead = 4096;       // as in avx512_codes.cc
constexpr std::size_t kGroupsOf16Bits = 256;  // as in avx512_codes.cc

KEDGE_TARGET void fetch(const std::byte* at) noexcept {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
}

KEDGE_TARGET __m256i load(const void* at) noexcept {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

KEDGE_TARGET __m256 load_halves(const std::byte* at) noexcept {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

KEDGE_TARGET __m256i mask_of(std::size_t left) noexcept {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(left)), lanes);
}

KEDGE_TARGET __m256 abs_of(__m256 values) noexcept {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), values);
}

KEDGE_TARGET float sum_of(__m256 lanes) noexcept {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

KEDGE_TARGET float max_of(__m256 lanes) noexcept {
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}

KEDGE_TARGET std::int32_t sum_of(__m256i lanes) noexcept {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1)));
}

KEDGE_TARGET __m128i add_lanes(__m256i sums) noexcept {
  return _mm_add_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

// 32 rows of a block in order.
struct Sums {
  __m256i of[kBlockRows / kWidth];
};

// `even`: sums of rows 0, 2 to 14 with the odd rows' in their upper half; `odd`: of rows 1, 3
// to 15. To `first` rows 0 to 7 are added, to `second` 8 to 15.
KEDGE_TARGET void add_rows(__m256i even, __m256i odd, __m256i& first, __m256i& second) noexcept {
  const __m128i evens = add_lanes(_mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8)));
  const __m128i odds = add_lanes(odd);
  first = _mm256_add_epi32(first, _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(evens, odds)));
  second = _mm256_add_epi32(second, _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(evens, odds)));
}

// Adds the table entries of 32 rows over at most kGroupsOf16Bits groups. How: avx512_codes.cc.
KEDGE_TARGET void add_chunk(const std::byte* codes, std::ptrdiff_t ahead, const std::uint8_t* table,
                            std::size_t groups, Sums& sums) noexcept {
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i low_even = _mm256_setzero_si256();
  __m256i low_odd = _mm256_setzero_si256();
  __m256i high_even = _mm256_setzero_si256();
  __m256i high_odd = _mm256_setzero_si256();
  for (std::size_t at = 0; at < 16 * groups; at += kBytes) {
    if (at % kLine == 0) fetch(codes + at + ahead);
    const __m256i both = load(codes + at);
    const __m256i entries = load(table + at);
    const __m256i low = _mm256_shuffle_epi8(entries, _mm256_and_si256(both, nibble));
    const __m256i high =
        _mm256_shuffle_epi8(entries, _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble));
    low_even = _mm256_add_epi16(low_even, low);
    low_odd = _mm256_add_epi16(low_odd, _mm256_srli_epi16(low, 8));
    high_even = _mm256_add_epi16(high_even, high);
    high_odd = _mm256_add_epi16(high_odd, _mm256_srli_epi16(high, 8));
  }
  add_rows(low_even, low_odd, sums.of[0], sums.of[1]);
  add_rows(high_even, high_odd, sums.of[2], sums.of[3]);
}

// A block's rows, for the rare block with a hit.
struct Rows {
  alignas(32) float dot[kBlockRows];
  alignas(32) float distance[kBlockRows];
  alignas(32) float bound[kBlockRows];
};

// Returns the rows with bound < limit, a bit each.
KEDGE_TARGET std::uint32_t measure(const Sums& sums, const std::byte* factors,
                                   const ScanQuery& query, float limit, Rows& rows) noexcept {
  std::uint32_t hits = 0;
  for (std::size_t i = 0; i < kBlockRows / kWidth; ++i) {
    const std::size_t first = i * kWidth;
    const __m256 add = _mm256_loadu_ps(reinterpret_cast<const float*>(factors + 4 * first));
    const __m256 rescale = load_halves(factors + 4 * kBlockRows + 2 * first);
    const __m256 error = load_halves(factors + 6 * kBlockRows + 2 * first);
    const __m256 dot = _mm256_fmadd_ps(_mm256_set1_ps(query.scale), _mm256_cvtepi32_ps(sums.of[i]),
                                       _mm256_set1_ps(query.bias));
    const __m256 distance =
        _mm256_fmadd_ps(rescale, dot, _mm256_add_ps(add, _mm256_set1_ps(query.add)));
    const __m256 above = _mm256_fnmadd_ps(error, _mm256_set1_ps(query.error), distance);
    const __m256 bound =
        _mm256_fnmadd_ps(abs_of(rescale), _mm256_set1_ps(query.table_error), above);
    const __m256 below = _mm256_cmp_ps(bound, _mm256_set1_ps(limit), _CMP_LT_OQ);
    hits |= static_cast<std::uint32_t>(_mm256_movemask_ps(below)) << first;
    _mm256_store_ps(rows.dot + first, dot);
    _mm256_store_ps(rows.distance + first, distance);
    _mm256_store_ps(rows.bound + first, bound);
  }
  return hits;
}

KEDGE_TARGET __m256i widen(const std::uint8_t* at) noexcept {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}
KEDGE_TARGET __m256i widen(const std::int8_t* at) noexcept {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

// Four rows at once: the query is loaded and widened once for them. 16 bits a factor, because the
// product of 8 bits a factor saturates when two of them are added.
KEDGE_TARGET void dots_of_four(const std::uint8_t* rows, std::size_t stride,
                               const std::int8_t* query, std::size_t dimension,
                               std::int32_t* out) noexcept {
  __m256i sum0 = _mm256_setzero_si256();
  __m256i sum1 = _mm256_setzero_si256();
  __m256i sum2 = _mm256_setzero_si256();
  __m256i sum3 = _mm256_setzero_si256();
  std::size_t i = 0;
  for (; i + kWords <= dimension; i += kWords) {
    const __m256i q = widen(query + i);
    sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(widen(rows + i), q));
    sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(widen(rows + stride + i), q));
    sum2 = _mm256_add_epi32(sum2, _mm256_madd_epi16(widen(rows + 2 * stride + i), q));
    sum3 = _mm256_add_epi32(sum3, _mm256_madd_epi16(widen(rows + 3 * stride + i), q));
  }
  out[0] = sum_of(sum0);
  out[1] = sum_of(sum1);
  out[2] = sum_of(sum2);
  out[3] = sum_of(sum3);
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t j = i; j < dimension; ++j) out[r] += rows[r * stride + j] * query[j];
  }
}

KEDGE_TARGET std::int32_t dot_of_one(const std::uint8_t* row, const std::int8_t* query,
                                     std::size_t dimension) noexcept {
  __m256i sums = _mm256_setzero_si256();
  std::size_t i = 0;
  for (; i + kWords <= dimension; i += kWords)
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(widen(row + i), widen(query + i)));
  std::int32_t sum = sum_of(sums);
  for (; i < dimension; ++i) sum += row[i] * query[i];
  return sum;
}

// What dimension `b` of a group adds to 8 of its 16 entries. How: avx512_codes.cc.
KEDGE_TARGET __m256 part_of_entries(const float* query, __m256 absent) noexcept {
  return _mm256_max_ps(_mm256_xor_ps(_mm256_set1_ps(*query), absent), _mm256_setzero_ps());
}

KEDGE_TARGET __m256i round_entries(__m256 parts, __m256 step) noexcept {
  const __m256 steps = _mm256_max_ps(_mm256_div_ps(parts, step), _mm256_setzero_ps());
  return _mm256_cvtps_epi32(_mm256_min_ps(steps, _mm256_set1_ps(255)));
}

// `low`, `high`: entries 0 to 7 and 8 to 15.
KEDGE_TARGET void store_entries(__m256i low, __m256i high, std::uint8_t* out) noexcept {
  // 0 to 3 and 8 to 11, then 4 to 7 and 12 to 15: put right as numbers of 64 bits.
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8);
  const __m128i bytes =
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
}

}  // namespace

KEDGE_TARGET std::size_t scan_codes(const std::byte* blocks, std::size_t rows,
                                    const ScanQuery& query, float limit, ScanHit* out) noexcept {
  const std::size_t code_bytes = 16 * query.groups;
  const std::size_t block_bytes = code_bytes + kBlockFactorBytes;
  const std::byte* const stop = blocks + (rows + kBlockRows - 1) / kBlockRows * block_bytes;
  for (std::ptrdiff_t at = 0; at < kAhead && at < stop - blocks; at += kLine) fetch(blocks + at);
  ScanHit* end = out;
  Rows block_rows;
  for (std::size_t row = 0; row < rows; row += kBlockRows) {
    const std::ptrdiff_t behind = stop - blocks - static_cast<std::ptrdiff_t>(block_bytes);
    const std::ptrdiff_t ahead = behind > kAhead ? kAhead : 0;
    Sums sums = {};
    for (std::size_t g = 0; g < query.groups; g += kGroupsOf16Bits) {
      const std::size_t left = query.groups - g;
      add_chunk(blocks + 16 * g, ahead, query.table + 16 * g,
                left < kGroupsOf16Bits ? left : kGroupsOf16Bits, sums);
    }
    const std::byte* factors = blocks + code_bytes;
    for (std::size_t at = 0; at < kBlockFactorBytes; at += kLine) fetch(factors + at + ahead);
    std::uint32_t hits = measure(sums, factors, query, limit, block_rows);
    if (const std::size_t left = rows - row; left < kBlockRows) hits &= (1U << left) - 1;
    for (; hits != 0; hits &= hits - 1) {
      const auto r = static_cast<unsigned>(__builtin_ctz(hits));
      *end++ = {static_cast<std::uint32_t>(row + r), block_rows.distance[r], block_rows.bound[r],
                block_rows.dot[r]};
    }
    blocks = factors + kBlockFactorBytes;
  }
  return static_cast<std::size_t>(end - out);
}

KEDGE_TARGET void make_table(const float* query, std::size_t groups, std::uint8_t* table,
                             float* scale, float* bias) noexcept {
  const __m256 zero = _mm256_setzero_ps();
  __m256 widest = zero;
  __m256 least[2] = {zero, zero};
  for (std::size_t i = 0; i < 4 * groups; i += kWidth) {
    const __m256 q = _mm256_loadu_ps(query + i);
    const __m256 size = abs_of(q);
    const __m256 pairs = _mm256_add_ps(size, _mm256_permute_ps(size, 0xB1));
    widest = _mm256_max_ps(_mm256_add_ps(pairs, _mm256_permute_ps(pairs, 0x4E)), widest);
    __m256& sums = least[i / kWidth % 2];
    sums = _mm256_add_ps(sums, _mm256_min_ps(q, zero));
  }
  *bias = sum_of(_mm256_add_ps(least[0], least[1]));
  *scale = max_of(widest) / 255;
  if (*scale == 0) *scale = 1;
  const __m256 step = _mm256_set1_ps(*scale);
  const __m256 absent0 = _mm256_setr_ps(-0.0F, 0, -0.0F, 0, -0.0F, 0, -0.0F, 0);
  const __m256 absent1 = _mm256_setr_ps(-0.0F, -0.0F, 0, 0, -0.0F, -0.0F, 0, 0);
  const __m256 absent2 = _mm256_setr_ps(-0.0F, -0.0F, -0.0F, -0.0F, 0, 0, 0, 0);
  const __m256 absent3 = _mm256_set1_ps(-0.0F);
  for (std::size_t g = 0; g < groups; ++g) {
    const float* q = query + 4 * g;
    const __m256 pair = _mm256_add_ps(part_of_entries(q, absent0), part_of_entries(q + 1, absent1));
    const __m256 third = part_of_entries(q + 2, absent2);
    const __m256 low = _mm256_add_ps(third, part_of_entries(q + 3, absent3));
    const __m256 high = _mm256_add_ps(third, part_of_entries(q + 3, zero));
    store_entries(round_entries(_mm256_add_ps(pair, low), step),
                  round_entries(_mm256_add_ps(pair, high), step), table + 16 * g);
  }
}

KEDGE_TARGET void quantize(const float* o, std::size_t count, float t, std::uint8_t* magnitudes,
                           float* dot, float* norm) noexcept {
  __m256 dots = _mm256_setzero_ps();
  __m256 norms = _mm256_setzero_ps();
  for (std::size_t i = 0; i < count; i += kWidth) {
    const std::size_t left = count - i;
    const __m256i mask = mask_of(left);
    const __m256 size = abs_of(_mm256_maskload_ps(o + i, mask));
    const __m256 scaled = _mm256_min_ps(_mm256_mul_ps(_mm256_set1_ps(t), size), _mm256_set1_ps(15));
    const __m256i magnitude = _mm256_cvttps_epi32(scaled);
    const __m256 middle =
        _mm256_and_ps(_mm256_add_ps(_mm256_cvtepi32_ps(magnitude), _mm256_set1_ps(0.5F)),
                      _mm256_castsi256_ps(mask));
    dots = _mm256_fmadd_ps(size, middle, dots);
    norms = _mm256_fmadd_ps(middle, middle, norms);
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(magnitude, magnitude), 0xD8);
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_castsi256_si128(words));
    if (left >= kWidth) {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(magnitudes + i), bytes);
    } else {
      alignas(16) std::uint8_t last[16];
      _mm_store_si128(reinterpret_cast<__m128i*>(last), bytes);
      for (std::size_t j = 0; j < left; ++j) magnitudes[i + j] = last[j];
    }
  }
  *dot = sum_of(dots);
  *norm = sum_of(norms);
}

// Two products of a nibble and a byte fit in 16 bits, and so do four.
KEDGE_TARGET std::int32_t dot_u4_i8(const std::byte* codes, const std::int8_t* query,
                                    std::size_t dimension) noexcept {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  for (std::size_t c = 0; c < dimension; c += 2 * kBytes) {
    const __m256i both = load(codes + c / 2);
    const __m256i low = _mm256_and_si256(both, nibble);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
    const __m256i products = _mm256_add_epi16(_mm256_maddubs_epi16(low, load(query + c)),
                                              _mm256_maddubs_epi16(high, load(query + c + kBytes)));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, ones));
  }
  return sum_of(sum);
}

KEDGE_TARGET void dots_u8_i8(const std::uint8_t* rows, std::size_t stride, std::size_t count,
                             const std::int8_t* query, std::size_t dimension,
                             std::int32_t* out) noexcept {
  std::size_t r = 0;
  for (; r + 4 <= count; r += 4) dots_of_four(rows + r * stride, stride, query, dimension, out + r);
  for (; r < count; ++r) out[r] = dot_of_one(rows + r * stride, query, dimension);
}

}  // namespace kedge::avx2
