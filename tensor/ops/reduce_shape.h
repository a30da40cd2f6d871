// What a reduction sees: (outer, reduced, inner), three contiguous dimensions of which the middle
// one disappears. Every list of dimensions that lie side by side has this form as it stands; others
// are moved to the end first.
//
// Internal. Read next: tensor/ops/reductions.cc.
#pragma once

#include <cstdint>

#include <tapegrad/tensor/ops/view_layout.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad::detail {

struct ReduceShape {
  Tensor x;  // contiguous
  std::int64_t outer = 1;
  std::int64_t reduced = 1;
  std::int64_t inner = 1;

  ReduceShape(const Tensor& x, DimSet dims);
};

// The same with inner == 1: rows, each of which is reduced to one number.
struct Rows {
  Tensor x;  // contiguous
  std::int64_t count = 1;
  std::int64_t size = 1;

  Rows(const Tensor& x, DimSet dims);
};

// The sizes that are left, with 1 in place of what was reduced where keepdim is set.
Shape reduced_shape(const Tensor& x, DimSet dims, bool keepdim);

// DTypeError for integers and booleans.
void require_floating(const char* operation, DType dtype);

}  // namespace tapegrad::detail
