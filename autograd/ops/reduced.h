// What a reduction did to a shape. Its rule needs this to bring a gradient back to that shape.
//
// Internal. Read next: autograd/ops/reductions.cc.
#pragma once

#include <cstdint>

#include <tapegrad/autograd/ops.h>

namespace tapegrad {

// A reduction of x over dims; no dims stand for all of them.
struct Reduced {
  Shape full;  // x's shape
  Shape kept;  // the same with size 1 where x was reduced

  Reduced(const Variable& x, const Dims& dims) : full(x.shape()), kept(full) {
    if (dims.empty()) {
      for (std::int64_t d = 0; d < kept.dim(); ++d) kept[d] = 1;
    }
    for (const std::int64_t d : dims) {
      const std::int64_t wrapped = d < 0 ? d + kept.dim() : d;
      // Compilers differ in whether this or the reduction, which refuses the others, comes first.
      if (wrapped >= 0 && wrapped < kept.dim()) kept[wrapped] = 1;
    }
  }
  // A gradient (or result) of the reduction, with the reduced dimensions as size 1.
  Variable keep(const Variable& dy) const { return reshape(dy, kept); }
  // The same, stretched over what was reduced.
  Variable stretch(const Variable& dy) const { return expand(keep(dy), full); }
  // How many elements each result came from.
  double count() const {
    double product = 1;
    for (std::int64_t d = 0; d < full.dim(); ++d) {
      if (kept[d] != full[d]) product *= static_cast<double>(full[d]);
    }
    return product;
  }
};

}  // namespace tapegrad
