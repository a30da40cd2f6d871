// xtensor for the library's own sources, which include it only through this header. It includes the
// bridge, with its workaround, and then those of xtensor's algorithms that rarely used operations
// need.
//
// Internal. Read next: tensor/kernels/kernels.h.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include <tapegrad/tensor/xtensor.h>

#if __has_include(<xtensor/core/xmath.hpp>)
#include <xtensor/core/xmath.hpp>
#include <xtensor/core/xnoalias.hpp>
#else
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#endif

namespace tapegrad::detail {

// Contiguous memory as an xtensor expression. Unlike those of the bridge, its layout is known at
// compile time: xtensor runs through it in plain loops, instead of stepping from element to
// element.
template <class T, std::size_t kDims>
auto xtensor_of(T* data, const std::array<std::size_t, kDims>& shape) {
  std::size_t count = 1;
  for (const std::size_t size : shape) count *= size;
  return xt::adapt(std::move(data), count, xt::no_ownership(), shape);
}

}  // namespace tapegrad::detail
