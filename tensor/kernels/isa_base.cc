// The kernels for the compiler's default instruction set, which is SSE2 on x86-64. It has no extra
// flags. All three files are compiled with -ffp-contract=off, so that a vector and the partial
// vector at the end of an array give the same bits; code that needs a single rounding calls
// lanes::fma. Read next: tensor/kernels/isa_avx2.cc.
#include "isa.inl"

namespace tapegrad::kernel {

const Kernels<float>& float_kernels_base() { return kFloatKernels; }
const Kernels<double>& double_kernels_base() { return kDoubleKernels; }

}  // namespace tapegrad::kernel
