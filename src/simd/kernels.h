// The hot loops, one table of functions a CPU level. scalar.cc defines the meaning; every other
// table is compared with it. Pure functions; no alignment is required of any pointer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kedge {

struct Kernels {
  std::string_view name;  // "scalar", "avx2", "avx512"

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
};

// The best table of this CPU, or the one named by KEDGE_SIMD (read once). An unknown or unavailable
// name aborts with a message: a figure must never name a path that did not run.
const Kernels& kernels();
// Every table that this CPU can run, scalar first.
std::vector<const Kernels*> available_kernels();
// Tables compiled in that this CPU cannot run, by name, for loud reports.
std::vector<std::string_view> unavailable_kernels();

}  // namespace kedge
