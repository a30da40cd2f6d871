// Reduced: the shape of a reduction's input, with which its rule expands the gradient to that
// shape.
//
// Internal. Read next: autograd/ops/reductions.cc.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/ops.h>

namespace tapegrad {

// A reduction of x over dims; empty dims mean all dimensions.
struct Reduced {
  Shape full;  // x's shape
  Shape kept;  // the same with size 1 where x was reduced

  Reduced(const Variable& x, const Dims& dims) : full(x.shape()), kept(full) {
    if (dims.empty()) {
      for (std::int64_t d = 0; d < kept.dim(); ++d) kept[d] = 1;
    }
    for (const std::int64_t d : dims) {
      const std::int64_t wrapped = d < 0 ? d + kept.dim() : d;
      // The reduction itself refuses other dims; but the compiler may evaluate this earlier.
      if (wrapped >= 0 && wrapped < kept.dim()) kept[wrapped] = 1;
    }
  }
  // A gradient (or result) of the reduction, with size 1 in the reduced dimensions.
  Variable keep(const Variable& dy) const { return reshape(dy, kept); }
  // The same, expanded to x's shape.
  Variable expand_to_full(const Variable& dy) const { return expand(keep(dy), full); }
  // How many elements of x are reduced to one element of the result.
  double count() const {
    double product = 1;
    for (std::int64_t d = 0; d < full.dim(); ++d) {
      if (kept[d] != full[d]) product *= static_cast<double>(full[d]);
    }
    return product;
  }
};

}  // namespace tapegrad
