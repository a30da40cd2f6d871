// The tables of kernels that the isa_*.cc files define; only dispatch.cc uses them. Read next:
// tensor/kernels/isa_base.cc.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::kernel {

const Kernels<float>& float_kernels_base();
const Kernels<double>& double_kernels_base();
#if defined(__x86_64__)
const Kernels<float>& float_kernels_avx2();
const Kernels<double>& double_kernels_avx2();
const Kernels<float>& float_kernels_avx512();
const Kernels<double>& double_kernels_avx512();
#endif

}  // namespace tapegrad::kernel
