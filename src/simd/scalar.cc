// The meaning of every kernel, in plain C++ for any CPU.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "simd/tables.h"

namespace kedge {
namespace {

constexpr std::uint32_t kF32Infinity = 0x7F80'0000;
constexpr std::uint32_t kF32QuietBit = 0x0040'0000;
constexpr std::uint32_t kF32SmallestNormalHalf = 0x3880'0000;  // 2^-14
constexpr std::uint32_t kF32RoundsToInfinity = 0x477F'F000;    // 65,520
constexpr std::uint32_t kExponentShift = 112U << 23;           // between the two biases

// Infinities stay; a NaN keeps its bits and becomes quiet, as the CPU's own conversion does.
float widen(std::uint16_t half) noexcept {
  const std::uint32_t sign = std::uint32_t{half & 0x8000U} << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1.0p-24F;
    return sign != 0 ? -value : value;
  }
  std::uint32_t bits = sign | (fraction << 13);
  if (exponent == 31) {
    bits |= kF32Infinity | (fraction != 0 ? kF32QuietBit : 0);
  } else {
    bits |= (exponent << 23) + kExponentShift;
  }
  return std::bit_cast<float>(bits);
}

std::uint16_t narrow(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t size = bits & 0x7FFF'FFFFU;
  std::uint32_t half = 0;
  if (size > kF32Infinity) {
    half = 0x7E00U | ((size >> 13) & 0x3FFU);
  } else if (size >= kF32RoundsToInfinity) {
    half = 0x7C00U;
  } else if (size >= kF32SmallestNormalHalf) {
    // Half of the last place, less one if even: ties go to even.
    half = (size - kExponentShift + 0xFFFU + ((size >> 13) & 1U)) >> 13;
  } else if (const std::uint32_t exponent = size >> 23; exponent >= 102) {
    const std::uint32_t fraction = (size & 0x007F'FFFFU) | 0x0080'0000U;
    const std::uint32_t shift = 126 - exponent;
    const std::uint32_t rest = fraction & ((1U << shift) - 1);
    const std::uint32_t middle = 1U << (shift - 1);
    half = fraction >> shift;
    if (rest > middle || (rest == middle && (half & 1U) != 0)) ++half;
  }
  return static_cast<std::uint16_t>(sign | half);
}

// Rows of a file lie at any address.
std::uint16_t load_half(const std::byte* at) noexcept {
  std::uint16_t half = 0;
  std::memcpy(&half, at, sizeof half);
  return half;
}

float dot_bytes(const float* query, const std::byte* row, std::size_t dimension) noexcept {
  float sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) sum += query[i] * widen(load_half(row + 2 * i));
  return sum;
}

float dot_f16(const float* query, const std::uint16_t* row, std::size_t dimension) noexcept {
  return dot_bytes(query, reinterpret_cast<const std::byte*>(row), dimension);
}

float l2_f16(const float* query, const std::uint16_t* row, std::size_t dimension) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(row);
  float sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) {
    const float difference = query[i] - widen(load_half(bytes + 2 * i));
    sum += difference * difference;
  }
  return sum;
}

void dot_f16_rows(const float* query, const std::byte* rows, std::size_t stride_bytes,
                  std::size_t count, std::size_t dimension, float* out) noexcept {
  for (std::size_t r = 0; r < count; ++r)
    out[r] = dot_bytes(query, rows + r * stride_bytes, dimension);
}

void f32_to_f16(const float* in, std::uint16_t* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) out[i] = narrow(in[i]);
}

void f16_to_f32(const std::uint16_t* in, float* out, std::size_t count) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(in);
  for (std::size_t i = 0; i < count; ++i) out[i] = widen(load_half(bytes + 2 * i));
}

// A block of scan_codes, behind its codes.
struct Factors {
  float add[kBlockRows];
  std::uint16_t rescale[kBlockRows];
  std::uint16_t error[kBlockRows];
  std::uint32_t object[kBlockRows];
};
static_assert(sizeof(Factors) == kBlockFactorBytes);

std::uint32_t sum_of_codes(const std::byte* codes, std::size_t row,
                           const ScanQuery& query) noexcept {
  std::uint32_t sum = 0;
  for (std::size_t g = 0; g < query.groups; ++g) {
    const auto both = static_cast<std::uint32_t>(codes[16 * g + row % 16]);
    sum += query.table[16 * g + (row < 16 ? both & 15U : both >> 4)];
  }
  return sum;
}

}  // namespace

namespace scalar {

void fht(float* values, std::size_t log2_count) noexcept {
  const std::size_t count = std::size_t{1} << log2_count;
  for (std::size_t half = 1; half < count; half *= 2) {
    for (std::size_t i = 0; i < count; i += 2 * half) {
      for (std::size_t j = i; j < i + half; ++j) {
        const float a = values[j];
        const float b = values[j + half];
        values[j] = a + b;
        values[j + half] = a - b;
      }
    }
  }
}

void flip_signs(float* values, const std::uint64_t* signs, std::size_t count) noexcept {
  const auto* bytes = reinterpret_cast<const std::byte*>(signs);
  for (std::size_t i = 0; i < count; ++i) {
    if (((static_cast<unsigned>(bytes[i / 8]) >> (i % 8)) & 1U) != 0) values[i] = -values[i];
  }
}

void kac_walk(float* values, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count / 2; ++i) {
    const float a = values[i];
    const float b = values[i + count / 2];
    values[i] = a + b;
    values[i + count / 2] = a - b;
  }
}

void scale(float* values, float factor, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) values[i] *= factor;
}

float dot_f32(const float* a, const float* b, std::size_t count) noexcept {
  float sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

float l2_f32(const float* a, const float* b, std::size_t count) noexcept {
  float sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float difference = a[i] - b[i];
    sum += difference * difference;
  }
  return sum;
}

void dot_matrix(const float* a, std::size_t a_rows, const float* b, std::size_t b_rows,
                std::size_t dimension, float* out, std::size_t out_stride) noexcept {
  for (std::size_t i = 0; i < a_rows; ++i) {
    for (std::size_t j = 0; j < b_rows; ++j)
      out[i * out_stride + j] = dot_f32(a + i * dimension, b + j * dimension, dimension);
  }
}

void to_bf16(const float* in, const float* middle, std::uint16_t* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(in[i] - middle[i]);
    out[i] = static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
  }
}

void dot_matrix_bf16(const std::uint16_t* a, std::size_t a_rows, const std::uint16_t* b,
                     std::size_t b_rows, std::size_t dimension, float* out,
                     std::size_t out_stride) noexcept {
  const auto value = [](std::uint16_t half) {
    return std::bit_cast<float>(std::uint32_t{half} << 16);
  };
  for (std::size_t i = 0; i < a_rows; ++i) {
    for (std::size_t j = 0; j < b_rows; ++j) {
      float sum = 0;
      for (std::size_t d = 0; d < dimension; ++d)
        sum += value(a[i * dimension + d]) * value(b[j * dimension + d]);
      out[i * out_stride + j] = sum;
    }
  }
}

void quantize(const float* o, std::size_t count, float t, std::uint8_t* magnitudes, float* dot,
              float* norm) noexcept {
  *dot = 0;
  *norm = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float size = std::fabs(o[i]);
    const float scaled = t * size;
    magnitudes[i] = scaled < 15 ? static_cast<std::uint8_t>(scaled) : std::uint8_t{15};
    const float middle = static_cast<float>(magnitudes[i]) + 0.5F;
    *dot += size * middle;
    *norm += middle * middle;
  }
}

// The order of the sums is what lets other tables agree to the bit: pairs, and 16 sums for the
// bias, halved until one is left.
void make_table(const float* query, std::size_t groups, std::uint8_t* table, float* scale,
                float* bias) noexcept {
  float widest = 0;
  float sums[16] = {};
  for (std::size_t g = 0; g < groups; ++g) {
    const float* q = query + 4 * g;
    const float range = (std::fabs(q[0]) + std::fabs(q[1])) + (std::fabs(q[2]) + std::fabs(q[3]));
    widest = range > widest ? range : widest;
    for (std::size_t b = 0; b < 4; ++b) sums[4 * (g % 4) + b] += q[b] < 0 ? q[b] : 0;
  }
  for (std::size_t left = 8; left > 0; left /= 2) {
    for (std::size_t i = 0; i < left; ++i) sums[i] += sums[i + left];
  }
  *bias = sums[0];
  *scale = widest / 255;
  if (*scale == 0) *scale = 1;
  for (std::size_t g = 0; g < groups; ++g) {
    // Dimension b adds |q| where its bit differs from what the least sum has: nothing cancels.
    const float* q = query + 4 * g;
    for (std::size_t m = 0; m < 16; ++m) {
      float parts[4];
      for (std::size_t b = 0; b < 4; ++b) {
        const bool bit = ((m >> b) & 1U) != 0;
        parts[b] = bit == (q[b] > 0) ? std::fabs(q[b]) : 0;
      }
      const float steps = ((parts[0] + parts[1]) + (parts[2] + parts[3])) / *scale;
      const float rounded = steps > 0 ? std::nearbyint(steps) : 0;
      table[16 * g + m] = rounded < 255 ? static_cast<std::uint8_t>(rounded) : std::uint8_t{255};
    }
  }
}

std::size_t scan_codes(const std::byte* blocks, std::size_t rows, const ScanQuery& query,
                       float limit, ScanHit* out) noexcept {
  const std::size_t block_bytes = 16 * query.groups + kBlockFactorBytes;
  std::size_t hits = 0;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::byte* block = blocks + row / kBlockRows * block_bytes;
    const std::size_t r = row % kBlockRows;
    Factors factors;
    std::memcpy(&factors, block + 16 * query.groups, sizeof factors);
    const float rescale = widen(factors.rescale[r]);
    const auto sum = static_cast<float>(sum_of_codes(block, r, query));
    const float dot = std::fma(query.scale, sum, query.bias);
    const float distance = std::fma(rescale, dot, factors.add[r] + query.add);
    const float above = std::fma(-widen(factors.error[r]), query.error, distance);
    const float bound = std::fma(-std::fabs(rescale), query.table_error, above);
    if (bound < limit) out[hits++] = {static_cast<std::uint32_t>(row), distance, bound, dot};
  }
  return hits;
}

std::int32_t dot_u4_i8(const std::byte* codes, const std::int8_t* query,
                       std::size_t dimension) noexcept {
  std::int32_t sum = 0;
  for (std::size_t c = 0; c < dimension; c += 64) {
    for (std::size_t j = 0; j < 32; ++j) {
      const auto both = static_cast<std::int32_t>(codes[c / 2 + j]);
      sum += (both & 15) * query[c + j] + (both >> 4) * query[c + 32 + j];
    }
  }
  return sum;
}

void dots_u8_i8(const std::uint8_t* rows, std::size_t stride, std::size_t count,
                const std::int8_t* query, std::size_t dimension, std::int32_t* out) noexcept {
  for (std::size_t r = 0; r < count; ++r) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < dimension; ++i) sum += rows[r * stride + i] * query[i];
    out[r] = sum;
  }
}

}  // namespace scalar

const Kernels kScalarKernels = {.name = "scalar",
                                .dot_f16 = dot_f16,
                                .l2_f16 = l2_f16,
                                .dot_f16_rows = dot_f16_rows,
                                .f32_to_f16 = f32_to_f16,
                                .f16_to_f32 = f16_to_f32,
                                .fht = scalar::fht,
                                .flip_signs = scalar::flip_signs,
                                .kac_walk = scalar::kac_walk,
                                .scale = scalar::scale,
                                .dot_f32 = scalar::dot_f32,
                                .l2_f32 = scalar::l2_f32,
                                .dot_matrix = scalar::dot_matrix,
                                .coarse = false,
                                .to_bf16 = scalar::to_bf16,
                                .dot_matrix_bf16 = scalar::dot_matrix_bf16,
                                .quantize = scalar::quantize,
                                .make_table = scalar::make_table,
                                .scan_codes = scalar::scan_codes,
                                .dot_u4_i8 = scalar::dot_u4_i8,
                                .dots_u8_i8 = scalar::dots_u8_i8};

}  // namespace kedge
