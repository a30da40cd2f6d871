// Fused backward operations: several operations in one pass over memory, for gradients that every
// training step computes. They are used if the backward pass is not recorded; under create_graph
// the rule uses the composition in the comment instead, and tests check that both give the same
// values.
//
// Internal. Read next: tensor/ops/xt.h.
#pragma once

#include <cstdint>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

namespace detail {

// For kernels, which take null where a tensor is undefined.
template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

}  // namespace detail

Tensor tanh_backward(const Tensor& dy, const Tensor& y);     // dy * (1 - y * y)
Tensor sigmoid_backward(const Tensor& dy, const Tensor& y);  // dy * y * (1 - y)
Tensor relu_backward(const Tensor& dy, const Tensor& y);     // where(y <= 0, 0, dy)
// dy * ((1 + erf(x / sqrt(2))) / 2 + x * exp(-x * x / 2) / sqrt(2 pi))
Tensor gelu_backward(const Tensor& dy, const Tensor& x);

// The gradients of softmax and log_softmax over `dim` (tensor/ops/softmax.cc); y is their result.
Tensor softmax_backward(const Tensor& dy, const Tensor& y, std::int64_t dim);
Tensor log_softmax_backward(const Tensor& dy, const Tensor& y, std::int64_t dim);

// Layer normalization (tensor/ops/normalization.cc): y has x's shape; the mean and 1 /
// sqrt(variance + eps) of each row are kept for the backward pass. A row is a part of x of the
// normalized shape `shape`.
struct Normalized {
  Tensor y;
  Tensor mean;   // (rows)
  Tensor scale;  // (rows)
};
Normalized layer_norm_forward(const Tensor& x, const Shape& shape, const Tensor& weight,
                              const Tensor& bias, double eps);
Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Normalized& forward,
                           const Tensor& weight);
// The gradient of weight, of the normalized shape `shape`.
Tensor layer_norm_weight_backward(const Tensor& dy, const Tensor& x, const Normalized& forward,
                                  const Shape& shape);

// The view of `whole` that has the shape of `piece`: positions start, start + step, ... of
// dimension dim, or position start alone if piece has one dimension fewer (tensor/ops/indexing.cc).
Tensor part_at(const Tensor& whole, const Tensor& piece, std::int64_t dim, std::int64_t start,
               std::int64_t step);

}  // namespace tapegrad
