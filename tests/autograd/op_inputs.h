// What the rows of op_cases.h are made of: inputs that stay away from kinks, ties and poles, where
// differences say nothing. Read next: op_cases_elementwise.cc.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include <tapegrad/tensor/random/random.h>

#include "autograd/op_cases.h"

namespace tapegrad {

// The rows by family, in this order; each has a file op_cases_*.cc.
std::vector<OpCase> arithmetic();
std::vector<OpCase> functions();
std::vector<OpCase> reductions();
std::vector<OpCase> normalization();
std::vector<OpCase> products();
std::vector<OpCase> attention();
std::vector<OpCase> windows();
std::vector<OpCase> shapes();
std::vector<OpCase> indexing();

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr OpTraits kElementwise{.elementwise = true};

inline Generator& generator() {
  static Generator own(20240229);
  return own;
}

// A float64 that float32 holds too, so that both types start from the same number.
inline Tensor exact(const Tensor& x) { return x.to(float32).to(float64); }

inline Tensor uniform(const Shape& shape, double low = -2, double high = 2) {
  return exact(rand(shape, float64, generator()) * (high - low) + low);
}
inline Tensor positive(const Shape& shape) { return uniform(shape, 0.3, 3); }
// Either sign, nowhere near zero.
inline Tensor away(const Shape& shape) {
  const Tensor sign = randint(0, 2, shape, generator()) * 2 - 1;
  return exact(uniform(shape, 0.3, 2) * sign);
}
// No two alike, at least 0.2 apart.
inline Tensor distinct(const Shape& shape) {
  const std::int64_t count = checked_numel(shape, "distinct");
  const Tensor order = randperm(count, generator()).to(float64);
  return reshape(exact((order - static_cast<double>(count) / 2 + 0.25) * 0.2), shape);
}

// A mask or index among the inputs, at either level.
inline const Tensor& plain(const Tensor& x) { return x; }
inline const Tensor& plain(const Variable& x) { return x.value(); }

inline Tensor mask() { return tensor({{true, false, true}, {false, false, true}}); }

}  // namespace tapegrad
