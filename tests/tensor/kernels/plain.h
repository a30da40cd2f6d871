// The plain references: the kernels of kernels.h as simple loops over std:: functions, the same on
// every machine. Tests compare every kernel of every instruction set with them.
#pragma once

#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::kernel {

template <class T>
const Kernels<T>& plain_kernels();

}  // namespace tapegrad::kernel
