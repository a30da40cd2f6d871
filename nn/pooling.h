// Pooling under a mask: one vector for each text, from the vectors of its words. Read next:
// nn/pooling.cc.
#pragma once

#include <tapegrad/autograd/variable.h>

namespace tapegrad::nn {

// x is (batch, steps, dim), and mask is boolean (batch, steps), as Embedding::mask() returns it.
// The result is (batch, dim) over the steps where mask is true; 0 for texts without such steps.
// ShapeError and DTypeError for other arguments.
Variable masked_mean(const Variable& x, const Tensor& mask);
// Of equal elements, the first one gets the gradient.
Variable masked_max(const Variable& x, const Tensor& mask);

}  // namespace tapegrad::nn
