// SliceGradient: the gradient of a part of a variable, for the rules of select, narrow and the
// like. It is added in place, so that T slices of a sequence cost T small additions, not T
// additions of whole sequences. Read next: autograd/ops/indexing.cc.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

// Zero except for `piece`, which belongs at positions start, start + step, ... of dimension dim of
// the input, or, having one dimension fewer than the input, at position start.
struct SliceGradient {
  Variable piece;
  std::int64_t dim;
  std::int64_t start;
  std::int64_t step = 1;

  // What BackwardPass asks of a gradient that knows how to add itself: in place, and as a Variable
  // of the input's shape for when gradients are recorded.
  void add_to(Tensor& sum) const;
  Variable composed(const Shape& shape) const;
};

}  // namespace tapegrad
