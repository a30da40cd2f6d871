// Elementwise operations: arithmetic, comparisons and functions, with broadcasting and type
// promotion. Floating-point types use the SIMD kernels; integers and booleans use the plain loops
// at the top. Read next: tensor/ops/activations.h.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/fused.h>
#include <tapegrad/tensor/ops/strided_loop.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {

using kernel::Binary;
using kernel::Compare;
using kernel::Operands;
using kernel::Unary;

namespace {

template <class Enum>
constexpr std::size_t index_of(Enum value) {
  return static_cast<std::size_t>(value);
}

// Calls f(begin, count) for n elements: once, or for parts of them on several threads if there are
// many.
template <class Function>
void split_elements(std::int64_t n, const Function& f) {
  if (n < 2 * kElementsPerPart) [[likely]]
    return f(std::int64_t{0}, static_cast<std::size_t>(n));
  parallel_for(n, kElementsPerPart, 64, [&](std::int64_t begin, std::int64_t end) {
    f(begin, static_cast<std::size_t>(end - begin));
  });
}

// Integers and booleans ---------------------------------------------------------------------------

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {  // 1 / base^-exponent without its fraction, and 0 for base 0, as in PyTorch
    return base == 1 ? 1 : base != -1 ? 0 : exponent % 2 == 0 ? 1 : -1;
  }
  auto factor = static_cast<std::uint64_t>(base);  // wraps around on overflow, as in PyTorch
  std::uint64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result *= factor;
    factor *= factor;
  }
  return static_cast<std::int64_t>(result);
}

template <class T>
T plain_binary(Binary op, T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    switch (op) {
      case Binary::kAdd:
      case Binary::kMaximum:
        return a || b;
      case Binary::kPow:
        return a || !b;
      default:
        return a && b;  // mul, minimum
    }
  } else {
    const auto x = static_cast<std::uint64_t>(a);  // unsigned: integers wrap around
    const auto y = static_cast<std::uint64_t>(b);
    switch (op) {
      case Binary::kAdd:
        return static_cast<T>(x + y);
      case Binary::kSub:
        return static_cast<T>(x - y);
      case Binary::kMul:
        return static_cast<T>(x * y);
      case Binary::kPow:
        return integer_power(a, b);
      case Binary::kMaximum:
        return std::max(a, b);
      default:
        return std::min(a, b);
    }
  }
}

// The remainder of a / b, with the sign of b; an integer b is not 0.
template <class T>
T plain_remainder(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    const T rest = std::fmod(a, b);
    return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;
  } else if constexpr (std::is_same_v<T, bool>) {
    return false;  // refused earlier
  } else {
    if (b == -1) return 0;  // the smallest integer divided by -1 would overflow
    const T rest = static_cast<T>(a % b);
    return rest != 0 && (b < 0) != (rest < 0) ? static_cast<T>(rest + b) : rest;
  }
}

template <class T>
bool plain_compare(Compare op, T a, T b) {
  switch (op) {
    case Compare::kEq:
      return a == b;
    case Compare::kNe:
      return a != b;
    case Compare::kLt:
      return a < b;
    case Compare::kLe:
      return a <= b;
    case Compare::kGt:
      return a > b;
    default:
      return a >= b;
  }
}

std::int64_t plain_unary(Unary op, std::int64_t x) {
  const auto bits = static_cast<std::uint64_t>(x);
  switch (op) {
    case Unary::kNeg:
      return static_cast<std::int64_t>(0 - bits);
    case Unary::kAbs:
      return x < 0 ? static_cast<std::int64_t>(0 - bits) : x;
    case Unary::kSign:
      return (x > 0) - (x < 0);
    case Unary::kSquare:
      return static_cast<std::int64_t>(bits * bits);
    case Unary::kRelu:
      return std::max<std::int64_t>(x, 0);
    default:
      return x;  // floor, ceil, round
  }
}

// Broadcasting ------------------------------------------------------------------------------------

Shape common_shape(const Tensor& a, const Tensor& b, const char* operation) {
  return a.same_sizes(b) ? a.shape() : broadcast_shapes(a.sizes(), b.sizes(), operation);
}

// Calls row(y, a, b, operands, n) for each row of the result. In a row, an operand is either
// consecutive elements or one element; any other operand is copied first.
template <class Out, class T, class Row>
void run_rows(const Tensor& out, Tensor a, Tensor b, const Row& row) {
  if (out.numel() == 0) return;
  detail::StridedLoop<2> loop(out.sizes(), {&a, &b});
  if (loop.row_stride(0) > 1 || loop.row_stride(1) > 1) {
    if (loop.row_stride(0) > 1) a = a.contiguous();
    if (loop.row_stride(1) > 1) b = b.contiguous();
    loop = detail::StridedLoop<2>(out.sizes(), {&a, &b});
  }
  const Operands operands = loop.row_stride(0) == 0   ? Operands::kScalarVector
                            : loop.row_stride(1) == 0 ? Operands::kVectorScalar
                                                      : Operands::kVectorVector;
  // If both operands are one element, it is computed once and the result repeated.
  const bool constant = loop.row_stride(0) == 0 && loop.row_stride(1) == 0;
  const auto n = static_cast<std::size_t>(loop.row_size());
  Out* y = const_cast<Out*>(out.data<Out>());
  const T* a_data = a.data<T>();
  const T* b_data = b.data<T>();
  loop.for_each_row([&](const auto& offset) {
    row(y, a_data + offset[0], b_data + offset[1], operands, constant ? 1 : n);
    if (constant) std::fill(y + 1, y + n, *y);
    y += n;
  });
}

template <class Out, class T, class Function>
void plain_row(Out* y, const T* a, const T* b, Operands operands, std::size_t n,
               const Function& function) {
  const std::size_t a_step = operands == Operands::kScalarVector ? 0 : 1;
  const std::size_t b_step = operands == Operands::kVectorScalar ? 0 : 1;
  for (std::size_t i = 0; i < n; ++i) y[i] = function(a[i * a_step], b[i * b_step]);
}

// The scalar as a 0-d tensor of element type `dtype`.
Tensor number(Scalar value, DType dtype) {
  Tensor result = Tensor::uninitialized({}, dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    *result.mutable_data<T>() = value.to<T>();
  });
  return result;
}

// Two operands of the same type, any shapes.
[[gnu::noinline]] Tensor binary_broadcast(Binary op, const char* operation, const Tensor& a,
                                          const Tensor& b) {
  const DType dtype = a.dtype();
  const Tensor out = Tensor::uninitialized(common_shape(a, b, operation), dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      const auto& functions = kernel::kernels<T>().binary[index_of(op)];
      run_rows<T, T>(out, a, b,
                     [&](T* y, const T* x, const T* z, Operands operands, std::size_t n) {
                       functions[index_of(operands)](y, x, z, n);
                     });
    } else {
      run_rows<T, T>(
          out, a, b, [&](T* y, const T* x, const T* z, Operands operands, std::size_t n) {
            plain_row(y, x, z, operands, n, [op](T p, T q) { return plain_binary(op, p, q); });
          });
    }
  });
  return out;
}

[[gnu::noinline]] Tensor binary_promoted(Binary op, const char* operation, const Tensor& a,
                                         const Tensor& b) {
  const DType common = result_type(a, b);
  return binary_broadcast(op, operation, a.to(common), b.to(common));
}

Tensor binary(Binary op, const char* operation, const Tensor& a, const Tensor& b) {
  const DType dtype = a.dtype();
  if (dtype != b.dtype() || !is_floating_point(dtype)) return binary_promoted(op, operation, a, b);
  if (!a.is_contiguous() || !b.is_contiguous() || !a.same_sizes(b)) {
    return binary_broadcast(op, operation, a, b);
  }
  Tensor out = Tensor::uninitialized_like(a, dtype);
  visit_floating(dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto run = kernel::kernels<T>().binary[index_of(op)][index_of(Operands::kVectorVector)];
    T* const y = out.mutable_data<T>();
    split_elements(a.numel(), [run, y, x = a.data<T>(), z = b.data<T>()](auto begin, auto count) {
      run(y + begin, x + begin, z + begin, count);
    });
  });
  return out;
}

// `x op value`, or `value op x` if number_first; fast for contiguous floating-point tensors.
Tensor binary_number(Binary op, const char* operation, const Tensor& x, Scalar value,
                     bool number_first) {
  const DType dtype = value.promote_with(x.dtype());
  if (dtype == x.dtype() && x.is_contiguous() && is_floating_point(dtype)) {
    Tensor out = Tensor::uninitialized_like(x, dtype);
    visit_floating(dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto run = kernel::kernels<T>().binary[index_of(op)][index_of(
          number_first ? Operands::kScalarVector : Operands::kVectorScalar)];
      T* const y = out.mutable_data<T>();
      split_elements(x.numel(), [run, y, number_first, constant = value.to<T>(),
                                 from = x.data<T>()](auto begin, auto count) {
        const T* const part = from + begin;
        run(y + begin, number_first ? &constant : part, number_first ? part : &constant, count);
      });
    });
    return out;
  }
  const Tensor constant = number(value, dtype);
  return number_first ? binary_broadcast(op, operation, constant, x.to(dtype))
                      : binary_broadcast(op, operation, x.to(dtype), constant);
}

Tensor compare(Compare op, const char* operation, const Tensor& left, const Tensor& right) {
  const DType dtype = result_type(left, right);
  const Tensor a = left.to(dtype);
  const Tensor b = right.to(dtype);
  const Tensor out = Tensor::uninitialized(common_shape(a, b, operation), boolean);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    run_rows<bool, T>(
        out, a, b, [&](bool* y, const T* x, const T* z, Operands operands, std::size_t n) {
          if constexpr (std::is_floating_point_v<T>) {
            kernel::kernels<T>().compare[index_of(op)][index_of(operands)](y, x, z, n);
          } else {
            plain_row(y, x, z, operands, n, [op](T p, T q) { return plain_compare(op, p, q); });
          }
        });
  });
  return out;
}

Tensor compare(Compare op, const char* operation, const Tensor& x, Scalar value) {
  return compare(op, operation, x, number(value, value.promote_with(x.dtype())));
}

template <class Function>
Tensor logical(const char* operation, const Tensor& left, const Tensor& right,
               const Function& function) {
  const Tensor a = left.to(boolean);
  const Tensor b = right.to(boolean);
  const Tensor out = Tensor::uninitialized(common_shape(a, b, operation), boolean);
  run_rows<bool, bool>(
      out, a, b, [&](bool* y, const bool* x, const bool* z, Operands operands, std::size_t n) {
        plain_row(y, x, z, operands, n, function);
      });
  return out;
}

void refuse_boolean(const char* operation, const Tensor& x) {
  if (x.dtype() == boolean) {
    throw DTypeError(std::string(operation) +
                     ": not defined for boolean; convert with to(int64), or use logical_not");
  }
}

void refuse_boolean(const char* operation, Scalar x) {
  if (x.dtype() == boolean) {
    throw DTypeError(std::string(operation) + ": not defined for true and false; write 1 or 0");
  }
}

// Functions with floating-point results; integers are converted to float32 first.
Tensor unary(Unary op, const Tensor& x);

[[gnu::noinline]] Tensor unary_converted(Unary op, const Tensor& x) {
  return unary(op, (is_floating_point(x.dtype()) ? x : x.to(float32)).contiguous());
}

Tensor unary(Unary op, const Tensor& x) {
  const DType dtype = x.dtype();
  if (!is_floating_point(dtype) || !x.is_contiguous()) return unary_converted(op, x);
  Tensor out = Tensor::uninitialized_like(x, dtype);
  visit_floating(dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto run = kernel::kernels<T>().unary[index_of(op)];
    T* const y = out.mutable_data<T>();
    split_elements(x.numel(), [run, y, from = x.data<T>()](auto begin, auto count) {
      run(y + begin, from + begin, count);
    });
  });
  return out;
}

// Functions whose result for an integer is an integer.
Tensor unary_any(Unary op, const char* operation, const Tensor& x) {
  if (is_floating_point(x.dtype())) return unary(op, x);
  refuse_boolean(operation, x);
  const Tensor in = x.contiguous();
  Tensor out = Tensor::uninitialized_like(in, int64);
  const std::int64_t* from = in.data<std::int64_t>();
  std::transform(from, from + in.numel(), out.mutable_data<std::int64_t>(),
                 [op](std::int64_t value) { return plain_unary(op, value); });
  return out;
}

template <class Predicate>
Tensor test_each(const Tensor& x, bool for_integers, const Predicate& predicate) {
  const Tensor in = x.contiguous();
  Tensor out = Tensor::uninitialized_like(in, boolean);
  bool* y = out.mutable_data<bool>();
  visit(in.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = in.data<T>();
    for (std::int64_t i = 0; i < in.numel(); ++i) {
      if constexpr (std::is_floating_point_v<T>) {
        y[i] = predicate(from[i]);
      } else {
        y[i] = for_integers;
      }
    }
  });
  return out;
}

}  // namespace

DType result_type(const Tensor& a, const Tensor& b) {
  if (a.dtype() == b.dtype()) return a.dtype();
  // A 0-d operand promotes the other one only if it is of a higher kind: boolean < integer <
  // floating-point.
  const auto kind = [](DType dtype) { return std::min(dtype, DType::float32); };
  if (a.dim() == 0 && b.dim() > 0 && kind(a.dtype()) <= kind(b.dtype())) return b.dtype();
  if (b.dim() == 0 && a.dim() > 0 && kind(b.dtype()) <= kind(a.dtype())) return a.dtype();
  return promote(a.dtype(), b.dtype());
}

// Arithmetic --------------------------------------------------------------------------------------

Tensor add(const Tensor& a, const Tensor& b) { return binary(Binary::kAdd, "add", a, b); }
Tensor add(const Tensor& a, Scalar b) { return binary_number(Binary::kAdd, "add", a, b, false); }

Tensor sub(const Tensor& a, const Tensor& b) {
  refuse_boolean("sub", a);
  refuse_boolean("sub", b);
  return binary(Binary::kSub, "sub", a, b);
}
Tensor sub(const Tensor& a, Scalar b) {
  refuse_boolean("sub", a);
  refuse_boolean("sub", b);
  return binary_number(Binary::kSub, "sub", a, b, false);
}
Tensor sub(Scalar a, const Tensor& b) {
  refuse_boolean("sub", a);
  refuse_boolean("sub", b);
  return binary_number(Binary::kSub, "sub", b, a, true);
}

Tensor mul(const Tensor& a, const Tensor& b) { return binary(Binary::kMul, "mul", a, b); }
Tensor mul(const Tensor& a, Scalar b) { return binary_number(Binary::kMul, "mul", a, b, false); }

namespace {
// Integers and booleans are divided as float32.
Tensor as_dividend(const Tensor& x) { return is_floating_point(x.dtype()) ? x : x.to(float32); }
}  // namespace

Tensor div(const Tensor& a, const Tensor& b) {
  if (!is_floating_point(result_type(a, b))) {
    return binary(Binary::kDiv, "div", a.to(float32), b.to(float32));
  }
  return binary(Binary::kDiv, "div", a, b);
}
Tensor div(const Tensor& a, Scalar b) {
  return binary_number(Binary::kDiv, "div", as_dividend(a), b, false);
}
Tensor div(Scalar a, const Tensor& b) {
  return binary_number(Binary::kDiv, "div", as_dividend(b), a, true);
}

Tensor remainder(const Tensor& a, const Tensor& b) {
  refuse_boolean("remainder", a);
  refuse_boolean("remainder", b);
  const DType dtype = result_type(a, b);
  if (dtype == int64 && any(eq(b, 0)).item<bool>()) {
    throw ValueError("remainder: division of an integer by 0");
  }
  const Tensor left = a.to(dtype);
  const Tensor right = b.to(dtype);
  const Tensor out = Tensor::uninitialized(common_shape(a, b, "remainder"), dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    run_rows<T, T>(out, left, right,
                   [](T* y, const T* x, const T* z, Operands operands, std::size_t n) {
                     plain_row(y, x, z, operands, n, plain_remainder<T>);
                   });
  });
  return out;
}
Tensor remainder(const Tensor& a, Scalar b) {
  refuse_boolean("remainder", b);
  return remainder(a, number(b, b.promote_with(a.dtype())));
}
Tensor remainder(Scalar a, const Tensor& b) {
  refuse_boolean("remainder", a);
  return remainder(number(a, a.promote_with(b.dtype())), b);
}

Tensor pow(const Tensor& a, const Tensor& b) { return binary(Binary::kPow, "pow", a, b); }
Tensor pow(const Tensor& a, Scalar b) {
  if (is_floating_point(a.dtype())) {  // the most common exponents
    if (b.to<double>() == 2) return square(a);
    // As in PyTorch, also for -0 and -infinity, where pow() in C differs from the roots.
    if (b.to<double>() == 0.5) return sqrt(a);
    if (b.to<double>() == -0.5) return rsqrt(a);
  } else if (b.dtype() == int64 && b.to<double>() < 0) {
    throw ValueError("pow: integer to the negative power " + std::to_string(b.to<std::int64_t>()) +
                     "; convert to float32 first");
  }
  return binary_number(Binary::kPow, "pow", a, b, false);
}
Tensor pow(Scalar a, const Tensor& b) { return binary_number(Binary::kPow, "pow", b, a, true); }

Tensor maximum(const Tensor& a, const Tensor& b) {
  return binary(Binary::kMaximum, "maximum", a, b);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return binary(Binary::kMinimum, "minimum", a, b);
}

// Comparisons -------------------------------------------------------------------------------------

Tensor eq(const Tensor& a, const Tensor& b) { return compare(Compare::kEq, "eq", a, b); }
Tensor eq(const Tensor& a, Scalar b) { return compare(Compare::kEq, "eq", a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return compare(Compare::kNe, "ne", a, b); }
Tensor ne(const Tensor& a, Scalar b) { return compare(Compare::kNe, "ne", a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return compare(Compare::kLt, "lt", a, b); }
Tensor lt(const Tensor& a, Scalar b) { return compare(Compare::kLt, "lt", a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return compare(Compare::kLe, "le", a, b); }
Tensor le(const Tensor& a, Scalar b) { return compare(Compare::kLe, "le", a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return compare(Compare::kGt, "gt", a, b); }
Tensor gt(const Tensor& a, Scalar b) { return compare(Compare::kGt, "gt", a, b); }
Tensor ge(const Tensor& a, const Tensor& b) { return compare(Compare::kGe, "ge", a, b); }
Tensor ge(const Tensor& a, Scalar b) { return compare(Compare::kGe, "ge", a, b); }

Tensor logical_and(const Tensor& a, const Tensor& b) {
  return logical("logical_and", a, b, [](bool x, bool y) { return x && y; });
}
Tensor logical_or(const Tensor& a, const Tensor& b) {
  return logical("logical_or", a, b, [](bool x, bool y) { return x || y; });
}
Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return logical("logical_xor", a, b, [](bool x, bool y) { return x != y; });
}
Tensor logical_not(const Tensor& x) { return eq(x.to(boolean), false); }

namespace {

void require_boolean(const char* operation, const Tensor& x) {
  if (x.dtype() == boolean) return;
  throw DTypeError(std::string(operation) + ": got " + name(x.dtype()) +
                   ", needed boolean tensors; compare first, as in (x > 0) & (x < 1)");
}

}  // namespace

Tensor operator&(const Tensor& a, const Tensor& b) {
  require_boolean("operator&", a);
  require_boolean("operator&", b);
  return logical_and(a, b);
}
Tensor operator|(const Tensor& a, const Tensor& b) {
  require_boolean("operator|", a);
  require_boolean("operator|", b);
  return logical_or(a, b);
}
Tensor operator^(const Tensor& a, const Tensor& b) {
  require_boolean("operator^", a);
  require_boolean("operator^", b);
  return logical_xor(a, b);
}
Tensor operator~(const Tensor& x) {
  require_boolean("operator~", x);
  return logical_not(x);
}

// Selection ---------------------------------------------------------------------------------------

Tensor where(const Tensor& condition, const Tensor& left, const Tensor& right) {
  if (condition.dtype() != boolean) {
    throw DTypeError(std::string("where: condition is ") + name(condition.dtype()) +
                     ", needed boolean; compare first, as in where(x > 0, a, b)");
  }
  const DType dtype = result_type(left, right);
  const Shape shape = broadcast_shapes(broadcast_shapes(left.sizes(), right.sizes(), "where"),
                                       condition.sizes(), "where");
  const auto full_size = [&](const Tensor& x) { return expand(x, shape).contiguous(); };
  const Tensor c = full_size(condition);
  const Tensor a = full_size(left.to(dtype));
  const Tensor b = full_size(right.to(dtype));
  Tensor out = Tensor::uninitialized(shape, dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* y = out.mutable_data<T>();
    const bool* choice = c.data<bool>();
    if constexpr (std::is_floating_point_v<T>) {
      split_elements(out.numel(), [=, run = kernel::kernels<T>().where, left_data = a.data<T>(),
                                   right_data = b.data<T>()](auto begin, auto count) {
        run(y + begin, choice + begin, left_data + begin, right_data + begin, count);
      });
    } else {
      for (std::int64_t i = 0; i < out.numel(); ++i) {
        y[i] = choice[i] ? a.data<T>()[i] : b.data<T>()[i];
      }
    }
  });
  return out;
}
Tensor where(const Tensor& condition, const Tensor& a, Scalar b) {
  return where(condition, a, number(b, b.promote_with(a.dtype())));
}
Tensor where(const Tensor& condition, Scalar a, const Tensor& b) {
  return where(condition, number(a, a.promote_with(b.dtype())), b);
}
Tensor where(const Tensor& condition, Scalar a, Scalar b) {
  const DType dtype = a.promote_with(b.dtype());
  return where(condition, full({}, a, dtype), full({}, b, dtype));
}

Tensor clamp(const Tensor& x, std::optional<Scalar> min, std::optional<Scalar> max) {
  if (!min && !max) throw ValueError("clamp: needed min, max or both");
  DType dtype = x.dtype();
  if (min) dtype = min->promote_with(dtype);
  if (max) dtype = max->promote_with(dtype);
  const Tensor in = x.to(dtype).contiguous();
  Tensor out = Tensor::uninitialized_like(in, dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    using Limits = std::numeric_limits<T>;
    const T low = min                    ? min->to<T>()
                  : Limits::has_infinity ? -Limits::infinity()
                                         : Limits::lowest();
    const T high = max ? max->to<T>() : Limits::has_infinity ? Limits::infinity() : Limits::max();
    const T* const from = in.data<T>();
    T* const y = out.mutable_data<T>();
    if constexpr (std::is_floating_point_v<T>) {
      split_elements(in.numel(), [=, run = kernel::kernels<T>().clamp](auto begin, auto count) {
        run(y + begin, from + begin, low, high, count);
      });
    } else {
      std::transform(from, from + in.numel(), y,
                     [=](T value) { return std::min(std::max(value, low), high); });
    }
  });
  return out;
}

// Functions ---------------------------------------------------------------------------------------

Tensor neg(const Tensor& x) { return unary_any(Unary::kNeg, "neg", x); }
Tensor abs(const Tensor& x) { return unary_any(Unary::kAbs, "abs", x); }
Tensor sign(const Tensor& x) {
  return x.dtype() == boolean ? x.clone() : unary_any(Unary::kSign, "sign", x);
}
Tensor square(const Tensor& x) {
  return unary_any(Unary::kSquare, "square", x.dtype() == boolean ? x.to(int64) : x);
}
Tensor reciprocal(const Tensor& x) { return unary(Unary::kReciprocal, x); }
Tensor sqrt(const Tensor& x) { return unary(Unary::kSqrt, x); }
Tensor rsqrt(const Tensor& x) { return unary(Unary::kRsqrt, x); }
Tensor exp(const Tensor& x) { return unary(Unary::kExp, x); }
Tensor expm1(const Tensor& x) { return unary(Unary::kExpm1, x); }
Tensor log(const Tensor& x) { return unary(Unary::kLog, x); }
Tensor log1p(const Tensor& x) { return unary(Unary::kLog1p, x); }
Tensor log2(const Tensor& x) { return unary(Unary::kLog2, x); }
Tensor sin(const Tensor& x) { return unary(Unary::kSin, x); }
Tensor cos(const Tensor& x) { return unary(Unary::kCos, x); }
Tensor tan(const Tensor& x) { return unary(Unary::kTan, x); }
Tensor tanh(const Tensor& x) { return unary(Unary::kTanh, x); }
Tensor sigmoid(const Tensor& x) { return unary(Unary::kSigmoid, x); }
Tensor relu(const Tensor& x) { return unary_any(Unary::kRelu, "relu", x); }
Tensor silu(const Tensor& x) { return unary(Unary::kSilu, x); }
Tensor softplus(const Tensor& x) { return unary(Unary::kSoftplus, x); }
Tensor erf(const Tensor& x) { return unary(Unary::kErf, x); }
Tensor floor(const Tensor& x) { return unary_any(Unary::kFloor, "floor", x); }
Tensor ceil(const Tensor& x) { return unary_any(Unary::kCeil, "ceil", x); }
Tensor round(const Tensor& x) { return unary_any(Unary::kRound, "round", x); }

Tensor leaky_relu(const Tensor& x, double negative_slope) {
  return where(x > 0, x, x * negative_slope);
}
Tensor elu(const Tensor& x, double alpha) { return where(x > 0, x, alpha * expm1(x)); }
Tensor softsign(const Tensor& x) { return composition::softsign(x); }
Tensor softplus(const Tensor& x, double beta, double threshold) {
  return composition::softplus(x, beta, threshold);
}
Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max) {
  return composition::clamp(x, min, max);
}
Tensor logaddexp(const Tensor& a, const Tensor& b) { return composition::logaddexp(a, b); }
Tensor lerp(const Tensor& start, const Tensor& end, double weight) {
  return composition::lerp(start, end, weight);
}
Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  return composition::lerp(start, end, weight);
}
Tensor gelu(const Tensor& x, GeluApproximation approximate) {
  return approximate == GeluApproximation::none ? unary(Unary::kGelu, x)
                                                : composition::gelu_by_tanh(x);
}

Tensor isnan(const Tensor& x) {
  return test_each(x, false, [](auto value) { return std::isnan(value); });
}
Tensor isinf(const Tensor& x) {
  return test_each(x, false, [](auto value) { return std::isinf(value); });
}
Tensor isfinite(const Tensor& x) {
  return test_each(x, true, [](auto value) { return std::isfinite(value); });
}

// Fused backward operations (tensor/ops/fused.h) -------------------------------------------------

Tensor tanh_backward(const Tensor& dy, const Tensor& y) {
  return binary(Binary::kTanhBackward, "tanh_backward", dy, y);
}
Tensor sigmoid_backward(const Tensor& dy, const Tensor& y) {
  return binary(Binary::kSigmoidBackward, "sigmoid_backward", dy, y);
}
Tensor relu_backward(const Tensor& dy, const Tensor& y) {
  return binary(Binary::kReluBackward, "relu_backward", dy, y);
}
Tensor gelu_backward(const Tensor& dy, const Tensor& x) {
  return binary(Binary::kGeluBackward, "gelu_backward", dy, x);
}

}  // namespace tapegrad
