// The kernels for AVX-512. Flags: -mavx512f -mavx512cd -mavx512dq -mavx512bw -mavx512vl -mfma
//   -mprefer-vector-width=512.
// All three files are compiled with -ffp-contract=off, so that a vector and the partial vector at
// the end of an array give the same bits; code that needs a single rounding calls lanes::fma. Read
// next: tensor/kernels/dispatch.cc.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // in g++'s own header: g++ bug 105593
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "isa.inl"

namespace tapegrad::kernel {

const Kernels<float>& float_kernels_avx512() { return kFloatKernels; }
const Kernels<double>& double_kernels_avx512() { return kDoubleKernels; }

}  // namespace tapegrad::kernel
