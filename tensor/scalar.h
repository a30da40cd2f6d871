// A single number passed to an operation. It remembers whether it was written as a bool, an integer
// or a floating-point number: `ids + 1` stays int64, `ids + 1.0` becomes float32, as in PyTorch.
// Read next: tensor/shape.h.
#pragma once

#include <concepts>
#include <cstdint>

#include <tapegrad/tensor/dtype.h>

namespace tapegrad {

class Scalar {
 public:
  template <std::integral T>
  constexpr Scalar(T value)  // NOLINT: implicit, for `x + 1`
      : integer_(static_cast<std::int64_t>(value)),
        floating_(static_cast<double>(value)),
        dtype_(std::same_as<T, bool> ? DType::boolean : DType::int64) {}

  template <std::floating_point T>
  constexpr Scalar(T value)  // NOLINT
      : integer_(0), floating_(static_cast<double>(value)), dtype_(DType::float32) {}

  // boolean, int64, or float32 for any floating-point number.
  constexpr DType dtype() const { return dtype_; }

  template <class T>
  requires(Number<T> || std::floating_point<T>) constexpr T to() const {
    if constexpr (std::same_as<T, bool>) {
      return !(floating_ >= 0 && floating_ <= 0);  // true for NaN
    } else if constexpr (std::integral<T>) {
      return dtype_ == DType::float32 ? static_cast<T>(floating_) : static_cast<T>(integer_);
    } else {
      return static_cast<T>(floating_);
    }
  }

  // The element type of `tensor op scalar`: the tensor's own, unless the scalar is of a higher kind
  // (boolean < integer < floating-point).
  constexpr DType promote_with(DType tensor) const { return promote(tensor, dtype_); }

 private:
  std::int64_t integer_;
  double floating_;
  DType dtype_;
};

}  // namespace tapegrad
