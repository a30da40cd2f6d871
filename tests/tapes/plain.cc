// Index arithmetic of the plain references. Read next: operation.h.
#include "tapes/plain.h"

#include <algorithm>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::tapes {

Plain plain_of(const Tensor& tensor) {
  return {tensor.shape(), tensor.dtype(), to_vector<double>(tensor)};
}

std::int64_t count_of(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

Plain filled(const Shape& shape, DType dtype, double value) {
  return {shape, dtype, std::vector<double>(static_cast<std::size_t>(count_of(shape)), value)};
}

std::int64_t position_of(const Shape& shape, const Shape& index) {
  std::int64_t position = 0;
  for (std::int64_t d = 0; d < shape.dim(); ++d) position = position * shape[d] + index[d];
  return position;
}

Shape index_at(const Shape& shape, std::int64_t position) {
  Shape index = shape;
  for (std::int64_t d = shape.dim(); d-- > 0;) {
    index[d] = position % shape[d];
    position /= shape[d];
  }
  return index;
}

Plain made(const Shape& shape, DType dtype, const std::function<double(const Shape&)>& f) {
  Plain y = filled(shape, dtype);
  for (std::int64_t i = 0; i < y.numel(); ++i) y[i] = f(index_at(shape, i));
  return y;
}

Plain stretched(const Plain& x, const Shape& shape) {
  if (x.shape == shape) return x;
  const std::int64_t added = shape.dim() - x.dim();
  return made(shape, x.dtype, [&](const Shape& index) {
    Shape inner = x.shape;
    for (std::int64_t d = 0; d < x.dim(); ++d) inner[d] = x.shape[d] == 1 ? 0 : index[d + added];
    return x[position_of(x.shape, inner)];
  });
}

Shape common_shape(const Shape& a, const Shape& b) {
  Shape shape = a.dim() >= b.dim() ? a : b;
  const Shape& other = a.dim() >= b.dim() ? b : a;
  const std::int64_t added = shape.dim() - other.dim();
  for (std::int64_t d = 0; d < other.dim(); ++d) {
    if (shape[d + added] == 1) shape[d + added] = other[d];
  }
  return shape;
}

DType promoted(const Plain& a, const Plain& b) {
  const auto kind = [](DType dtype) {
    return dtype == boolean ? 0 : is_floating_point(dtype) ? 2 : 1;
  };
  if (a.dtype == b.dtype) return a.dtype;
  if (kind(a.dtype) != kind(b.dtype)) return kind(a.dtype) > kind(b.dtype) ? a.dtype : b.dtype;
  if ((a.dim() == 0) != (b.dim() == 0)) return a.dim() == 0 ? b.dtype : a.dtype;
  return float64;  // float32 and float64
}

DType promoted_with_real(DType dtype) { return is_floating_point(dtype) ? dtype : float32; }

Shape positive(const Shape& dims, std::int64_t dim) {
  Shape result;
  for (const std::int64_t d : dims) result.push_back(d < 0 ? d + dim : d);
  if (dims.empty()) {
    for (std::int64_t d = 0; d < dim; ++d) result.push_back(d);
  }
  return result;
}

Line line_of(const Shape& shape, std::int64_t d) {
  if (shape.dim() == 0) return {1, 1, 1};
  const std::int64_t position = d < 0 ? d + shape.dim() : d;
  Line line{1, shape[position], 1};
  for (std::int64_t e = 0; e < position; ++e) line.outer *= shape[e];
  for (std::int64_t e = position + 1; e < shape.dim(); ++e) line.inner *= shape[e];
  return line;
}

Plain reduced(const Plain& x, const Shape& dims, bool keepdim, DType dtype,
              const std::function<double(const std::vector<double>&)>& f) {
  const Shape wanted = x.dim() == 0 ? Shape{} : positive(dims, x.dim());
  const auto is_reduced = [&](std::int64_t d) { return std::ranges::count(wanted, d) > 0; };
  Shape kept;   // with sizes of 1
  Shape shape;  // of the result
  for (std::int64_t d = 0; d < x.dim(); ++d) {
    kept.push_back(is_reduced(d) ? 1 : x.shape[d]);
    if (keepdim || !is_reduced(d)) shape.push_back(kept[d]);
  }
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(count_of(kept)));
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    Shape index = index_at(x.shape, i);
    for (std::int64_t d = 0; d < x.dim(); ++d) {
      if (is_reduced(d)) index[d] = 0;
    }
    groups[static_cast<std::size_t>(position_of(kept, index))].push_back(x[i]);
  }
  Plain y = filled(shape, dtype);
  for (std::size_t g = 0; g < groups.size(); ++g) y.x[g] = f(groups[g]);
  return y;
}

}  // namespace tapegrad::tapes
