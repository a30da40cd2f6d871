// The shape that reductions work on: (outer, reduced, inner), three contiguous dimensions of which
// the middle one is reduced. If the reduced dimensions are adjacent, the tensor already has this
// form; otherwise they are moved to the end first.
//
// Internal. Read next: tensor/ops/reductions.cc.
#pragma once

#include <cstddef>
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

// The same with inner == 1: rows, each of which is reduced to one element.
struct Rows {
  Tensor x;  // contiguous
  std::int64_t count = 1;
  std::int64_t size = 1;

  Rows(const Tensor& x, DimSet dims);
};

// The shape of the result: the reduced dimensions are removed, or have size 1 if keepdim.
Shape reduced_shape(const Tensor& x, DimSet dims, bool keepdim);

// The sum of the n squares, as the kernel adds them. The squares of float32 elements overflow
// beyond 1e19 and vanish below 1e-19: then they are added in float64.
double sum_of_squares(const float* x, std::size_t n);
double sum_of_squares(const double* x, std::size_t n);

// DTypeError for integers and booleans.
void require_floating(const char* operation, DType dtype);
// Throws a DTypeError that names the operation unless the argument `which` has the type of x.
void require_same_dtype(const char* operation, DType x, const char* which, DType given);

}  // namespace tapegrad::detail
