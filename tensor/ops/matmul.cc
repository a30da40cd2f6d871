// Matrix products of vectors, matrices and batches, built on one kernel that accepts any strides
// (tensor/kernels/matmul.inl). Read next: tensor/ops/einsum.h.
#include <algorithm>
#include <string>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/gemm.h>

namespace tapegrad {
namespace {

using detail::Matrix;

// C (m, n), contiguous, = A (m, k) B (k, n).
template <class T>
void multiply(T* c, const Matrix<T>& a, const Matrix<T>& b, std::int64_t m, std::int64_t n,
              std::int64_t k) {
  if constexpr (std::is_floating_point_v<T>) {
    detail::gemm(c, n, a, b, m, n, k);
  } else {  // integers wrap around
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        std::uint64_t total = 0;
        for (std::int64_t p = 0; p < k; ++p) {
          total += static_cast<std::uint64_t>(a.data[i * a.row + p * a.column]) *
                   static_cast<std::uint64_t>(b.data[p * b.row + j * b.column]);
        }
        c[i * n + j] = static_cast<T>(total);
      }
    }
  }
}

[[noreturn, gnu::noinline]] void throw_inner_sizes(const char* operation, const Tensor& a,
                                                   const Tensor& b) {
  const std::int64_t k = a.size(-1);
  std::string hint;
  if (b.dim() >= 2 && b.size(-1) == k) {
    hint = "; did you mean transpose(b)?";
  } else if (a.dim() >= 2 && a.size(-2) == b.size(b.dim() == 1 ? 0 : -2)) {
    hint = "; did you mean transpose(a)?";
  }
  throw ShapeError(std::string(operation) + ": inner sizes differ: " + to_string(a.sizes()) +
                   " x " + to_string(b.sizes()) + hint);
}

void check_dtypes(const char* operation, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dtype() == boolean) {
    throw DTypeError(std::string(operation) + ": got " + name(a.dtype()) + " x " + name(b.dtype()) +
                     ", needed one numeric type; convert with to(" +
                     name(promote(promote(a.dtype(), b.dtype()), int64)) + ")");
  }
}

// Requires that both operands have at least two dimensions and that their inner sizes are equal.
Tensor product_of_batches(const Tensor& a, const Tensor& b) {
  const std::int64_t m = a.size(-2);
  const std::int64_t k = a.size(-1);
  const std::int64_t n = b.size(-1);
  if (a.dim() == 2 && b.dim() == 2) {
    Tensor c = Tensor::uninitialized(Shape{m, n}, a.dtype());
    visit(a.dtype(), [&](auto zero) {
      using T = decltype(zero);
      if constexpr (!std::is_same_v<T, bool>) {
        multiply<T>(c.mutable_data<T>(), {a.data<T>(), a.stride(0), a.stride(1)},
                    {b.data<T>(), b.stride(0), b.stride(1)}, m, n, k);
      }
    });
    return c;
  }
  if (b.dim() == 2 && a.is_contiguous()) {  // all batches of a are rows of one matrix
    Shape shape = a.shape();
    shape.erase(shape.dim() - 1);
    const std::int64_t rows = checked_numel(shape, "matmul");
    shape.push_back(n);
    return reshape(product_of_batches(reshape(a, {rows, k}), b), shape);
  }
  Shape shape = composition::broadcast_batches("matmul", a.sizes(), b.sizes());
  const std::int64_t batches = checked_numel(shape, "matmul");
  const auto stretch = [&](const Tensor& x) {
    Shape full = shape;
    full.push_back(x.size(-2));
    full.push_back(x.size(-1));
    const Tensor wide = expand(x, full);
    return reshape(wide, {batches, x.size(-2), x.size(-1)});
  };
  const Tensor left = stretch(a);   // (batches, m, k)
  const Tensor right = stretch(b);  // (batches, k, n)
  shape.push_back(m);
  shape.push_back(n);
  Tensor c = Tensor::uninitialized(shape, a.dtype());
  visit(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_same_v<T, bool>) {
      T* out = c.mutable_data<T>();
      for (std::int64_t i = 0; i < batches; ++i) {
        multiply<T>(
            out + i * m * n, {left.data<T>() + i * left.stride(0), left.stride(1), left.stride(2)},
            {right.data<T>() + i * right.stride(0), right.stride(1), right.stride(2)}, m, n, k);
      }
    }
  });
  return c;
}

void need_dims(const char* operation, const Tensor& a, std::int64_t a_dims, const Tensor& b,
               std::int64_t b_dims) {
  if (a.dim() != a_dims || b.dim() != b_dims) {
    throw ShapeError(std::string(operation) + ": got " + to_string(a.sizes()) + " and " +
                     to_string(b.sizes()) + ", needed " + std::to_string(a_dims) + "-d and " +
                     std::to_string(b_dims) + "-d; use matmul for other shapes");
  }
}

[[gnu::always_inline]] inline void check_operands(const Tensor& a, const Tensor& b) {
  check_dtypes("matmul", a, b);
  if (a.dim() == 0 || b.dim() == 0) {
    throw ShapeError("matmul: got " + to_string(a.sizes()) + " x " + to_string(b.sizes()) +
                     ", needed at least 1-d; use * to multiply by a number");
  }
  if (a.size(-1) != b.size(b.dim() == 1 ? 0 : -2)) throw_inner_sizes("matmul", a, b);
}

}  // namespace

Shape composition::broadcast_batches(const char* operation, std::span<const std::int64_t> a,
                                     std::span<const std::int64_t> b) {
  const auto left = a.first(a.size() - 2);
  const auto right = b.first(b.size() - 2);
  for (std::size_t i = 1; i <= std::min(left.size(), right.size()); ++i) {
    const std::int64_t x = left[left.size() - i];
    const std::int64_t y = right[right.size() - i];
    if (x == y || x == 1 || y == 1) continue;
    throw ShapeError(std::string(operation) + ": the batches of " + to_string(a) + " x " +
                     to_string(b) + " do not broadcast: sizes " + std::to_string(x) + " and " +
                     std::to_string(y) + ", needed equal sizes or 1");
  }
  return broadcast_shapes(left, right, operation);
}

void composition::check_matmul(const Tensor& a, const Tensor& b) { check_operands(a, b); }

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_operands(a, b);
  if (a.dim() >= 2 && b.dim() >= 2) return product_of_batches(a, b);
  if (a.dim() == 1 && b.dim() == 1) {
    return reshape(product_of_batches(unsqueeze(a, 0), unsqueeze(b, 1)), {});
  }
  return composition::matmul_of_vector(a, b);
}

Tensor mm(const Tensor& a, const Tensor& b) {
  need_dims("mm", a, 2, b, 2);
  return matmul(a, b);
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  need_dims("bmm", a, 3, b, 3);
  if (a.size(0) != b.size(0)) {
    throw ShapeError("bmm: batch sizes differ: " + to_string(a.sizes()) + " x " +
                     to_string(b.sizes()));
  }
  return matmul(a, b);
}

Tensor mv(const Tensor& a, const Tensor& b) {
  need_dims("mv", a, 2, b, 1);
  return matmul(a, b);
}

Tensor dot(const Tensor& a, const Tensor& b) {
  need_dims("dot", a, 1, b, 1);
  return matmul(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  need_dims("outer", a, 1, b, 1);
  return mul(unsqueeze(a, 1), b);
}

Tensor addmm(const Tensor& c, const Tensor& a, const Tensor& b, double beta, double alpha) {
  const Tensor product = mm(a, b);
  check_dtypes("addmm", product, c);
  if (!broadcastable_to(c.sizes(), product.sizes())) {
    throw ShapeError("addmm: " + to_string(c.sizes()) + " does not broadcast to the product's " +
                     to_string(product.sizes()));
  }
  const Tensor scaled = alpha == 1 ? product : product * alpha;
  return beta == 0 ? scaled : add(scaled, beta == 1 ? c : c * beta);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (weight.dim() != 2 || x.dim() == 0 || x.size(-1) != weight.size(1)) {
    throw ShapeError("linear: input " + to_string(x.sizes()) + " and weight " +
                     to_string(weight.sizes()) + ", needed (..., in) and (out, in)");
  }
  if (bias.defined() && (bias.dim() != 1 || bias.size(0) != weight.size(0))) {
    throw ShapeError("linear: bias " + to_string(bias.sizes()) + " for weight " +
                     to_string(weight.sizes()) + ", needed (" + std::to_string(weight.size(0)) +
                     ")");
  }
  if (x.dtype() != weight.dtype() && weight.dtype() != boolean) {  // not the parameters change
    throw DTypeError(std::string("linear: got input ") + name(x.dtype()) + " and weight " +
                     name(weight.dtype()) +
                     ", needed one numeric type; convert the input with to(" +
                     name(weight.dtype()) + ")");
  }
  check_dtypes("linear", x, weight);
  Tensor y = matmul(x, transpose(weight));  // (..., out)
  if (!bias.defined()) return y;
  check_dtypes("linear", y, bias);
  if (!is_floating_point(y.dtype()) || !bias.is_contiguous()) return y.add_(bias);
  visit_floating(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* out = y.mutable_data<T>();
    const auto columns = static_cast<std::size_t>(bias.numel());
    const std::size_t rows = columns == 0 ? 0 : static_cast<std::size_t>(y.numel()) / columns;
    kernel::kernels<T>().add_row(out, out, bias.data<T>(), rows, columns);
  });
  return y;
}

}  // namespace tapegrad
