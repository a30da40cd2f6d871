// Layer normalization: the forward pass and the two fused gradients. Read next: tensor/ops/gemm.h.
#include <algorithm>
#include <string>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/fused.h>
#include <tapegrad/tensor/ops/reduce_shape.h>

namespace tapegrad {
namespace {

struct Extent {
  std::size_t rows;
  std::size_t columns;
  Extent(const Tensor& x, const Tensor& mean)
      : rows(static_cast<std::size_t>(mean.numel())),
        columns(rows == 0 ? 0 : static_cast<std::size_t>(x.numel()) / rows) {}
};

Tensor contiguous_or_none(const Tensor& x) { return x.defined() ? x.contiguous() : Tensor(); }

void check_shape(const Tensor& x, const Shape& shape) {
  detail::require_floating("layer_norm", x.dtype());
  const std::size_t given = shape.size();
  const auto sizes = x.sizes();
  if (given > 0 && given <= sizes.size() && std::ranges::equal(sizes.last(given), shape)) return;
  throw ShapeError("layer_norm: x is " + to_string(sizes) + " and normalized_shape " +
                   to_string(shape) + ", needed the last sizes of x");
}

void check_affine(const char* which, const Tensor& given, const Tensor& x, const Shape& shape) {
  if (!given.defined()) return;
  if (given.shape() != shape) {
    throw ShapeError(std::string("layer_norm: ") + which + " is " + name(given.dtype()) + " " +
                     to_string(given.sizes()) + ", needed " + name(x.dtype()) + " " +
                     to_string(shape));
  }
  detail::require_same_dtype("layer_norm", x.dtype(), which, given.dtype());
}

}  // namespace

Normalized layer_norm_forward(const Tensor& x, const Shape& shape, const Tensor& weight,
                              const Tensor& bias, double eps) {
  check_shape(x, shape);
  check_affine("weight", weight, x, shape);
  check_affine("bias", bias, x, shape);
  const Tensor in = x.contiguous();
  const Tensor b = contiguous_or_none(bias);
  const Tensor w =
      b.defined() && !weight.defined() ? ones(shape, x.dtype()) : contiguous_or_none(weight);
  const std::int64_t columns = checked_numel(shape, "layer_norm");
  const std::int64_t rows = columns == 0 ? 0 : in.numel() / columns;
  Normalized result{Tensor::uninitialized_like(in, in.dtype()),
                    Tensor::uninitialized(Shape{rows}, in.dtype()),
                    Tensor::uninitialized(Shape{rows}, in.dtype())};
  visit_floating(in.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernel::kernels<T>().layer_norm(
        result.y.mutable_data<T>(), result.mean.mutable_data<T>(), result.scale.mutable_data<T>(),
        in.data<T>(), detail::data_or_null<T>(w), detail::data_or_null<T>(b),
        static_cast<std::size_t>(rows), static_cast<std::size_t>(columns), static_cast<T>(eps));
  });
  return result;
}

Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Normalized& forward,
                           const Tensor& weight) {
  const Tensor in = x.contiguous();
  const Tensor from = dy.contiguous();
  const Tensor w = contiguous_or_none(weight);
  const Extent extent(in, forward.mean);
  Tensor dx = Tensor::uninitialized_like(in, in.dtype());
  visit_floating(in.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernel::kernels<T>().layer_norm_backward(
        dx.mutable_data<T>(), from.data<T>(), in.data<T>(), forward.mean.data<T>(),
        forward.scale.data<T>(), detail::data_or_null<T>(w), extent.rows, extent.columns);
  });
  return dx;
}

// Sums the rows of each block first and then the blocks, which keeps rounding errors small.
Tensor layer_norm_weight_backward(const Tensor& dy, const Tensor& x, const Normalized& forward,
                                  const Shape& shape) {
  constexpr std::size_t kBlock = 64;  // rows
  const Tensor in = x.contiguous();
  const Tensor from = dy.contiguous();
  const Extent extent(in, forward.mean);
  const std::size_t columns = extent.columns;
  const auto blocks = static_cast<std::int64_t>((extent.rows + kBlock - 1) / kBlock);
  Tensor sums = zeros({blocks, static_cast<std::int64_t>(columns)}, in.dtype());
  visit_floating(in.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* sum = sums.mutable_data<T>();
    for (std::size_t row = 0; row < extent.rows; row += kBlock, sum += columns) {
      const std::size_t count = extent.rows - row < kBlock ? extent.rows - row : kBlock;
      kernel::kernels<T>().layer_norm_weight_backward(
          sum, from.data<T>() + row * columns, in.data<T>() + row * columns,
          forward.mean.data<T>() + row, forward.scale.data<T>() + row, count, columns);
    }
  });
  if (blocks == 0) return zeros(shape, in.dtype());
  return reshape(blocks == 1 ? sums : sum(sums, 0), shape);
}

Tensor layer_norm(const Tensor& x, const Shape& normalized_shape, const Tensor& weight,
                  const Tensor& bias, double eps) {
  return layer_norm_forward(x, normalized_shape, weight, bias, eps).y;
}

}  // namespace tapegrad
