// Creates constants and ranges; also to_vector, which copies a tensor's elements. Read next:
// tensor/ops/strided_loop.h.
#include <algorithm>
#include <cmath>
#include <string>

#include <tapegrad/tensor/ops.h>

namespace tapegrad {

Tensor empty(const Shape& shape, DType dtype) { return Tensor::uninitialized(shape, dtype); }

Tensor full(const Shape& shape, Scalar value, DType dtype) {
  Tensor result = Tensor::uninitialized(shape, dtype);
  result.fill_(value);
  return result;
}
Tensor full(const Shape& shape, Scalar value) { return full(shape, value, value.dtype()); }
Tensor zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }
Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }

Tensor full_like(const Tensor& x, Scalar value) {
  Tensor result = Tensor::uninitialized_like(x, x.dtype());
  result.fill_(value);
  return result;
}
Tensor zeros_like(const Tensor& x) { return full_like(x, 0); }
Tensor ones_like(const Tensor& x) { return full_like(x, 1); }
Tensor empty_like(const Tensor& x) { return Tensor::uninitialized_like(x, x.dtype()); }

Tensor eye(std::int64_t n, std::int64_t m, DType dtype) {
  Tensor result = zeros({n, m}, dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* data = result.mutable_data<T>();
    for (std::int64_t i = 0; i < std::min(n, m); ++i) data[i * (m + 1)] = T{1};
  });
  return result;
}
Tensor eye(std::int64_t n, DType dtype) { return eye(n, n, dtype); }

Tensor arange(Scalar start, Scalar end, Scalar step, DType dtype) {
  const double first = start.to<double>();
  const double stride = step.to<double>();
  if (stride == 0) throw ValueError("arange: step is 0");
  const double length = std::ceil((end.to<double>() - first) / stride);
  if (!(length >= 0)) {
    throw ValueError("arange: from " + std::to_string(first) + " to " +
                     std::to_string(end.to<double>()) + " with step " + std::to_string(stride) +
                     ": the step leads away from the end");
  }
  if (length > 1e15) throw ShapeError("arange: more elements than can be addressed");
  Tensor result = Tensor::uninitialized(Shape(static_cast<std::int64_t>(length)), dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* data = result.mutable_data<T>();
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      if constexpr (std::is_same_v<T, std::int64_t>) {
        data[i] = start.to<std::int64_t>() + i * step.to<std::int64_t>();
      } else {
        data[i] = static_cast<T>(first + static_cast<double>(i) * stride);
      }
    }
  });
  return result;
}
Tensor arange(Scalar start, Scalar end, Scalar step) {
  const DType dtype = promote(promote(start.dtype(), end.dtype()), step.dtype());
  return arange(start, end, step, promote(dtype, int64));
}
Tensor arange(Scalar end) { return arange(0, end, 1); }

Tensor linspace(double start, double end, std::int64_t steps, DType dtype) {
  if (steps < 0) throw ValueError("linspace: negative number of steps " + std::to_string(steps));
  Tensor result = Tensor::uninitialized(Shape(steps), dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* data = result.mutable_data<T>();
    const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
    for (std::int64_t i = 0; i < steps; ++i) {  // from both ends, so that both are exact
      data[i] =
          detail::number_cast<T>(i < steps / 2 ? start + step * static_cast<double>(i)
                                               : end - step * static_cast<double>(steps - 1 - i),
                                 "linspace");
    }
    if (steps == 1) data[0] = detail::number_cast<T>(start, "linspace");
  });
  return result;
}

template <TensorElement T>
std::vector<T> detail::elements(const Tensor& x) {
  const Tensor values = x.to(dtype_of<T>::value).contiguous();
  return std::vector<T>(values.data<T>(), values.data<T>() + values.numel());
}
template std::vector<bool> detail::elements(const Tensor&);
template std::vector<std::int64_t> detail::elements(const Tensor&);
template std::vector<float> detail::elements(const Tensor&);
template std::vector<double> detail::elements(const Tensor&);

}  // namespace tapegrad
