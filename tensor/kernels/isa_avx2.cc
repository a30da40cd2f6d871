// The kernels for AVX2 with multiply-add. Flags: -mavx2 -mfma. All three files are compiled with
// -ffp-contract=off, so that a vector and the partial vector at the end of an array give the same
// bits; code that needs a single rounding calls lanes::fma. Read next:
// tensor/kernels/isa_avx512.cc.
#include "isa.inl"

namespace tapegrad::kernel {

const Kernels<float>& float_kernels_avx2() { return kFloatKernels; }
const Kernels<double>& double_kernels_avx2() { return kDoubleKernels; }

}  // namespace tapegrad::kernel
