// Pooling: one vector for a text, from those of its words that count. Read next: nn/pooling.cc.
#pragma once

#include <tapegrad/autograd/variable.h>

namespace tapegrad::nn {

// x is (batch, steps, dim) and mask a boolean (batch, steps), as Embedding::mask() gives it; the
// result is (batch, dim), zeros where nothing counts. ShapeError and DTypeError otherwise.
Variable masked_mean(const Variable& x, const Tensor& mask);
Variable masked_max(const Variable& x,
                    const Tensor& mask);  // the first of equals gets the gradient

}  // namespace tapegrad::nn
