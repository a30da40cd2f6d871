// How a SliceGradient is added to the gradient of its input. Read next: autograd/hooks.cc.
#include <tapegrad/autograd/slice_gradient.h>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/ops/fused.h>

namespace tapegrad {

void SliceGradient::add_to(Tensor& sum) const {
  part_at(sum, piece.value(), dim, start, step).add_(piece.value());
}

Variable SliceGradient::composed(const Shape& shape) const {
  return place(piece, shape, dim, start, step);
}

}  // namespace tapegrad
