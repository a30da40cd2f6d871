// The largest element and the mean of windows, on Tensors. A sequence is an image of one row.
//
// Internal. Read next: tensor/ops/pooling.cc.
#pragma once

#include <tapegrad/tensor/ops/convolution.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// The windows of pooling over x, whose last dimensions are the height and the width (for a
// sequence, only the length, with one row). All other dimensions are kept.
struct Pooling {
  Windows rows;
  Windows columns;
  bool is_sequence = false;

  // The shapes of the result and of x, for the other dimensions of `like`.
  Shape result_shape(const Shape& like) const;
  Shape image_shape(const Shape& like) const;
  std::int64_t windows() const { return rows.count() * columns.count(); }
  std::int64_t pixels() const { return rows.length * columns.length; }
};

// For each window, the largest element (the last NaN, if there is one) and its index in the
// flattened image; -inf and -1 for a window that consists of padding.
struct MaxPooled {
  Tensor values;
  Tensor indices;  // int64
};
MaxPooled max_pool_forward(const Tensor& x, const Pooling& pooling);
// The gradient of x: dy, added at the indices.
Tensor max_pool_backward(const Tensor& dy, const Tensor& indices, const Pooling& pooling);

// The sum of each window divided by its divisor: (rows, columns) of windows, in x's type.
Tensor avg_pool_forward(const Tensor& x, const Tensor& divisors, const Pooling& pooling);
Tensor avg_pool_backward(const Tensor& dy, const Tensor& divisors, const Pooling& pooling);

}  // namespace tapegrad
