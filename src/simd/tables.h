// The tables, for kernels.cc, and what the files of one level share.
#pragma once

#include <type_traits>

#include "simd/kernels.h"

namespace kedge {

extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
// Those of avx512, with products of bf16.
const Kernels& avx512_bf16_kernels();

// The type of the function that a member of Kernels points to, to declare it by.
template <typename Member>
using Kernel = std::remove_pointer_t<Member>;

namespace scalar {
Kernel<decltype(Kernels::fht)> fht;
Kernel<decltype(Kernels::flip_signs)> flip_signs;
Kernel<decltype(Kernels::kac_walk)> kac_walk;
Kernel<decltype(Kernels::scale)> scale;
Kernel<decltype(Kernels::dot_f32)> dot_f32;
Kernel<decltype(Kernels::l2_f32)> l2_f32;
Kernel<decltype(Kernels::dot_matrix)> dot_matrix;
Kernel<decltype(Kernels::to_bf16)> to_bf16;
Kernel<decltype(Kernels::dot_matrix_bf16)> dot_matrix_bf16;
Kernel<decltype(Kernels::quantize)> quantize;
Kernel<decltype(Kernels::make_table)> make_table;
Kernel<decltype(Kernels::scan_codes)> scan_codes;
Kernel<decltype(Kernels::dot_u4_i8)> dot_u4_i8;
Kernel<decltype(Kernels::dots_u8_i8)> dots_u8_i8;
}  // namespace scalar

namespace avx2 {
Kernel<decltype(Kernels::fht)> fht;
Kernel<decltype(Kernels::flip_signs)> flip_signs;
Kernel<decltype(Kernels::kac_walk)> kac_walk;
Kernel<decltype(Kernels::scale)> scale;
Kernel<decltype(Kernels::dot_f32)> dot_f32;
Kernel<decltype(Kernels::l2_f32)> l2_f32;
Kernel<decltype(Kernels::dot_matrix)> dot_matrix;
Kernel<decltype(Kernels::quantize)> quantize;
Kernel<decltype(Kernels::make_table)> make_table;
Kernel<decltype(Kernels::scan_codes)> scan_codes;
Kernel<decltype(Kernels::dot_u4_i8)> dot_u4_i8;
Kernel<decltype(Kernels::dots_u8_i8)> dots_u8_i8;
}  // namespace avx2

namespace avx512 {
Kernel<decltype(Kernels::fht)> fht;
Kernel<decltype(Kernels::flip_signs)> flip_signs;
Kernel<decltype(Kernels::kac_walk)> kac_walk;
Kernel<decltype(Kernels::scale)> scale;
Kernel<decltype(Kernels::dot_f32)> dot_f32;
Kernel<decltype(Kernels::l2_f32)> l2_f32;
Kernel<decltype(Kernels::dot_matrix)> dot_matrix;
Kernel<decltype(Kernels::quantize)> quantize;
Kernel<decltype(Kernels::make_table)> make_table;
Kernel<decltype(Kernels::scan_codes)> scan_codes;
Kernel<decltype(Kernels::dot_u4_i8)> dot_u4_i8;
Kernel<decltype(Kernels::dots_u8_i8)> dots_u8_i8;
}  // namespace avx512

}  // namespace kedge
