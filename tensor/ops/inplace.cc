// Copies, conversions and in-place operations. Read next: tensor/ops/reduce_shape.h.
#include <algorithm>
#include <cstring>
#include <string>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/strided_loop.h>

namespace tapegrad {
namespace {

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_same_v<To, std::int64_t> && std::is_floating_point_v<From>) {
    // Converting NaN or a value out of range is undefined in C++; this returns what x86 does, the
    // smallest integer.
    constexpr From kLimit = 9223372036854775808.0;
    return value >= -kLimit && value < kLimit ? static_cast<To>(value) : INT64_MIN;
  } else {
    return static_cast<To>(value);
  }
}

template <class To, class From>
void copy_row(To* to, std::int64_t to_stride, const From* from, std::int64_t from_stride,
              std::int64_t n) {
  if constexpr (std::is_same_v<To, From>) {
    if (to_stride == 1 && from_stride == 1) {
      std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(To));
      return;
    }
  }
  for (std::int64_t i = 0; i < n; ++i) to[i * to_stride] = convert<To>(from[i * from_stride]);
}

// DTypeError if `result`, the type of `to op from`, is of a higher kind than `to`'s type.
void check_in_place(const char* operation, const Tensor& to, DType result) {
  const auto kind = [](DType dtype) { return std::min(dtype, DType::float32); };
  if (kind(result) > kind(to.dtype())) {
    throw DTypeError(std::string(operation) + ": result is " + name(result) +
                     ", which does not fit into " + name(to.dtype()) + "; convert with to(" +
                     name(result) + ") first");
  }
}

void check_fits(const char* operation, const Tensor& to, const Tensor& from) {
  if (!broadcastable_to(from.sizes(), to.sizes())) {
    throw ShapeError(std::string(operation) + ": shape " + to_string(from.sizes()) +
                     " does not broadcast to " + to_string(to.sizes()));
  }
}

using Operation = Tensor (*)(const Tensor&, const Tensor&);
using NumberOperation = Tensor (*)(const Tensor&, Scalar);

// x = x op other. The result is complete before it is copied, so the operands may overlap.
Tensor& apply(Tensor& x, const char* name, Operation operation, const Tensor& other) {
  check_in_place(name, x, result_type(x, other));
  check_fits(name, x, other);
  return x.copy_(operation(x, other));
}
Tensor& apply(Tensor& x, const char* name, NumberOperation operation, Scalar other) {
  check_in_place(name, x, other.promote_with(x.dtype()));
  return x.copy_(operation(x, other));
}

}  // namespace

Tensor& Tensor::copy_(const Tensor& source) & {
  check_fits("copy_", *this, source);
  const Tensor from = shares_memory_with(source) ? source.clone() : source;
  writable("copy_");
  const detail::StridedLoop<2> loop(sizes(), {this, &from});
  visit(dtype(), [&](auto to_zero) {
    visit(from.dtype(), [&](auto from_zero) {
      using To = decltype(to_zero);
      using From = decltype(from_zero);
      To* to = reinterpret_cast<To*>(body_->data);
      const From* data = from.data<From>();
      loop.for_each_row([&](const auto& offset) {
        copy_row(to + offset[0], loop.row_stride(0), data + offset[1], loop.row_stride(1),
                 loop.row_size());
      });
    });
  });
  return *this;
}

Tensor& Tensor::fill_(Scalar value) & {
  writable("fill_");
  const detail::StridedLoop<1> loop(sizes(), {this});
  visit(dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T number = value.to<T>();
    T* data = reinterpret_cast<T*>(body_->data);
    loop.for_each_row([&](const auto& offset) {
      T* row = data + offset[0];
      if (loop.row_stride(0) == 1) {
        std::fill_n(row, loop.row_size(), number);
      } else {
        for (std::int64_t i = 0; i < loop.row_size(); ++i) row[i * loop.row_stride(0)] = number;
      }
    });
  });
  return *this;
}

Tensor Tensor::clone() const {
  Tensor copy = uninitialized_like(*this, dtype());
  if (is_contiguous()) {
    std::memcpy(copy.body_->data, body().data,
                static_cast<std::size_t>(numel()) * item_size(dtype()));
  } else {
    copy.copy_(*this);
  }
  return copy;
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

Tensor Tensor::to(DType wanted) const {
  if (dtype() == wanted) return *this;
  Tensor converted = uninitialized_like(*this, wanted);
  converted.copy_(*this);
  return converted;
}

Tensor& Tensor::add_(const Tensor& other, Scalar alpha) & {
  const DType result = result_type(*this, other);
  check_in_place("add_", *this, alpha.dtype() == float32 ? promote(result, float32) : result);
  check_fits("add_", *this, other);
  const bool floating = is_floating_point(dtype()) && dtype() == other.dtype();
  if (floating && !shares_memory_with(other)) {  // y += alpha * x, row by row
    const detail::StridedLoop<2> loop(sizes(), {this, &other});
    if (loop.row_stride(0) == 1 && loop.row_stride(1) == 1) {
      writable("add_");
      visit_floating(dtype(), [&](auto zero) {
        using T = decltype(zero);
        T* y = reinterpret_cast<T*>(body_->data);
        const T* x = other.data<T>();
        const auto n = static_cast<std::size_t>(loop.row_size());
        loop.for_each_row([&](const auto& offset) {
          kernel::kernels<T>().axpy(y + offset[0], alpha.to<T>(), x + offset[1], n);
        });
      });
      return *this;
    }
  }
  const bool one = alpha.dtype() != float32 && alpha.to<std::int64_t>() == 1;
  return copy_(one ? tapegrad::add(*this, other)
                   : tapegrad::add(*this, tapegrad::mul(other, alpha)));
}

Tensor& Tensor::add_(Scalar other) & { return apply(*this, "add_", tapegrad::add, other); }
Tensor& Tensor::sub_(const Tensor& other) & { return apply(*this, "sub_", tapegrad::sub, other); }
Tensor& Tensor::sub_(Scalar other) & { return apply(*this, "sub_", tapegrad::sub, other); }
Tensor& Tensor::mul_(const Tensor& other) & { return apply(*this, "mul_", tapegrad::mul, other); }
Tensor& Tensor::mul_(Scalar other) & { return apply(*this, "mul_", tapegrad::mul, other); }
Tensor& Tensor::div_(const Tensor& other) & { return apply(*this, "div_", tapegrad::div, other); }
Tensor& Tensor::div_(Scalar other) & { return apply(*this, "div_", tapegrad::div, other); }
Tensor& Tensor::clamp_(Scalar low, Scalar high) & {
  check_in_place("clamp_", *this, high.promote_with(low.promote_with(dtype())));
  return copy_(tapegrad::clamp(*this, low, high));
}

}  // namespace tapegrad
