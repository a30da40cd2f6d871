// Plain: a tensor as a list of doubles in row-major order. The plain references of the operations
// work on it with loops over indices, and share no code with the library but Shape. Read next:
// operation.h.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad::tapes {

struct Plain {
  Shape shape{};
  DType dtype = float64;
  std::vector<double> x{};

  std::int64_t dim() const { return shape.dim(); }
  std::int64_t size(std::int64_t d) const { return shape[d < 0 ? d + shape.dim() : d]; }
  double& operator[](std::int64_t i) { return x.at(static_cast<std::size_t>(i)); }
  double operator[](std::int64_t i) const { return x.at(static_cast<std::size_t>(i)); }
  std::int64_t numel() const { return static_cast<std::int64_t>(x.size()); }
};

Plain plain_of(const Tensor& tensor);

std::int64_t count_of(const Shape& shape);
Plain filled(const Shape& shape, DType dtype, double value = 0);

// The position of an index in row-major order, and the index at a position.
std::int64_t position_of(const Shape& shape, const Shape& index);
Shape index_at(const Shape& shape, std::int64_t position);

// A result whose element at each index is f(index).
Plain made(const Shape& shape, DType dtype, const std::function<double(const Shape&)>& f);

// x seen with `shape`, to which it broadcasts.
Plain stretched(const Plain& x, const Shape& shape);
Shape common_shape(const Shape& a, const Shape& b);

// The type of `a op b`: that of the higher kind; within a kind a 0-d operand does not count.
DType promoted(const Plain& a, const Plain& b);
DType promoted_with_real(DType dtype);  // of `x op 2.5`: integers become float32

// A list of dimensions without negative ones; all of them for an empty list.
Shape positive(const Shape& dims, std::int64_t dim);

// x as (outer, n, inner), where n is the size of dimension d; a 0-d x is (1, 1, 1).
struct Line {
  std::int64_t outer, n, inner;
  std::int64_t at(std::int64_t o, std::int64_t k, std::int64_t i) const {
    return (o * n + k) * inner + i;
  }
};
Line line_of(const Shape& shape, std::int64_t d);

// Combines the elements of x along dims into one each: f gets the elements in row-major order.
Plain reduced(const Plain& x, const Shape& dims, bool keepdim, DType dtype,
              const std::function<double(const std::vector<double>&)>& f);

}  // namespace tapegrad::tapes
