// Reductions, normalised exponentials and orderings. Read next: autograd/ops/normalization.cc.
#include <cmath>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/ops/fused.h>

namespace tapegrad {
namespace {

// What a reduction of x over dims did to the shape, to undo it: `kept` has size 1 where x was
// reduced.
struct Reduced {
  Shape full;
  Shape kept;

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

}  // namespace

// Sums --------------------------------------------------------------------------------------------

// y = sum of x     dx = dy, stretched
Variable sum(const Variable& x) {
  return record("sum", sum(x.value()),
                from(x, [shape = x.shape()](const Variable& dy) { return expand(dy, shape); }));
}
Variable sum(const Variable& x, const Dims& dims, bool keepdim) {
  return record("sum", sum(x.value(), dims, keepdim),
                from(x, [to = Reduced(x, dims)](const Variable& dy) { return to.stretch(dy); }));
}

// y = sum of x / n         dx = dy / n, stretched
Variable mean(const Variable& x) {
  return record("mean", mean(x.value()), from(x, [shape = x.shape()](const Variable& dy) {
                  return expand(dy / static_cast<double>(checked_numel(shape, "mean")), shape);
                }));
}
Variable mean(const Variable& x, const Dims& dims, bool keepdim) {
  return record(
      "mean", mean(x.value(), dims, keepdim),
      from(x, [to = Reduced(x, dims)](const Variable& dy) { return to.stretch(dy / to.count()); }));
}

// y = sum of (x - mean)^2 / (n - 1)        dx = dy * 2 (x - mean) / (n - 1)
Variable var(const Variable& x, const Dims& dims, bool unbiased, bool keepdim) {
  return record("var", var(x.value(), dims, unbiased, keepdim),
                from(x, [x, dims, unbiased, to = Reduced(x, dims)](const Variable& dy) {
                  const Variable centred = x - to.keep(mean(x, dims));
                  return to.keep(dy) * centred * (2.0 / (to.count() - (unbiased ? 1 : 0)));
                }));
}

// y = sqrt(var)    dx = dy * (x - mean) / ((n - 1) y), 0 where y = 0
Variable std(const Variable& x, const Dims& dims, bool unbiased, bool keepdim) {
  return record(
      "std", std(x.value(), dims, unbiased, keepdim),
      from(x, [x, dims, unbiased, to = Reduced(x, dims)](const Variable& dy, const Variable& y) {
        const Variable centred = x - to.keep(mean(x, dims));
        const Variable scale = where(y.value() == 0, 0, dy / y);
        return to.keep(scale) * centred * (1.0 / (to.count() - (unbiased ? 1 : 0)));
      }));
}

// A tree of products, which is right for zeros too, where y / x would not be.
Variable prod(const Variable& x, std::int64_t dim, bool keepdim) {
  if (x.dim() == 0) return reshape(x, {});
  std::int64_t size = x.size(dim);
  if (!x.requires_grad()) return Variable(prod(x.value(), dim, keepdim));
  if (size == 0) {
    return record("prod", prod(x.value(), dim, keepdim), from(x, [empty = x](const Variable&) {
                    return Variable(zeros_like(empty.value()));
                  }));
  }
  Variable product = x;
  while (size > 1) {
    const std::int64_t half = size / 2;
    const Variable pairs = narrow(product, dim, 0, half) * narrow(product, dim, half, half);
    product = size % 2 == 0 ? pairs : cat({pairs, narrow(product, dim, size - 1, 1)}, dim);
    size = half + size % 2;
  }
  return keepdim ? product : squeeze(product, dim);
}
Variable prod(const Variable& x) { return prod(flatten(x), 0); }

// y = (sum |x|^p)^(1/p)    dx = dy * sign(x) (|x| / y)^(p - 1), 0 where y = 0
Variable norm(const Variable& x, double p, const Dims& dims, bool keepdim) {
  return record("norm", norm(x.value(), p, dims, keepdim),
                from(x, [x, p, to = Reduced(x, dims)](const Variable& dy, const Variable& result) {
                  const Variable scale = to.keep(dy);
                  const Variable y = to.keep(result);
                  const Tensor flat = y.value() == 0;
                  if (p == 0) return Variable(zeros_like(x.value()));
                  if (p == 1) return scale * sign(x);
                  if (p == 2) return where(flat, 0, x * (scale / y));
                  if (std::isinf(p)) {  // shared equally by the elements that are largest
                    const Tensor largest = abs(x.value()) == y.value();
                    const Tensor count = sum_to(largest.to(x.dtype()), y.shape());
                    return where(largest, sign(x) * (scale / Variable(count)), 0);
                  }
                  // |x|^(p - 1) is differentiated again only where x is not 0.
                  const Tensor zero = x.value() == 0;
                  const Variable power = pow(where(zero, 1, abs(x)) / y, p - 1);
                  const Tensor nothing = p > 1 ? flat || zero : flat;
                  return where(nothing, 0, scale * sign(x) * power);
                }));
}
Variable norm(const Variable& x, double p) { return norm(x, p, Dims(), false); }

// y = x[0] + ... + x[i] at i       dx = dy summed from the end
Variable cumsum(const Variable& x, std::int64_t dim) {
  return record("cumsum", cumsum(x.value(), dim), from(x, [dim](const Variable& dy) {
                  if (dy.dim() == 0) return dy;
                  return flip(cumsum(flip(dy, dim), dim), dim);
                }));
}

// Exponentials ------------------------------------------------------------------------------------

// y = log(sum of e^x)      dx = dy * e^(x - y)
Variable logsumexp(const Variable& x, const Dims& dims, bool keepdim) {
  return record("logsumexp", logsumexp(x.value(), dims, keepdim),
                from(x, [x, to = Reduced(x, dims)](const Variable& dy, const Variable& y) {
                  return to.keep(dy) * exp(x - to.keep(y));
                }));
}

// y = e^x / sum of e^x     dx = y * (dy - sum of dy * y)
Variable softmax(const Variable& x, std::int64_t dim) {
  return record("softmax", softmax(x.value(), dim),
                from(x, [dim](const Variable& dy, const Variable& y) {
                  if (!tape().recording()) {
                    return Variable(softmax_backward(dy.value(), y.value(), dim));
                  }
                  return y * (dy - sum(dy * y, dim, true));
                }));
}

// y = x - log(sum of e^x)  dx = dy - e^y * sum of dy
Variable log_softmax(const Variable& x, std::int64_t dim) {
  return record("log_softmax", log_softmax(x.value(), dim),
                from(x, [dim](const Variable& dy, const Variable& y) {
                  if (!tape().recording()) {
                    return Variable(log_softmax_backward(dy.value(), y.value(), dim));
                  }
                  return dy - exp(y) * sum(dy, dim, true);
                }));
}

// Extremes and orderings --------------------------------------------------------------------------

namespace {

// y = the largest (smallest) x     dx = dy, shared equally by the elements that equal y
Variable extreme(const char* name, const Variable& x, Tensor value) {
  return record(name, std::move(value), from(x, [x](const Variable& dy, const Variable& y) {
                  const Tensor equal = x.value() == y.value() || isnan(x.value());
                  return where(equal, dy / sum(equal).item<double>(), 0);
                }));
}

// y = elements of x at indices along dim       dx = dy at those places
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

}  // namespace

Variable max(const Variable& x) { return extreme("max", x, max(x.value())); }
Variable min(const Variable& x) { return extreme("min", x, min(x.value())); }
VariableAndIndices max(const Variable& x, std::int64_t dim, bool keepdim) {
  return picked("max", x, max(x.value(), dim, keepdim), dim, keepdim);
}
VariableAndIndices min(const Variable& x, std::int64_t dim, bool keepdim) {
  return picked("min", x, min(x.value(), dim, keepdim), dim, keepdim);
}
VariableAndIndices sort(const Variable& x, std::int64_t dim, bool descending) {
  return picked("sort", x, sort(x.value(), dim, descending), dim, true);
}
VariableAndIndices topk(const Variable& x, std::int64_t k, std::int64_t dim, bool largest) {
  return picked("topk", x, topk(x.value(), k, dim, largest), dim, true);
}

}  // namespace tapegrad
