// Parts of a variable, by position. The gradient of a part is added in place to the input's
// gradient (SliceGradient); there is never a full-size gradient for each part. Read next:
// autograd/ops/gather_scatter.cc.
#include <algorithm>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/slice_gradient.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/fused.h>

namespace tapegrad {

// y = x[..., index, ...]           dx = dy placed there
Variable select(const Variable& x, std::int64_t dim, std::int64_t index) {
  Tensor value = select(x.value(), dim, index);
  const std::int64_t d = dim < 0 ? dim + x.dim() : dim;
  const std::int64_t position = index < 0 ? index + x.size(d) : index;
  describe(
      "select",
      [&] {
        return Attributes{{"dim", d}, {"index", position}};
      },
      x);
  return record("select", std::move(value), from(x, [d, position](const Variable& dy) {
                  return SliceGradient{dy, d, position};
                }));
}

// y = x[..., start : start + length, ...]        dx = dy placed there
Variable narrow(const Variable& x, std::int64_t dim, std::int64_t start, std::int64_t length) {
  Tensor value = narrow(x.value(), dim, start, length);
  const std::int64_t d = dim < 0 ? dim + x.dim() : dim;
  const std::int64_t first = start < 0 ? start + x.size(d) : start;
  describe(
      "narrow",
      [&] {
        return Attributes{{"dim", d}, {"start", first}, {"length", length}};
      },
      x);
  return record("narrow", std::move(value), from(x, [d, first](const Variable& dy) {
                  return SliceGradient{dy, d, first};
                }));
}

// y = x[..., start : end : step, ...]            dx = dy placed there
Variable slice(const Variable& x, std::int64_t dim, std::int64_t start, std::int64_t end,
               std::int64_t step) {
  Tensor value = slice(x.value(), dim, start, end, step);
  const std::int64_t d = dim < 0 ? dim + x.dim() : dim;
  const std::int64_t size = x.size(d);
  const std::int64_t wrapped = start < 0 ? start + size : start;
  const std::int64_t first = wrapped < 0 ? 0 : wrapped > size ? size : wrapped;
  const auto arguments = [&] {
    return Attributes{{"dim", d}, {"start", first}, {"end", end}, {"step", step}};
  };
  describe("slice", arguments, x);
  return record("slice", std::move(value), from(x, [d, first, step](const Variable& dy) {
                  return SliceGradient{dy, d, first, step};
                }));
}

// y = zeros with piece in its place              dpiece = that part of dy
Variable place(const Variable& piece, const Shape& shape, std::int64_t dim, std::int64_t start,
               std::int64_t step) {
  Tensor whole = zeros(shape, piece.dtype());
  part_at(whole, piece.value(), dim, start, step).copy_(piece.value());
  const bool selected = piece.dim() < shape.dim();
  const std::int64_t last = selected ? start : start + (piece.size(dim) - 1) * step;
  const std::int64_t end = std::max(start, last + 1);
  const auto arguments = [&] { return Attributes{{"dim", dim}, {"start", start}, {"step", step}}; };
  describe("place", arguments, piece);
  return record("place", std::move(whole),
                from(piece, [dim, start, step, selected, end](const Variable& dy) {
                  return selected ? select(dy, dim, start) : slice(dy, dim, start, end, step);
                }));
}

Variable index(const Variable& x, std::initializer_list<Index> indices) {
  return composition::index(x, std::span<const Index>(indices.begin(), indices.size()));
}

}  // namespace tapegrad
