// The kernels for whatever the compiler's own flags allow: on x86-64 that is SSE2. Flags: none of
// its own. All three files are compiled with -ffp-contract=off, so that a vector and the partial
// vector at the end of an array give the same bits; where one rounding is wanted, lanes::fma says
// so. Read next: isa.inl.
#include "isa.inl"

namespace tapegrad::kernel {

const Kernels<float>& float_kernels_base() { return kFloatKernels; }
const Kernels<double>& double_kernels_base() { return kDoubleKernels; }

}  // namespace tapegrad::kernel
