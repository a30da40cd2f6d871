// Several operations in one pass over memory, for rules that run in every training step. Each is
// used where nothing is recorded; under create_graph its rule uses the composition that its comment
// states, and tests hold both to the same numbers.
//
// Internal. Read next: autograd/ops/elementwise.cc.
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

// Over `dim`, which softmax / log_softmax worked on (tensor/ops/softmax.cc).
Tensor softmax_backward(const Tensor& dy, const Tensor& y, std::int64_t dim);
Tensor log_softmax_backward(const Tensor& dy, const Tensor& y, std::int64_t dim);

// Layer normalisation (tensor/ops/normalization.cc): y of x's shape, and what its gradients need
// again, the mean and 1 / sqrt(variance + eps) of each row, which has the shape `shape`.
struct Normalized {
  Tensor y;
  Tensor mean;   // (rows)
  Tensor scale;  // (rows)
};
Normalized layer_norm_forward(const Tensor& x, const Shape& shape, const Tensor& weight,
                              const Tensor& bias, double eps);
Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Normalized& forward,
                           const Tensor& weight);
// Of weight's shape.
Tensor layer_norm_weight_backward(const Tensor& dy, const Tensor& x, const Normalized& forward,
                                  const Shape& shape);

// The view of `whole` where `piece` belongs: positions start, start + step, ... of dimension dim,
// or position start if piece has one dimension fewer (tensor/ops/indexing.cc).
Tensor part_at(const Tensor& whole, const Tensor& piece, std::int64_t dim, std::int64_t start,
               std::int64_t step);

}  // namespace tapegrad
