// Matrix products. Read next: autograd/ops/windows.h.
#include <string>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/ops/compositions.h>

namespace tapegrad {
namespace {

// dy b^T, where b has at least two dimensions.
Variable times_transposed(const Variable& dy, const Variable& b) {
  return matmul(dy, transpose(b));
}

// The gradient of b in a (..., m, k) x b (..., k, n): a^T dy. If b is a single matrix, it is summed
// over the batches of a, as one product over all rows of a.
Variable transposed_times(const Variable& a, const Variable& dy, bool b_is_matrix) {
  if (b_is_matrix && a.dim() > 2) {
    return matmul(transpose(flatten(a, 0, -2)), flatten(dy, 0, -2));
  }
  return matmul(transpose(a), dy);
}

}  // namespace

// y = a b          da = dy b^T,  db = a^T dy
Variable matmul(const Variable& a, const Variable& b) {
  if (a.dim() >= 2 && b.dim() >= 2) {
    return record("matmul", matmul(a.value(), b.value()),
                  from(a, [b](const Variable& dy) { return times_transposed(dy, b); }),
                  from(b, [a, matrix = b.dim() == 2](const Variable& dy) {
                    return transposed_times(a, dy, matrix);
                  }));
  }
  // A vector is a row on the left and a column on the right.
  if (a.dim() == 1 && b.dim() == 1) {
    return record("matmul", matmul(a.value(), b.value()),
                  from(a, [b](const Variable& dy) { return dy * b; }),
                  from(b, [a](const Variable& dy) { return dy * a; }));
  }
  composition::check_matmul(a.value(), b.value());
  return composition::matmul_of_vector(a, b);
}

Variable mm(const Variable& a, const Variable& b) {
  return record("mm", mm(a.value(), b.value()),
                from(a, [b](const Variable& dy) { return matmul(dy, transpose(b)); }),
                from(b, [a](const Variable& dy) { return matmul(transpose(a), dy); }));
}

Variable bmm(const Variable& a, const Variable& b) {
  return record("bmm", bmm(a.value(), b.value()),
                from(a, [b](const Variable& dy) { return matmul(dy, transpose(b)); }),
                from(b, [a](const Variable& dy) { return matmul(transpose(a), dy); }));
}

// (m, k) x (k)
Variable mv(const Variable& a, const Variable& b) {
  return record("mv", mv(a.value(), b.value()),
                from(a, [b](const Variable& dy) { return outer(dy, b); }),
                from(b, [a](const Variable& dy) { return matmul(transpose(a), dy); }));
}

Variable dot(const Variable& a, const Variable& b) {
  return record("dot", dot(a.value(), b.value()),
                from(a, [b](const Variable& dy) { return dy * b; }),
                from(b, [a](const Variable& dy) { return dy * a; }));
}

// (m) x (n) -> (m, n)
Variable outer(const Variable& a, const Variable& b) {
  return record("outer", outer(a.value(), b.value()),
                from(a, [b](const Variable& dy) { return matmul(dy, b.to(dy.dtype())); }),
                from(b, [a](const Variable& dy) { return matmul(a.to(dy.dtype()), dy); }));
}

// y = beta c + alpha a b
Variable addmm(const Variable& c, const Variable& a, const Variable& b, double beta, double alpha) {
  describe(
      "addmm",
      [&] {
        return Attributes{{"beta", beta}, {"alpha", alpha}};
      },
      c, a, b);
  return record(
      "addmm", addmm(c.value(), a.value(), b.value(), beta, alpha),
      from(c, [beta](const Variable& dy) { return beta * dy; }),
      from(a, [b, alpha](const Variable& dy) { return alpha * matmul(dy, transpose(b)); }),
      from(b, [a, alpha](const Variable& dy) { return alpha * matmul(transpose(a), dy); }));
}

// y = x w^T + bias        dx = dy w,  dw = dy^T x,  dbias = dy summed over all rows
Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  const auto dx = [weight](const Variable& dy) { return matmul(dy, weight); };
  const auto dweight = [x](const Variable& dy) {
    if (x.dim() == 1) return outer(dy, x);
    return matmul(transpose(flatten(dy, 0, -2)), flatten(x, 0, -2));
  };
  if (!bias.defined()) {
    return record("linear", linear(x.value(), weight.value()), from(x, dx), from(weight, dweight));
  }
  return record("linear", linear(x.value(), weight.value(), bias.value()), from(x, dx),
                from(weight, dweight), from(bias, [](const Variable& dy) { return dy; }));
}

// A linear layer of the flattened matrix a b^T: each product of two elements has its own weight.
Variable bilinear(const Variable& a, const Variable& b, const Variable& weight,
                  const Variable& bias) {
  const bool fits = weight.dim() == 3 && a.dim() >= 1 && b.dim() == a.dim() &&
                    a.size(-1) == weight.size(1) && b.size(-1) == weight.size(2);
  const auto batch = [](const Variable& x) { return Shape(x.sizes().first(x.sizes().size() - 1)); };
  if (!fits || batch(a) != batch(b)) {
    throw ShapeError("bilinear: inputs " + to_string(a.sizes()) + " and " + to_string(b.sizes()) +
                     " and weight " + to_string(weight.sizes()) +
                     ", needed (..., m), (..., n) and (out, m, n)");
  }
  const Variable products = flatten(unsqueeze(a, -1) * unsqueeze(b, -2), -2);
  return linear(products, flatten(weight, 1), bias);
}

}  // namespace tapegrad
