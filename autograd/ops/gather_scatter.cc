// Copies by index or by mask. Their gradients are added at the positions that the elements came
// from. Read next: autograd/ops/embedding_bag.cc.
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/ops/compositions.h>

namespace tapegrad {

// By index ----------------------------------------------------------------------------------------

namespace {

Variable zeros_for(const Shape& shape, DType dtype) { return Variable(zeros(shape, dtype)); }

// The part of source that index covers: the result has index's shape. The source may be larger.
Variable covered(const Variable& source, const Tensor& index) {
  if (index.numel() == 0) return reshape(narrow(flatten(source), 0, 0, 0), index.shape());
  Variable part = source;
  for (std::int64_t d = 0; d < index.dim() && d < source.dim(); ++d) {
    if (index.size(d) < part.size(d)) part = narrow(part, d, 0, index.size(d));
  }
  if (index.dim() == source.dim()) return part;
  return reshape(source.dim() == 0 ? part : narrow(part, 0, 0, 1), index.shape());  // one element
}

}  // namespace

// y = x at index along dim; an index may repeat          dx = dy added there
Variable index_select(const Variable& x, std::int64_t dim, const Tensor& index) {
  describe(
      "index_select",
      [&] {
        return Attributes{{"dim", dim}, {"index", index}};
      },
      x);
  return record("index_select", index_select(x.value(), dim, index),
                from(x, [dim, at = Variable(index), shape = x.shape(),
                         dtype = x.dtype()](const Variable& dy) {
                  if (shape.empty()) return sum(dy);
                  return index_add(zeros_for(shape, dtype), dim, at.value(), dy);
                }));
}

// y[i][j] = x[index[i][j]][j] (dim 0)                    dx = dy added there
Variable gather(const Variable& x, std::int64_t dim, const Tensor& index) {
  describe(
      "gather",
      [&] {
        return Attributes{{"dim", dim}, {"index", index}};
      },
      x);
  return record("gather", gather(x.value(), dim, index),
                from(x, [dim, at = Variable(index), shape = x.shape(),
                         dtype = x.dtype()](const Variable& dy) {
                  return scatter_add(zeros_for(shape, dtype), dim, at.value(), dy);
                }));
}

Variable take_along_dim(const Variable& x, const Tensor& index, std::int64_t dim) {
  return composition::take_along_dim(x, index, dim);
}

// y = x, overwritten by source at index        dx = dy, 0 there;  dsource = dy from there
Variable scatter(const Variable& x, std::int64_t dim, const Tensor& index, const Variable& source) {
  Tensor value = scatter(x.value(), dim, index, source.value());
  const Variable part = covered(source, index);
  describe(
      "scatter",
      [&] {
        return Attributes{{"dim", dim}, {"index", index}};
      },
      x, part);
  return record("scatter", std::move(value),
                from(x,
                     [dim, at = Variable(index)](const Variable& dy) {
                       const Tensor nothing = zeros(at.shape(), dy.dtype());
                       return dy * scatter(ones_like(dy.value()), dim, at.value(), nothing);
                     }),
                from(part, [dim, at = Variable(index)](const Variable& dy) {
                  return gather(dy, dim, at.value());
                }));
}

Variable scatter(const Variable& x, std::int64_t dim, const Tensor& index, Scalar value) {
  return scatter(x, dim, index, Variable(full(index.shape(), value, x.dtype())));
}

// y = x, source added at index                 dx = dy;  dsource = dy from there
Variable scatter_add(const Variable& x, std::int64_t dim, const Tensor& index,
                     const Variable& source) {
  Tensor value = scatter_add(x.value(), dim, index, source.value());
  const Variable part = covered(source, index);
  describe(
      "scatter_add",
      [&] {
        return Attributes{{"dim", dim}, {"index", index}};
      },
      x, part);
  return record("scatter_add", std::move(value), from(x, [](const Variable& dy) { return dy; }),
                from(part, [dim, at = Variable(index)](const Variable& dy) {
                  return gather(dy, dim, at.value());
                }));
}

Variable index_add(const Variable& x, std::int64_t dim, const Tensor& index,
                   const Variable& source) {
  describe(
      "index_add",
      [&] {
        return Attributes{{"dim", dim}, {"index", index}};
      },
      x, source);
  return record(
      "index_add", index_add(x.value(), dim, index, source.value()),
      from(x, [](const Variable& dy) { return dy; }),
      from(source, [dim, at = Variable(index), shape = source.shape()](const Variable& dy) {
        if (dy.dim() > 0 && !shape.empty()) return index_select(dy, dim, at.value());
        return reshape(index_select(reshape(dy, {-1}), 0, at.value()), shape);
      }));
}

// By mask -----------------------------------------------------------------------------------------

// y = elements of x where mask, as a vector    dx = dy at those positions
Variable masked_select(const Variable& x, const Tensor& mask) {
  Tensor value = masked_select(x.value(), mask);
  const Shape shape = broadcast_shapes(x.sizes(), mask.sizes(), "masked_select");
  const Variable wide = expand(x, shape);
  describe(
      "masked_select",
      [&] {
        return Attributes{{"mask", mask}};
      },
      wide);
  return record("masked_select", std::move(value),
                from(wide, [at = Variable(mask), shape, dtype = x.dtype()](const Variable& dy) {
                  const Tensor places = nonzero(reshape(expand(at.value(), shape), {-1}));
                  const Tensor flat = zeros({checked_numel(shape, "masked_select")}, dtype);
                  return reshape(index_add(flat, 0, reshape(places, {-1}), dy), shape);
                }));
}

// y = x, but value where mask                  dx = dy, 0 there
Variable masked_fill(const Variable& x, const Tensor& mask, Scalar value) {
  const auto arguments = [&] { return Attributes{{"mask", mask}, {"value", value.to<double>()}}; };
  describe("masked_fill", arguments, x);
  return record("masked_fill", masked_fill(x.value(), mask, value),
                from(x, [at = Variable(mask)](const Variable& dy) {
                  return masked_fill(dy, at.value(), 0);
                }));
}

}  // namespace tapegrad
