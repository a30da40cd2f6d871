// softmax, log_softmax and logsumexp. The kernels work on the last dimension; any other dimension
// is moved there first. Read next: tensor/ops/sorting.cc.
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/fused.h>
#include <tapegrad/tensor/ops/reduce_shape.h>

namespace tapegrad {
namespace {

// Calls function(kernels, y, x, rows, columns), where the columns are dimension `dim`.
template <class Function>
Tensor by_rows(const char* operation, const Tensor& x, std::int64_t dim, const Function& function) {
  detail::require_floating(operation, x.dtype());
  const std::size_t position = detail::fast_wrap_dim(dim, x.sizes().size(), operation);
  const bool last = position + 1 >= x.sizes().size();
  const auto swapped = static_cast<std::int64_t>(position);
  const Tensor in = last ? x.contiguous() : transpose(x, swapped, -1).contiguous();
  Tensor out = Tensor::uninitialized_like(in, in.dtype());
  if (out.numel() == 0) return last ? out : transpose(out, swapped, -1).contiguous();
  const auto columns = static_cast<std::size_t>(in.dim() == 0 ? 1 : in.sizes().back());
  visit_floating(in.dtype(), [&](auto zero) {
    using T = decltype(zero);
    function(kernel::kernels<T>(), out.mutable_data<T>(), in.data<T>(),
             static_cast<std::size_t>(in.numel()) / columns, columns);
  });
  return last ? out : transpose(out, swapped, -1).contiguous();
}

// The same for function(kernels, dx, dy, y, rows, columns).
template <class Function>
Tensor backward_by_rows(const Tensor& dy, const Tensor& y, std::int64_t dim,
                        const Function& function) {
  const bool last = y.dim() == 0 || wrap_dim(dim, y.dim(), "softmax") == y.dim() - 1;
  const Tensor from = (last ? dy : transpose(dy, dim, -1)).contiguous();
  const Tensor result = (last ? y : transpose(y, dim, -1)).contiguous();
  Tensor dx = Tensor::uninitialized_like(result, result.dtype());
  const auto columns = static_cast<std::size_t>(result.dim() == 0 ? 1 : result.sizes().back());
  if (result.numel() > 0) {
    visit_floating(result.dtype(), [&](auto zero) {
      using T = decltype(zero);
      function(kernel::kernels<T>(), dx.mutable_data<T>(), from.data<T>(), result.data<T>(),
               static_cast<std::size_t>(result.numel()) / columns, columns);
    });
  }
  return last ? dx : transpose(dx, dim, -1);
}

}  // namespace

Tensor softmax_backward(const Tensor& dy, const Tensor& y, std::int64_t dim) {
  return backward_by_rows(dy, y, dim, [](const auto& kernels, auto... arguments) {
    kernels.softmax_backward(arguments...);
  });
}

Tensor log_softmax_backward(const Tensor& dy, const Tensor& y, std::int64_t dim) {
  return backward_by_rows(dy, y, dim, [](const auto& kernels, auto... arguments) {
    kernels.log_softmax_backward(arguments...);
  });
}

Tensor softmax(const Tensor& x, std::int64_t dim) {
  return by_rows("softmax", x, dim, [](const auto& kernels, auto* y, const auto* from, auto... n) {
    kernels.softmax(y, from, n...);
  });
}

Tensor log_softmax(const Tensor& x, std::int64_t dim) {
  return by_rows("log_softmax", x, dim,
                 [](const auto& kernels, auto* y, const auto* from, auto... n) {
                   kernels.log_softmax(y, from, n...);
                 });
}

Tensor logsumexp(const Tensor& x, const Dims& dims, bool keepdim) {
  const detail::DimSet set = detail::dim_set(dims, x.dim(), "logsumexp");
  const detail::Rows rows(is_floating_point(x.dtype()) ? x : x.to(float32), set);
  Tensor out = Tensor::uninitialized(detail::reduced_shape(x, set, keepdim), rows.x.dtype());
  visit_floating(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernel::kernels<T>().logsumexp(out.mutable_data<T>(), rows.x.data<T>(),
                                   static_cast<std::size_t>(rows.count),
                                   static_cast<std::size_t>(rows.size));
  });
  return out;
}

Tensor softmin(const Tensor& x, std::int64_t dim) { return softmax(-x, dim); }

}  // namespace tapegrad
