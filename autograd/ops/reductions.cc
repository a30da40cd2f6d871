// Reductions: sum, mean, variance, product, norm; and cumsum. Read next: autograd/ops/minmax.h.
#include <cmath>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/reduced.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/ops/compositions.h>

namespace tapegrad {

// y = sum of x     dx = dy, expanded
Variable sum(const Variable& x) {
  return record("sum", sum(x.value()),
                from(x, [shape = x.shape()](const Variable& dy) { return expand(dy, shape); }));
}
Variable sum(const Variable& x, const Dims& dims, bool keepdim) {
  describe(
      "sum",
      [&] {
        return Attributes{{"dim", dims}, {"keepdim", keepdim}};
      },
      x);
  return record(
      "sum", sum(x.value(), dims, keepdim),
      from(x, [to = Reduced(x, dims)](const Variable& dy) { return to.expand_to_full(dy); }));
}

// y = sum of x / n         dx = dy / n, expanded
Variable mean(const Variable& x) {
  return record("mean", mean(x.value()), from(x, [shape = x.shape()](const Variable& dy) {
                  return expand(dy / static_cast<double>(checked_numel(shape, "mean")), shape);
                }));
}
Variable mean(const Variable& x, const Dims& dims, bool keepdim) {
  describe(
      "mean",
      [&] {
        return Attributes{{"dim", dims}, {"keepdim", keepdim}};
      },
      x);
  return record("mean", mean(x.value(), dims, keepdim),
                from(x, [to = Reduced(x, dims)](const Variable& dy) {
                  return to.expand_to_full(dy / to.count());
                }));
}

// y = sum of (x - mean)^2 / (n - 1)        dx = dy * 2 (x - mean) / (n - 1)
Variable var(const Variable& x, const Dims& dims, bool unbiased, bool keepdim) {
  const auto arguments = [&] {
    return Attributes{{"dim", dims}, {"unbiased", unbiased}, {"keepdim", keepdim}};
  };
  describe("var", arguments, x);
  return record("var", var(x.value(), dims, unbiased, keepdim),
                from(x, [x, dims, unbiased, to = Reduced(x, dims)](const Variable& dy) {
                  const Variable centered = x - to.keep(mean(x, dims));
                  return to.keep(dy) * centered * (2.0 / (to.count() - (unbiased ? 1 : 0)));
                }));
}

// y = sqrt(var)    dx = dy * (x - mean) / ((n - 1) y), 0 where y = 0
Variable std(const Variable& x, const Dims& dims, bool unbiased, bool keepdim) {
  const auto arguments = [&] {
    return Attributes{{"dim", dims}, {"unbiased", unbiased}, {"keepdim", keepdim}};
  };
  describe("std", arguments, x);
  return record(
      "std", std(x.value(), dims, unbiased, keepdim),
      from(x, [x, dims, unbiased, to = Reduced(x, dims)](const Variable& dy, const Variable& y) {
        const Variable centered = x - to.keep(mean(x, dims));
        const Variable scale = where(y.value() == 0, 0, dy / y);
        return to.keep(scale) * centered * (1.0 / (to.count() - (unbiased ? 1 : 0)));
      }));
}

Variable stddev(const Variable& x, const Dims& dims, bool unbiased, bool keepdim) {
  return std(x, dims, unbiased, keepdim);
}

// A tree of products. Its gradient is correct for zeros, too, where y / x would be NaN.
Variable prod(const Variable& x, std::int64_t dim, bool keepdim) {
  if (!x.requires_grad()) return Variable(prod(x.value(), dim, keepdim));
  dim = wrap_dim(dim, x.dim(), "prod");
  if (x.dim() == 0) return reshape(x, {});
  std::int64_t size = x.size(dim);
  if (size == 0) {
    describe(
        "prod",
        [&] {
          return Attributes{{"dim", dim}, {"keepdim", keepdim}};
        },
        x);
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
  describe(
      "norm",
      [&] {
        return Attributes{{"p", p}, {"dim", dims}, {"keepdim", keepdim}};
      },
      x);
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
  describe(
      "cumsum",
      [&] {
        return Attributes{{"dim", dim}};
      },
      x);
  return record("cumsum", cumsum(x.value(), dim), from(x, [dim](const Variable& dy) {
                  if (dy.dim() == 0) return dy;
                  return flip(cumsum(flip(dy, dim), dim), dim);
                }));
}

// y = x summed to shape             dx = dy expanded
Variable sum_to(const Variable& x, const Shape& shape) {
  return record("sum_to", sum_to(x.value(), shape),
                from(x, [full = x.shape()](const Variable& dy) { return expand(dy, full); }));
}

// Compositions ------------------------------------------------------------------------------------

Variable var(const Variable& x, const Dims& dims, const VarOptions& options) {
  return composition::var(x, dims, options);
}
Variable std(const Variable& x, const Dims& dims, const VarOptions& options) {
  return composition::std(x, dims, options);
}
Variable cumprod(const Variable& x, std::int64_t dim) { return composition::cumprod(x, dim); }

}  // namespace tapegrad
