// A single number passed to an operation. It remembers whether it was written as a bool, an integer
// or a floating-point number: `ids + 1` stays int64, `ids + 1.0` becomes float32, as in PyTorch.
// Read next: tensor/shape.h.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <tapegrad/tensor/dtype.h>

namespace tapegrad {

namespace detail {

// "item: 1e+300 does not fit into a signed integer of 64 bits". A ValueError.
[[noreturn]] void throw_does_not_fit(const char* operation, double value, int bits, bool is_signed);

// `value` as a To. The fraction is dropped on the way to an integer; ValueError if the rest does
// not fit, which would be undefined in C++. As in PyTorch, -1 may become the largest number of an
// unsigned type of the same size.
template <class To, class From>
constexpr To number_cast(From value, const char* operation) {
  if constexpr (std::same_as<To, bool>) {
    return value != From{};
  } else if constexpr (std::floating_point<To>) {
    return static_cast<To>(value);
  } else {
    using Limits = std::numeric_limits<To>;
    bool fits = true;
    if constexpr (std::floating_point<From>) {
      constexpr auto kLow = static_cast<From>((Limits::min)());
      constexpr From kHigh = static_cast<From>((Limits::max)() / 2 + 1) * 2;
      fits = (value >= kLow || value > kLow - 1) && value < kHigh;  // false for NaN
    } else if constexpr (!std::same_as<To, From> && !std::same_as<From, bool>) {
      const To converted = static_cast<To>(value);
      const bool wraps = std::signed_integral<To> && (converted < To{}) != (value < From{});
      fits = static_cast<From>(converted) == value && !wraps;
    }
    if (!fits) {
      throw_does_not_fit(operation, static_cast<double>(value), Limits::digits + Limits::is_signed,
                         Limits::is_signed);
    }
    return static_cast<To>(value);
  }
}

}  // namespace detail

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

  // boolean, int64, or float32 for any floating-point number. to<an integer>() of a number out of
  // its range, of infinity and of NaN: ValueError.
  constexpr DType dtype() const { return dtype_; }

  template <class T>
  requires(Number<T> || std::floating_point<T>) constexpr T to() const {
    if constexpr (std::same_as<T, bool>) {
      return !(floating_ >= 0 && floating_ <= 0);  // true for NaN
    } else if constexpr (std::integral<T>) {
      const bool is_exact = dtype_ != DType::float32 && (integer_ >= 0 || floating_ < 0);
      return is_exact ? detail::number_cast<T>(integer_, "Scalar")
                      : detail::number_cast<T>(floating_, "Scalar");
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
