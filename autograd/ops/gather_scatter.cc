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

namespace {

// scatter_reduce(): what its rules need of the call.
struct Reducing {
  std::int64_t dim;
  Variable index;
  bool include_self;

  const Tensor& at() const { return index.value(); }
  Variable from_there(const Variable& dy) const { return gather(dy, dim, at()); }
  // x, or its gradient, without the elements that do not take part.
  Variable own(const Variable& x, Scalar instead = 0) const {
    return include_self ? x : scatter(x, dim, at(), instead);
  }
  Tensor added(const Tensor& own_part, const Tensor& source) const {
    return scatter_add(own_part, dim, at(), source);
  }
};

// n is how many elements are reduced to one.
Variable record_mean(const Reducing& reducing, Tensor y, const Variable& x,
                     const Variable& source) {
  const Tensor one = ones_like(x.value());
  const Variable n =
      reducing.added(reducing.own(one).value(), ones(reducing.at().shape(), x.dtype()));
  return record(
      "scatter_reduce", std::move(y),
      from(x, [reducing, n](const Variable& dy) { return reducing.own(dy / n); }),
      from(source, [reducing, n](const Variable& dy) { return reducing.from_there(dy / n); }));
}

// ties is how many elements are equal to y. (PyTorch also counts an element of x that does not take
// part, but equals y.)
Variable record_extreme(const Reducing& reducing, Tensor y, const Variable& x,
                        const Variable& source) {
  const DType dtype = x.dtype();
  const Variable own = reducing.own(Variable((x.value() == y).to(dtype)));
  const Variable given = (source.value() == gather(y, reducing.dim, reducing.at())).to(dtype);
  const Tensor all = reducing.added(own.value(), given.value());
  const Variable ties = where(all == 0, 1, all);  // 0 where y is NaN
  return record("scatter_reduce", std::move(y),
                from(x, [own, ties](const Variable& dy) { return dy * own / ties; }),
                from(source, [reducing, given, ties](const Variable& dy) {
                  return reducing.from_there(dy / ties) * given;
                }));
}

// The product of all other elements, for each element of x or source: the product of those that are
// not 0, divided by the element. It is 0 if another element is 0.
Variable others(const Reducing& reducing, const Variable& x, const Variable& source, bool of_x) {
  const Variable own = reducing.own(x, 1);
  const auto nonzero_part = [](const Variable& v) { return where(v == 0, 1.0, v); };
  const auto is_zero = [](const Variable& v) { return (v == 0).to(v.dtype()); };
  Variable product =
      scatter_reduce(nonzero_part(own), reducing.dim, reducing.at(), nonzero_part(source), "prod");
  Variable zeros_there = reducing.added(is_zero(own), is_zero(source));
  if (!of_x) {
    product = reducing.from_there(product);
    zeros_there = reducing.from_there(zeros_there);
  }
  const Variable& element = of_x ? own : source;
  const Tensor counts = zeros_there.value() == is_zero(element);
  return where(counts, product / nonzero_part(element), 0);
}

Variable record_product(const Reducing& reducing, Tensor y, const Variable& x,
                        const Variable& source) {
  return record("scatter_reduce", std::move(y),
                from(x,
                     [reducing, x, source](const Variable& dy) {
                       return reducing.own(dy * others(reducing, x, source, true));
                     }),
                from(source, [reducing, x, source](const Variable& dy) {
                  return reducing.from_there(dy) * others(reducing, x, source, false);
                }));
}

}  // namespace

// With n elements reduced to one, of which k are equal to y:
//   sum:         dx = dy,                        dsource = dy from there
//   mean:        dx = dy / n,                    dsource = dy / n from there
//   amax, amin:  dx = dy / k where x == y,       dsource = dy / k from there, where source == y
//   prod:        dx = dy * product of others,    dsource likewise
// Without include_self, dx = 0 at index.
Variable scatter_reduce(const Variable& x, std::int64_t dim, const Tensor& index,
                        const Variable& source, const std::string& reduce, bool include_self) {
  Tensor y = scatter_reduce(x.value(), dim, index, source.value(), reduce, include_self);
  if (!is_floating_point(x.dtype())) return Variable(std::move(y));
  const Variable part = covered(source, index);
  const auto arguments = [&] {
    return Attributes{
        {"dim", dim}, {"index", index}, {"reduce", reduce}, {"include_self", include_self}};
  };
  describe("scatter_reduce", arguments, x, part);
  const Reducing reducing{dim, Variable(index), include_self};
  if (reduce == "mean") return record_mean(reducing, std::move(y), x, part);
  if (reduce == "amax" || reduce == "amin") return record_extreme(reducing, std::move(y), x, part);
  if (reduce == "prod") return record_product(reducing, std::move(y), x, part);
  return record("scatter_reduce", std::move(y),
                from(x, [reducing](const Variable& dy) { return reducing.own(dy); }),
                from(part, [reducing](const Variable& dy) { return reducing.from_there(dy); }));
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
