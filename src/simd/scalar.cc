// The meaning of every kernel, in plain C++ for any CPU.
#include <bit>
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

}  // namespace

const Kernels kScalarKernels = {.name = "scalar",
                                .dot_f16 = dot_f16,
                                .l2_f16 = l2_f16,
                                .dot_f16_rows = dot_f16_rows,
                                .f32_to_f16 = f32_to_f16,
                                .f16_to_f32 = f16_to_f32};

}  // namespace kedge
