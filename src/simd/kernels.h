// The hot loops, one table of functions a CPU level. scalar.cc defines the meaning; every other
// table is compared with it. Pure functions; no alignment is required of any pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kedge {

// A query as Kernels::scan_codes reads it; the table is Kernels::make_table's.
struct ScanQuery {
  const std::uint8_t* table;  // 16 * groups
  std::size_t groups;         // of 4 dimensions; a multiple of 16
  float scale;                // of a table entry
  float bias;
  float add;          // of every distance
  float error;        // what a row's f_error is multiplied with
  float table_error;  // how far `dot` may be off for the table's rounding
};

struct ScanHit {
  std::uint32_t row;
  float distance;  // the estimate
  float bound;     // what it is at least
  float dot;       // of the query and the row's signs, as the table has it
};

// A block of 32 rows, which is what Kernels::scan_codes reads: 16 * groups bytes of codes, then
// f_add f32 x 32, f_rescale f16 x 32, f_error f16 x 32, object u32 x 32.
constexpr std::size_t kBlockRows = 32;
constexpr std::size_t kBlockFactorBytes = 384;

struct Kernels {
  // "scalar", "avx2", "avx512", "avx512bf16": what each needs of a CPU heads its file.
  std::string_view name;

  // Sum of query[i] * half(row[i]), i < dimension. f32 accumulation; tables agree to rounding, not
  // to the bit.
  float (*dot_f16)(const float* query, const std::uint16_t* row, std::size_t dimension) noexcept;
  // Sum of squared differences.
  float (*l2_f16)(const float* query, const std::uint16_t* row, std::size_t dimension) noexcept;
  // `count` rows `stride_bytes` apart: out[r] = dot_f16(query, row r), to the bit.
  void (*dot_f16_rows)(const float* query, const std::byte* rows, std::size_t stride_bytes,
                       std::size_t count, std::size_t dimension, float* out) noexcept;
  void (*f32_to_f16)(const float* in, std::uint16_t* out,
                     std::size_t count) noexcept;  // to nearest even
  void (*f16_to_f32)(const std::uint16_t* in, float* out, std::size_t count) noexcept;

  // Rotations. The tables agree to the bit.
  // In place: unnormalised fast Walsh-Hadamard transform of 2^log2_count values, log2_count <= 13.
  void (*fht)(float* values, std::size_t log2_count) noexcept;
  // values[i] = -values[i] where bit i of `signs` is set: bit i % 64 of word i / 64.
  void (*flip_signs)(float* values, const std::uint64_t* signs, std::size_t count) noexcept;
  // (a, b) -> (a + b, a - b) for a = values[i], b = values[i + count / 2]. `count` is even.
  void (*kac_walk)(float* values, std::size_t count) noexcept;
  void (*scale)(float* values, float factor, std::size_t count) noexcept;

  // Distances of floats. The tables agree to rounding.
  float (*dot_f32)(const float* a, const float* b, std::size_t count) noexcept;
  float (*l2_f32)(const float* a, const float* b, std::size_t count) noexcept;  // squared
  // out[i * out_stride + j] = dot(row i of a, row j of b); rows are `dimension` floats apart.
  void (*dot_matrix)(const float* a, std::size_t a_rows, const float* b, std::size_t b_rows,
                     std::size_t dimension, float* out, std::size_t out_stride) noexcept;

  // Products of bf16, the upper half of a float, for what need not be exact. Where they are no
  // faster than those of floats, `coarse` is false, and the scalar ones stand here.
  bool coarse;
  // out[i] = in[i] - middle[i], to nearest even; what is smaller than a normal float may become 0.
  // The tables agree to the bit for finite values whose difference is normal or zero.
  void (*to_bf16)(const float* in, const float* middle, std::uint16_t* out,
                  std::size_t count) noexcept;
  // As dot_matrix: sums are floats. `dimension` is a multiple of 32. The tables agree to rounding.
  void (*dot_matrix_bf16)(const std::uint16_t* a, std::size_t a_rows, const std::uint16_t* b,
                          std::size_t b_rows, std::size_t dimension, float* out,
                          std::size_t out_stride) noexcept;

  // Magnitudes of a code: m_i = min(15, floor(t * |o_i|)), a byte each; 15 for NaN. t >= 0.
  // *dot = sum of |o_i| (m_i + 1/2), *norm = sum of (m_i + 1/2)^2, to rounding.
  void (*quantize)(const float* o, std::size_t count, float t, std::uint8_t* magnitudes, float* dot,
                   float* norm) noexcept;

  // The table of a query for scan_codes; `groups` of 4 dimensions, a multiple of 4. Entry m of
  // group g stands for the sum of query[4g + b] over the bits b of m, less the least such sum of
  // the group, in units of *scale, to nearest even: at most 255, which the group that spans most
  // reaches. *bias is the sum of what was taken off. *scale is 1 where it would be 0. A query that
  // is not finite gives a table without meaning. The tables agree to the bit.
  void (*make_table)(const float* query, std::size_t groups, std::uint8_t* table, float* scale,
                     float* bias) noexcept;
  // Of the first `rows` rows of blocks that follow each other, writes those whose bound < limit, in
  // order, and returns how many; `out` has room for `rows`. A NaN is never below. Every block is
  // there in whole, the last one too.
  // Codes of group g are 16 bytes: the low nibble of byte j is row j, the high one row j + 16; bit
  // b of a nibble is dimension 4g + b.
  //   sum      = sum over groups of the table's entries
  //   dot      = scale * sum + bias
  //   distance = f_add + add + f_rescale * dot
  //   bound    = distance - f_error * error - |f_rescale| * table_error
  // The tables agree to the bit: each product is fused with its sum, in the order written.
  std::size_t (*scan_codes)(const std::byte* blocks, std::size_t rows, const ScanQuery& query,
                            float limit, ScanHit* out) noexcept;
  // Sum of code[i] * query[i], i < dimension, a multiple of 64; |query[i]| <= 127. Codes have 4
  // bits: of 64 dimensions from 64c, byte j of 32 has 64c + j in its low nibble, 64c + 32 + j in
  // its high one.
  std::int32_t (*dot_u4_i8)(const std::byte* codes, const std::int8_t* query,
                            std::size_t dimension) noexcept;
  // out[r] = sum of rows[r * stride + i] * query[i], i < dimension, at most 65,536; exact.
  void (*dots_u8_i8)(const std::uint8_t* rows, std::size_t stride, std::size_t count,
                     const std::int8_t* query, std::size_t dimension, std::int32_t* out) noexcept;
};

// The best table of this CPU, or the one named by KEDGE_SIMD (read once). An unknown or unavailable
// name aborts with a message: a figure must never name a path that did not run.
const Kernels& kernels();
// Every table that this CPU can run, scalar first.
std::vector<const Kernels*> available_kernels();
// Tables compiled in that this CPU cannot run, by name, for loud reports.
std::vector<std::string_view> unavailable_kernels();

}  // namespace kedge
