// softmax, log_softmax and logsumexp. Read next: autograd/ops/sorting.cc.
#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/reduced.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/ops/fused.h>

namespace tapegrad {

// y = log(sum of e^x)      dx = dy * e^(x - y)
Variable logsumexp(const Variable& x, const Dims& dims, bool keepdim) {
  describe(
      "logsumexp",
      [&] {
        return Attributes{{"dim", dims}, {"keepdim", keepdim}};
      },
      x);
  return record("logsumexp", logsumexp(x.value(), dims, keepdim),
                from(x, [x, to = Reduced(x, dims)](const Variable& dy, const Variable& y) {
                  return to.keep(dy) * exp(x - to.keep(y));
                }));
}

// y = e^x / sum of e^x     dx = y * (dy - sum of dy * y)
Variable softmax(const Variable& x, std::int64_t dim) {
  describe(
      "softmax",
      [&] {
        return Attributes{{"dim", dim}};
      },
      x);
  return record_fused(
      "softmax", softmax(x.value(), dim), x,
      [dim](const Tensor& dy, const Tensor& y) { return softmax_backward(dy, y, dim); },
      [dim](const Variable& dy, const Variable& y) { return y * (dy - sum(dy * y, dim, true)); });
}

// y = x - log(sum of e^x)  dx = dy - e^y * sum of dy
Variable log_softmax(const Variable& x, std::int64_t dim) {
  describe(
      "log_softmax",
      [&] {
        return Attributes{{"dim", dim}};
      },
      x);
  return record_fused(
      "log_softmax", log_softmax(x.value(), dim), x,
      [dim](const Tensor& dy, const Tensor& y) { return log_softmax_backward(dy, y, dim); },
      [dim](const Variable& dy, const Variable& y) { return dy - exp(y) * sum(dy, dim, true); });
}

Variable softmin(const Variable& x, std::int64_t dim) { return softmax(-x, dim); }

}  // namespace tapegrad
