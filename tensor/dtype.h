// The four element types, the rules of type promotion, and `visit`, which calls a template with the
// C++ type of an element type known at run time. Read next: tensor/scalar.h.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <type_traits>

namespace tapegrad {

// Element types, in the order of promotion: the result of two types is the later one.
enum class DType : std::uint8_t { boolean, int64, float32, float64 };

inline constexpr DType boolean = DType::boolean;  // masks; one byte, 0 or 1
inline constexpr DType int64 = DType::int64;      // indices, counts
inline constexpr DType float32 = DType::float32;  // the default
inline constexpr DType float64 = DType::float64;  // for checking gradients

constexpr bool is_floating_point(DType dtype) { return dtype >= DType::float32; }

// Bytes per element.
constexpr std::size_t item_size(DType dtype) {
  constexpr std::size_t kSizes[] = {1, 8, 4, 8};
  return kSizes[static_cast<std::size_t>(dtype)];
}

// "boolean", "int64", "float32", "float64".
const char* name(DType dtype);
std::ostream& operator<<(std::ostream& out, DType dtype);

// The element type of an operation on elements of types a and b.
constexpr DType promote(DType a, DType b) { return a < b ? b : a; }

// The C++ types of elements. Functions that give access to the memory of a tensor take only these.
template <class T>
concept TensorElement = std::same_as<T, bool> || std::same_as<T, std::int64_t> ||
    std::same_as<T, float> || std::same_as<T, double>;
template <class T>
concept FloatingElement = std::same_as<T, float> || std::same_as<T, double>;

// Numbers that functions convert from and to elements: bool, any integer type, float, double.
template <class T>
concept Integer = std::integral<T> && std::is_same_v<T, std::remove_cv_t<T>>;
template <class T>
concept Number = Integer<T> || FloatingElement<T>;

// DType of a C++ type: bool, std::int64_t, float, double.
template <TensorElement T>
struct dtype_of;
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::boolean;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::int64;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::float32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::float64;
};

// Calls f(T{}) with T the C++ type of dtype.
template <class Function>
decltype(auto) visit(DType dtype, Function&& f) {
  switch (dtype) {
    case DType::boolean:
      return f(bool{});
    case DType::int64:
      return f(std::int64_t{});
    case DType::float32:
      return f(float{});
    case DType::float64:
      break;
  }
  return f(double{});
}

// The same for the two floating-point types. Requires is_floating_point(dtype), which is not
// checked.
template <class Function>
decltype(auto) visit_floating(DType dtype, Function&& f) {
  return dtype == DType::float32 ? f(float{}) : f(double{});
}

}  // namespace tapegrad
