// Helpers that the tests of operations share. Read next: ops/elementwise_test.cc.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::test {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInf = std::numeric_limits<double>::infinity();

// Whether element types and shapes are equal and all elements are within `tolerance`. NaN equals
// NaN, and an infinity equals itself.
inline bool matches(const Tensor& a, const Tensor& b, double tolerance = 0) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const std::vector<double> x = to_vector<double>(a);
  const std::vector<double> y = to_vector<double>(b);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool equal = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]));
    if (!equal && !(std::abs(x[i] - y[i]) <= tolerance * std::max(1.0, std::abs(y[i])))) {
      return false;
    }
  }
  return true;
}

// Calls function(index) for every index of the shape, in row-major order.
inline void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& function) {
  for (const std::int64_t size : shape) {
    if (size == 0) return;
  }
  Shape index(std::vector<std::int64_t>(static_cast<std::size_t>(shape.dim()), 0));
  while (true) {
    function(index);
    std::int64_t d = shape.dim() - 1;
    while (d >= 0 && ++index[d] == shape[d]) index[d--] = 0;
    if (d < 0) return;
  }
}

// The same elements in another layout: stored transposed, or as every second element of a larger
// tensor.
inline Tensor stored_transposed(const Tensor& x) {
  return transpose(transpose(x, 0, -1).clone(), 0, -1);
}
inline Tensor stored_with_gaps(const Tensor& x) {
  const Tensor wide = stack({x, full_like(x, 77)}, -1);
  return select(wide, -1, 0);
}

// Distinct unordered elements (for up to 1009): multiples of 37 modulo a prime.
inline Tensor scrambled(const Shape& shape, DType dtype = float32) {
  Tensor x = zeros(shape, dtype);
  std::vector<double> values;
  for (std::int64_t i = 0; i < x.numel(); ++i) values.push_back(static_cast<double>(i * 37 % 1009));
  return reshape(tensor(values), shape).to(dtype);
}

}  // namespace tapegrad::test
