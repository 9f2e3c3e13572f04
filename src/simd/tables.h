// The tables, for kernels.cc alone.
#pragma once

#include "simd/kernels.h"

namespace kedge {

extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;

}  // namespace kedge
