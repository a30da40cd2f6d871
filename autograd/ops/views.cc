// Operations that change the shape, join or split. Their rules apply the inverse operation to the
// gradient. Read next: autograd/ops/rearrange.cc.
#include <algorithm>
#include <utility>
#include <vector>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/ops/compositions.h>

namespace tapegrad {
namespace {

// Records a result that holds x's elements in x's order: the gradient is dy in x's shape.
Variable same_order(const char* name, const Variable& x, Tensor value) {
  return record(name, std::move(value),
                from(x, [shape = x.shape()](const Variable& dy) { return reshape(dy, shape); }));
}

}  // namespace

Variable reshape(const Variable& x, const Shape& shape) {
  return same_order("reshape", x, reshape(x.value(), shape));
}
Variable view(const Variable& x, const Shape& shape) {
  return same_order("view", x, view(x.value(), shape));
}
Variable flatten(const Variable& x, std::int64_t start_dim, std::int64_t end_dim) {
  return same_order("flatten", x, flatten(x.value(), start_dim, end_dim));
}
Variable unflatten(const Variable& x, std::int64_t dim, const Shape& sizes) {
  return same_order("unflatten", x, unflatten(x.value(), dim, sizes));
}
Variable squeeze(const Variable& x) { return same_order("squeeze", x, squeeze(x.value())); }
Variable squeeze(const Variable& x, std::int64_t dim) {
  return same_order("squeeze", x, squeeze(x.value(), dim));
}
Variable unsqueeze(const Variable& x, std::int64_t dim) {
  return same_order("unsqueeze", x, unsqueeze(x.value(), dim));
}
Variable contiguous(const Variable& x) {
  return record("contiguous", x.value().contiguous(),
                from(x, [](const Variable& dy) { return dy; }));
}
Variable clone(const Variable& x) {
  return record("clone", x.value().clone(), from(x, [](const Variable& dy) { return dy; }));
}

// y = x with dimension i taken from dims[i]        dx = dy with dimension dims[i] taken from i
Variable permute(const Variable& x, const Dims& dims) {
  Tensor value = permute(x.value(), dims);
  Dims inverse = dims;
  for (std::int64_t i = 0; i < dims.dim(); ++i)
    inverse[wrap_dim(dims[i], dims.dim(), "permute")] = i;
  describe(
      "permute",
      [&] {
        return Attributes{{"dims", dims}};
      },
      x);
  return record("permute", std::move(value),
                from(x, [inverse](const Variable& dy) { return permute(dy, inverse); }));
}

Variable transpose(const Variable& x, std::int64_t dim0, std::int64_t dim1) {
  describe(
      "transpose",
      [&] {
        return Attributes{{"dim0", dim0}, {"dim1", dim1}};
      },
      x);
  return record("transpose", transpose(x.value(), dim0, dim1),
                from(x, [dim0, dim1](const Variable& dy) { return transpose(dy, dim0, dim1); }));
}
Variable transpose(const Variable& x) {
  return record("transpose", transpose(x.value()),
                from(x, [](const Variable& dy) { return transpose(dy); }));
}

// The backward pass sums the gradient to x's shape.
Variable expand(const Variable& x, const Shape& shape) {
  return record("expand", expand(x.value(), shape), from(x, [](const Variable& dy) { return dy; }));
}
Variable broadcast_to(const Variable& x, const Shape& shape) {
  return record("broadcast_to", broadcast_to(x.value(), shape),
                from(x, [](const Variable& dy) { return dy; }));
}

namespace {

// Joins two at a time, because an entry's number of inputs is fixed at compile time. As a balanced
// tree this copies n log(count) elements.
Variable cat_range(std::span<const Variable> variables, std::int64_t dim) {
  if (variables.size() == 1) return variables.front();
  const std::size_t half = variables.size() / 2;
  const Variable a = cat_range(variables.first(half), dim);
  const Variable b = cat_range(variables.subspan(half), dim);
  const std::int64_t first = a.size(dim);
  const std::int64_t second = b.size(dim);
  describe(
      "cat",
      [&] {
        return Attributes{{"dim", dim}};
      },
      a, b);
  return record(
      "cat", cat({a.value(), b.value()}, dim),
      from(a, [dim, first](const Variable& dy) { return narrow(dy, dim, 0, first); }),
      from(b, [dim, first, second](const Variable& dy) { return narrow(dy, dim, first, second); }));
}

}  // namespace

// y = the parts, one after the other        the gradient of a part is its slice of dy
Variable cat(std::span<const Variable> variables, std::int64_t dim) {
  const bool tracked =
      Tape::is_recording() && std::any_of(variables.begin(), variables.end(),
                                          [](const Variable& x) { return x.requires_grad(); });
  if (!tracked) {
    std::vector<Tensor> values;
    for (const Variable& x : variables) values.push_back(x.value());
    return Variable(cat(values, dim));
  }
  const composition::Joined to = composition::joined(variables, dim);
  if (std::none_of(variables.begin(), variables.end(), composition::is_empty_vector<Variable>)) {
    return cat_range(variables, to.dim);
  }
  Shape empty_part = to.shape;  // an empty vector gets as many dimensions as the other parts
  empty_part[to.dim] = 0;
  std::vector<Variable> parts;
  for (const Variable& x : variables) {
    parts.push_back(composition::is_empty_vector(x) ? reshape(x, empty_part) : x);
  }
  return cat_range(parts, to.dim);
}

Variable stack(std::span<const Variable> variables, std::int64_t dim) {
  const std::int64_t position = composition::stacked(variables, dim).dim;
  std::vector<Variable> parts;  // of size 1 along the new dimension
  parts.reserve(variables.size());
  for (const Variable& x : variables) parts.push_back(unsqueeze(x, position));
  return cat(parts, position);
}

std::vector<Variable> split(const Variable& x, std::int64_t split_size, std::int64_t dim) {
  return composition::split(x, split_size, dim);
}
std::vector<Variable> split(const Variable& x, const Shape& split_sizes, std::int64_t dim) {
  return composition::split(x, split_sizes, dim);
}
std::vector<Variable> chunk(const Variable& x, std::int64_t chunks, std::int64_t dim) {
  return composition::chunk(x, chunks, dim);
}
std::vector<Variable> unbind(const Variable& x, std::int64_t dim) {
  return composition::unbind(x, dim);
}

}  // namespace tapegrad
