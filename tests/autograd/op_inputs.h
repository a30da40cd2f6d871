// Inputs for the rows of op_cases.h. They avoid kinks, ties and poles, where numerical differences
// are useless. Read next: ops/op_cases_elementwise.cc.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include <tapegrad/tensor/random/random.h>

#include "autograd/op_cases.h"

namespace tapegrad {

// The rows by family, in the order of ops.h; each has a file ops/op_cases_*.cc.
std::vector<OpCase> elementwise_cases();
std::vector<OpCase> activations_cases();
std::vector<OpCase> reductions_cases();
std::vector<OpCase> minmax_cases();
std::vector<OpCase> softmax_cases();
std::vector<OpCase> sorting_cases();
std::vector<OpCase> normalization_cases();
std::vector<OpCase> matmul_cases();
std::vector<OpCase> convolution_cases();
std::vector<OpCase> images_cases();
std::vector<OpCase> views_cases();
std::vector<OpCase> rearrange_cases();
std::vector<OpCase> indexing_cases();
std::vector<OpCase> gather_scatter_cases();
std::vector<OpCase> embedding_bag_cases();
std::vector<OpCase> similarity_cases();
std::vector<OpCase> attention_cases();

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr OpTraits kElementwise{.elementwise = true};

inline Generator& generator() {
  static Generator own(20240229);
  return own;
}

// Elements that float32 can represent exactly, so that both types start from the same values.
inline Tensor exact(const Tensor& x) { return x.to(float32).to(float64); }

inline Tensor uniform(const Shape& shape, double low = -2, double high = 2) {
  return exact(rand(shape, float64, generator()) * (high - low) + low);
}
inline Tensor positive(const Shape& shape) { return uniform(shape, 0.3, 3); }
// Elements of both signs, not close to zero.
inline Tensor away(const Shape& shape) {
  const Tensor sign = randint(0, 2, shape, generator()) * 2 - 1;
  return exact(uniform(shape, 0.3, 2) * sign);
}
// Distinct elements, at least 0.2 apart.
inline Tensor distinct(const Shape& shape) {
  const std::int64_t count = checked_numel(shape, "distinct");
  const Tensor order = randperm(count, generator()).to(float64);
  return reshape(exact((order - static_cast<double>(count) / 2 + 0.25) * 0.2), shape);
}

// A mask or index among the inputs, as a Tensor.
inline const Tensor& plain(const Tensor& x) { return x; }
inline const Tensor& plain(const Variable& x) { return x.value(); }

inline Tensor mask() { return tensor({{true, false, true}, {false, false, true}}); }

}  // namespace tapegrad
