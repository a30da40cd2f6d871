// max and min, of all elements or along a dimension with their positions. Read next:
// autograd/ops/softmax.cc.
#include <tapegrad/autograd/ops/minmax.h>

#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/reduced.h>
#include <tapegrad/autograd/record.h>

namespace tapegrad {
namespace {

// y = the largest (smallest) x     dx = dy, shared equally by the elements that equal y
Variable extreme(const char* name, const Variable& x, Tensor value) {
  return record(name, std::move(value), from(x, [x](const Variable& dy, const Variable& y) {
                  const Tensor equal = x.value() == y.value() || isnan(x.value());
                  return where(equal, dy / sum(equal).item<double>(), 0);
                }));
}

// y = the largest (smallest) x over dims     dx = dy, shared equally by those that equal y
Variable extreme(const char* name, const Variable& x, Tensor value, const Dims& dims,
                 bool keepdim) {
  describe(
      name,
      [&] {
        return Attributes{{"dim", dims}, {"keepdim", keepdim}};
      },
      x);
  return record(name, std::move(value),
                from(x, [x, to = Reduced(x, dims)](const Variable& dy, const Variable& y) {
                  const Tensor equal = x.value() == to.keep(y).value() || isnan(x.value());
                  const Tensor count = sum_to(equal.to(dy.dtype()), to.kept);
                  return where(equal, to.keep(dy) / Variable(count), 0);
                }));
}

}  // namespace

// y = elements of x at indices along dim       dx = dy at those positions
VariableAndIndices picked(const char* name, const Variable& x, ValuesAndIndices result,
                          std::int64_t dim, bool keepdim) {
  Variable values = record(name, std::move(result.values),
                           from(x, [at = Variable(result.indices), dim, keepdim, shape = x.shape(),
                                    dtype = x.dtype()](const Variable& dy) {
                             if (shape.empty()) return dy;
                             const Tensor& indices = at.value();
                             return scatter_add(zeros(shape, dtype), dim,
                                                keepdim ? indices : unsqueeze(indices, dim),
                                                keepdim ? dy : unsqueeze(dy, dim));
                           }));
  return {std::move(values), std::move(result.indices)};
}

Variable amax(const Variable& x, const Dims& dims, bool keepdim) {
  return extreme("amax", x, amax(x.value(), dims, keepdim), dims, keepdim);
}
Variable amin(const Variable& x, const Dims& dims, bool keepdim) {
  return extreme("amin", x, amin(x.value(), dims, keepdim), dims, keepdim);
}
Variable max(const Variable& x) { return extreme("max", x, max(x.value())); }
Variable min(const Variable& x) { return extreme("min", x, min(x.value())); }
VariableAndIndices max(const Variable& x, std::int64_t dim, bool keepdim) {
  describe(
      "max",
      [&] {
        return Attributes{{"dim", dim}, {"keepdim", keepdim}};
      },
      x);
  return picked("max", x, max(x.value(), dim, keepdim), dim, keepdim);
}
VariableAndIndices min(const Variable& x, std::int64_t dim, bool keepdim) {
  describe(
      "min",
      [&] {
        return Attributes{{"dim", dim}, {"keepdim", keepdim}};
      },
      x);
  return picked("min", x, min(x.value(), dim, keepdim), dim, keepdim);
}

}  // namespace tapegrad
