// SliceGradient: the gradient of a part of a variable, for the rules of select, narrow and slice.
// It is added in place, so that T slices of a sequence cost T small additions, not T additions of
// whole sequences. Read next: autograd/slice_gradient.cc.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

// A gradient that is 0 outside `piece`. The piece belongs at positions start, start + step, ... of
// dimension dim of the input or, if it has one dimension fewer than the input, at position start.
struct SliceGradient {
  Variable piece;
  std::int64_t dim;
  std::int64_t start;
  std::int64_t step = 1;

  // BackwardPass calls add_to(), which adds in place. When gradients are recorded, it calls
  // composed() instead, which returns a Variable of the input's shape.
  void add_to(Tensor& sum) const;
  Variable composed(const Shape& shape) const;
};

}  // namespace tapegrad
