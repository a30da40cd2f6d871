// Rows of elementwise operations. Read next: activations.cc.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using One = double (*)(double);
using Two = double (*)(double, double);

// The type of the result.
enum class Type { same, real, truth };

DType type_for(Type type, DType promoted) {
  return type == Type::truth  ? boolean
         : type == Type::real ? promoted_with_real(promoted)
                              : promoted;
}

Plain mapped(const Plain& x, DType dtype, const std::function<double(double)>& f) {
  Plain y{x.shape, dtype, x.x};
  for (double& each : y.x) each = f(each);
  return y;
}

Plain zipped(const Plain& a, const Plain& b, DType dtype,
             const std::function<double(double, double)>& f) {
  const Shape shape = common_shape(a.shape, b.shape);
  Plain y = stretched(a, shape);
  const Plain right = stretched(b, shape);
  y.dtype = dtype;
  for (std::int64_t i = 0; i < y.numel(); ++i) y[i] = f(y[i], right[i]);
  return y;
}

auto unary(Type type, One f) {
  return [=](const Plains& x, const Attributes&) -> Plains {
    return {mapped(x[0], type_for(type, x[0].dtype), f)};
  };
}
auto binary(Type type, Two f) {
  return [=](const Plains& x, const Attributes&) -> Plains {
    return {zipped(x[0], x[1], type_for(type, promoted(x[0], x[1])), f)};
  };
}
// f(x, a.p), or f(a.p, x).
auto with_scalar(Type type, Two f) {
  return [=](const Plains& x, const Attributes& a) -> Plains {
    return {mapped(x[0], type_for(type, promoted_with_real(x[0].dtype)),
                   [&](double each) { return f(each, a.p); })};
  };
}
auto with_scalar_first(Type type, Two f) {
  return [=](const Plains& x, const Attributes& a) -> Plains {
    return {mapped(x[0], type_for(type, promoted_with_real(x[0].dtype)),
                   [&](double each) { return f(a.p, each); })};
  };
}

auto one(const Domain& domain = kAny) {
  return [=](Draw& d) { d.any(domain); };
}
auto two(const Domain& first = kAny, const Domain& second = kAny) {
  return [=](Draw& d) {
    const Shape shape = d.any(first);
    d.broadcast_with(shape, second);
  };
}
// x, and the scalar a.p: -2.5 ... 2.5, not close to zero.
auto one_and_scalar(const Domain& domain = kAny) {
  return [=](Draw& d) {
    d.any(domain);
    d.a.p = static_cast<double>(d.random.integer(1, 10)) / 4 * (d.random.chance(0.5) ? 1 : -1);
  };
}

double plus(double a, double b) { return a + b; }
double minus(double a, double b) { return a - b; }
double times(double a, double b) { return a * b; }
double over(double a, double b) { return a / b; }
// Python's: the sign of b.
double modulo(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
// Powers of 1/2 are roots, also of -infinity, as in PyTorch.
double power(double a, double b) {
  return b == 0.5 ? std::sqrt(a) : b == -0.5 ? 1 / std::sqrt(a) : std::pow(a, b);
}
double larger(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b); }
double smaller(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kNan : std::min(a, b);
}
double equals(double a, double b) { return a == b ? 1 : 0; }
double differs(double a, double b) { return a != b ? 1 : 0; }
double less(double a, double b) { return a < b ? 1 : 0; }
double less_equal(double a, double b) { return a <= b ? 1 : 0; }
double greater(double a, double b) { return a > b ? 1 : 0; }
double greater_equal(double a, double b) { return a >= b ? 1 : 0; }
double both(double a, double b) { return a != 0 && b != 0 ? 1 : 0; }
double either(double a, double b) { return a != 0 || b != 0 ? 1 : 0; }
double not_both(double a, double b) { return (a != 0) != (b != 0) ? 1 : 0; }

double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }  // of NaN 0, as in PyTorch
double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double relu_of(double x) { return std::isnan(x) || x > 0 ? x : 0; }
double gelu_of(double x) { return x * 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double gelu_tanh_of(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}
double silu_of(double x) { return x / (1 + std::exp(-x)); }
double softplus_of(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

// Boolean tensors cannot be subtracted, divided with a rest or negated.
constexpr Operation::Traits kArithmetic{
    .exact = true, .integers = true, .booleans = true, .promotes = true, .frequency = 0.7};
constexpr Operation::Traits kNumbers{
    .exact = true, .integers = true, .promotes = true, .frequency = 0.7};
constexpr Operation::Traits kExactFunction{
    .exact = true, .integers = true, .booleans = false, .promotes = true, .frequency = 0.7};
constexpr Operation::Traits kFunction{
    .integers = true, .booleans = true, .promotes = true, .frequency = 0.7};
constexpr Operation::Traits kReals{.promotes = true, .frequency = 0.7};
constexpr Operation::Traits kTruth{
    .exact = true, .integers = true, .booleans = true, .promotes = true, .frequency = 0.2};
constexpr Operation::Traits kFinite{.special = false, .promotes = true, .frequency = 0.7};
// 1 + erf(x) cancels for negative x, in PyTorch, too.
constexpr Operation::Traits kRounded{
    .special = false, .promotes = true, .slack = 4, .frequency = 0.7};
constexpr Operation::Traits kMask{.exact = true, .promotes = true, .frequency = 0.7};

// Clips the types of (condition, a, b) to those of where().
Plain chosen(const Plain& condition, const Plain& a, const Plain& b, DType dtype) {
  const Shape shape = common_shape(condition.shape, common_shape(a.shape, b.shape));
  const Plain c = stretched(condition, shape);
  Plain y = stretched(a, shape);
  const Plain right = stretched(b, shape);
  y.dtype = dtype;
  for (std::int64_t i = 0; i < y.numel(); ++i) y[i] = c[i] != 0 ? y[i] : right[i];
  return y;
}

}  // namespace

std::vector<Operation> elementwise_rows() {
  const auto plus_row = binary(Type::same, plus);
  const auto clamped = [](double low, double high) {
    return [=](const Plains& x, const Attributes& a) -> Plains {
      return {mapped(x[0], promoted_with_real(x[0].dtype), [&](double each) {
        if (std::isnan(each)) return each;
        return std::min(std::max(each, low == 0 ? a.p : low), high == 0 ? a.q : high);
      })};
    };
  };
  constexpr double kNone = std::numeric_limits<double>::infinity();
  const auto one_and_bounds = [](Draw& d) {
    d.any();
    d.a.p = d.random.real(-1.5, 0.5);
    d.a.q = d.a.p + d.random.real(0, 1.5);
  };
  return {
      {"add", CALL(add(x[0], x[1])), two(), plus_row, kArithmetic},
      {"add scalar", CALL(add(x[0], a.p)), one_and_scalar(), with_scalar(Type::same, plus),
       kArithmetic},
      {"operator+", CALL(x[0] + x[1]), two(), plus_row, kArithmetic},
      {"operator+ scalar", CALL(x[0] + a.p), one_and_scalar(), with_scalar(Type::same, plus),
       kArithmetic},
      {"operator+ scalar first", CALL(a.p + x[0]), one_and_scalar(), with_scalar(Type::same, plus),
       kArithmetic},
      {"operator+ of one", CALL(+x[0]), one(), [](const Plains& x, const Attributes&) { return x; },
       kArithmetic},
      {"sub", CALL(sub(x[0], x[1])), two(), binary(Type::same, minus), kNumbers},
      {"sub scalar", CALL(sub(x[0], a.p)), one_and_scalar(), with_scalar(Type::same, minus),
       kNumbers},
      {"sub from scalar", CALL(sub(a.p, x[0])), one_and_scalar(),
       with_scalar_first(Type::same, minus), kNumbers},
      {"operator-", CALL(x[0] - x[1]), two(), binary(Type::same, minus), kNumbers},
      {"operator- scalar", CALL(x[0] - a.p), one_and_scalar(), with_scalar(Type::same, minus),
       kNumbers},
      {"operator- from scalar", CALL(a.p - x[0]), one_and_scalar(),
       with_scalar_first(Type::same, minus), kNumbers},
      {"operator- of one", CALL(-x[0]), one(), unary(Type::same, [](double x) { return -x; }),
       kNumbers},
      {"mul", CALL(mul(x[0], x[1])), two(), binary(Type::same, times), kArithmetic},
      {"mul scalar", CALL(mul(x[0], a.p)), one_and_scalar(), with_scalar(Type::same, times),
       kArithmetic},
      {"operator*", CALL(x[0] * x[1]), two(), binary(Type::same, times), kArithmetic},
      {"operator* scalar", CALL(x[0] * a.p), one_and_scalar(), with_scalar(Type::same, times),
       kArithmetic},
      {"operator* scalar first", CALL(a.p * x[0]), one_and_scalar(), with_scalar(Type::same, times),
       kArithmetic},
      {"div", CALL(div(x[0], x[1])), two(kAny, kAway), binary(Type::real, over), kNumbers},
      {"div scalar", CALL(div(x[0], a.p)), one_and_scalar(), with_scalar(Type::real, over),
       kArithmetic},
      {"div scalar by", CALL(div(a.p, x[0])), one_and_scalar(kAway),
       with_scalar_first(Type::real, over), kNumbers},
      {"operator/", CALL(x[0] / x[1]), two(kAny, kAway), binary(Type::real, over), kNumbers},
      {"operator/ scalar", CALL(x[0] / a.p), one_and_scalar(), with_scalar(Type::real, over),
       kArithmetic},
      {"operator/ scalar by", CALL(a.p / x[0]), one_and_scalar(kAway),
       with_scalar_first(Type::real, over), kNumbers},
      {"remainder",
       CALL(remainder(x[0], x[1])),
       two(kAny, kAway),
       binary(Type::same, modulo),
       {.special = false, .integers = true, .promotes = true, .frequency = 0.7}},
      {"remainder scalar",
       CALL(remainder(x[0], a.p)),
       one_and_scalar(),
       with_scalar(Type::same, modulo),
       {.special = false, .promotes = true, .frequency = 0.7}},
      {"remainder of scalar", CALL(remainder(a.p, x[0])), one_and_scalar(kAway),
       with_scalar_first(Type::same, modulo), kFinite},
      {"operator%",
       CALL(x[0] % x[1]),
       two(kAny, kAway),
       binary(Type::same, modulo),
       {.special = false, .integers = true, .promotes = true, .frequency = 0.3}},
      {"operator% scalar",
       CALL(x[0] % a.p),
       one_and_scalar(),
       with_scalar(Type::same, modulo),
       {.special = false, .promotes = true, .frequency = 0.3}},
      {"operator% of scalar",
       CALL(a.p % x[0]),
       one_and_scalar(kAway),
       with_scalar_first(Type::same, modulo),
       {.special = false, .promotes = true, .frequency = 0.3}},
      {"pow", CALL(pow(x[0], x[1])), two(kPositive, kSmall), binary(Type::same, power), kReals},
      {"pow scalar", CALL(pow(x[0], a.p)), one_and_scalar(kPositive),
       with_scalar(Type::same, power), kReals},
      {"pow integer",
       CALL(pow(x[0], a.i)),
       [](Draw& d) {
         d.any(kAway);
         d.a.i = d.random.integer(0, 4);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {mapped(x[0], x[0].dtype,
                        [&](double each) { return std::pow(each, static_cast<double>(a.i)); })};
       },
       {.integers = true, .promotes = true, .frequency = 0.7}},
      {"pow of scalar", CALL(pow(a.p, x[0])),
       [](Draw& d) {
         d.any(kSmall);
         d.a.p = d.random.real(0.5, 2.5);
       },
       with_scalar_first(Type::same, power), kReals},
      {"maximum", CALL(maximum(x[0], x[1])), two(), binary(Type::same, larger), kArithmetic},
      {"minimum", CALL(minimum(x[0], x[1])), two(), binary(Type::same, smaller), kArithmetic},

      {"eq", CALL(eq(x[0].value(), x[1].value())), two(), binary(Type::truth, equals), kTruth},
      {"eq scalar", CALL(eq(x[0].value(), a.p)), one_and_scalar(), with_scalar(Type::truth, equals),
       kTruth},
      {"ne", CALL(ne(x[0].value(), x[1].value())), two(), binary(Type::truth, differs), kTruth},
      {"ne scalar", CALL(ne(x[0].value(), a.p)), one_and_scalar(),
       with_scalar(Type::truth, differs), kTruth},
      {"lt", CALL(lt(x[0].value(), x[1].value())), two(), binary(Type::truth, less), kTruth},
      {"lt scalar", CALL(lt(x[0].value(), a.p)), one_and_scalar(), with_scalar(Type::truth, less),
       kTruth},
      {"le", CALL(le(x[0].value(), x[1].value())), two(), binary(Type::truth, less_equal), kTruth},
      {"le scalar", CALL(le(x[0].value(), a.p)), one_and_scalar(),
       with_scalar(Type::truth, less_equal), kTruth},
      {"gt", CALL(gt(x[0].value(), x[1].value())), two(), binary(Type::truth, greater), kTruth},
      {"gt scalar", CALL(gt(x[0].value(), a.p)), one_and_scalar(),
       with_scalar(Type::truth, greater), kTruth},
      {"ge", CALL(ge(x[0].value(), x[1].value())), two(), binary(Type::truth, greater_equal),
       kTruth},
      {"ge scalar", CALL(ge(x[0].value(), a.p)), one_and_scalar(),
       with_scalar(Type::truth, greater_equal), kTruth},
      {"operator==", CALL(x[0] == x[1]), two(), binary(Type::truth, equals), kTruth},
      {"operator== scalar", CALL(x[0] == a.p), one_and_scalar(), with_scalar(Type::truth, equals),
       kTruth},
      {"operator== scalar first", CALL(a.p == x[0]), one_and_scalar(),
       with_scalar(Type::truth, equals), kTruth},
      {"operator!=", CALL(x[0] != x[1]), two(), binary(Type::truth, differs), kTruth},
      {"operator!= scalar", CALL(x[0] != a.p), one_and_scalar(), with_scalar(Type::truth, differs),
       kTruth},
      {"operator!= scalar first", CALL(a.p != x[0]), one_and_scalar(),
       with_scalar(Type::truth, differs), kTruth},
      {"operator<", CALL(x[0] < x[1]), two(), binary(Type::truth, less), kTruth},
      {"operator< scalar", CALL(x[0] < a.p), one_and_scalar(), with_scalar(Type::truth, less),
       kTruth},
      {"operator< scalar first", CALL(a.p < x[0]), one_and_scalar(),
       with_scalar_first(Type::truth, less), kTruth},
      {"operator<=", CALL(x[0] <= x[1]), two(), binary(Type::truth, less_equal), kTruth},
      {"operator<= scalar", CALL(x[0] <= a.p), one_and_scalar(),
       with_scalar(Type::truth, less_equal), kTruth},
      {"operator<= scalar first", CALL(a.p <= x[0]), one_and_scalar(),
       with_scalar_first(Type::truth, less_equal), kTruth},
      {"operator>", CALL(x[0] > x[1]), two(), binary(Type::truth, greater), kTruth},
      {"operator> scalar", CALL(x[0] > a.p), one_and_scalar(), with_scalar(Type::truth, greater),
       kTruth},
      {"operator> scalar first", CALL(a.p > x[0]), one_and_scalar(),
       with_scalar_first(Type::truth, greater), kTruth},
      {"operator>=", CALL(x[0] >= x[1]), two(), binary(Type::truth, greater_equal), kTruth},
      {"operator>= scalar", CALL(x[0] >= a.p), one_and_scalar(),
       with_scalar(Type::truth, greater_equal), kTruth},
      {"operator>= scalar first", CALL(a.p >= x[0]), one_and_scalar(),
       with_scalar_first(Type::truth, greater_equal), kTruth},
      {"logical_and", CALL(logical_and(x[0].value(), x[1].value())), two(),
       binary(Type::truth, both), kTruth},
      {"logical_or", CALL(logical_or(x[0].value(), x[1].value())), two(),
       binary(Type::truth, either), kTruth},
      {"logical_xor", CALL(logical_xor(x[0].value(), x[1].value())), two(),
       binary(Type::truth, not_both), kTruth},
      {"logical_not", CALL(logical_not(x[0].value())), one(),
       unary(Type::truth, [](double x) { return x != 0 ? 0.0 : 1.0; }), kTruth},
      {"operator&&", CALL(x[0].value() && x[1].value()), two(), binary(Type::truth, both), kTruth},
      {"operator||", CALL(x[0].value() || x[1].value()), two(), binary(Type::truth, either),
       kTruth},
      {"operator!", CALL(!x[0].value()), one(),
       unary(Type::truth, [](double x) { return x != 0 ? 0.0 : 1.0; }), kTruth},
      {"operator&", CALL((x[0].value() != 0) & (x[1].value() != 0)), two(),
       binary(Type::truth, both), kTruth},
      {"operator|", CALL((x[0].value() != 0) | (x[1].value() != 0)), two(),
       binary(Type::truth, either), kTruth},
      {"operator^", CALL((x[0].value() != 0) ^ (x[1].value() != 0)), two(),
       binary(Type::truth, not_both), kTruth},
      {"operator~", CALL(~(x[0].value() != 0)), one(),
       unary(Type::truth, [](double x) { return x != 0 ? 0.0 : 1.0; }), kTruth},
      {"isnan", CALL(isnan(x[0].value())), one(),
       unary(Type::truth, [](double x) { return std::isnan(x) ? 1.0 : 0.0; }), kTruth},
      {"isinf", CALL(isinf(x[0].value())), one(),
       unary(Type::truth, [](double x) { return std::isinf(x) ? 1.0 : 0.0; }), kTruth},
      {"isfinite", CALL(isfinite(x[0].value())), one(),
       unary(Type::truth, [](double x) { return std::isfinite(x) ? 1.0 : 0.0; }), kTruth},

      {"where", CALL(where(x[2].value(), x[0], x[1])),
       [](Draw& d) {
         const Shape first = d.any();
         const Shape second = d.broadcast_with(first);
         const Shape shape = common_shape(first, second);
         d.mask(d.random.chance(0.7) ? shape : d.random.chance(0.5) ? Shape{} : first);
       },
       [](const Plains& x, const Attributes&) -> Plains {
         return {chosen(x[2], x[0], x[1], promoted(x[0], x[1]))};
       },
       kMask},
      {"where scalar", CALL(where(x[1].value(), x[0], a.p)),
       [](Draw& d) {
         d.mask(d.any());
         d.a.p = d.random.real(-2, 2);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {chosen(x[1], x[0], filled({}, x[0].dtype, a.p), x[0].dtype)};
       },
       kMask},
      {"where scalar first", CALL(where(x[1].value(), a.p, x[0])),
       [](Draw& d) {
         d.mask(d.any());
         d.a.p = d.random.real(-2, 2);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {chosen(x[1], filled({}, x[0].dtype, a.p), x[0], x[0].dtype)};
       },
       kMask},
      {"where scalars",
       CALL(where(x[0].value(), a.p, a.q)),
       [](Draw& d) {
         d.mask(d.shape());
         d.a.p = d.random.real(-2, 2);
         d.a.q = d.random.real(-2, 2);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {mapped(x[0], float32, [&](double each) { return each != 0 ? a.p : a.q; })};
       },
       {.exact = true, .frequency = 0.1}},

      {"neg", CALL(neg(x[0])), one(), unary(Type::same, [](double x) { return -x; }),
       kExactFunction},
      {"abs", CALL(abs(x[0])), one(), unary(Type::same, [](double x) { return std::abs(x); }),
       kExactFunction},
      {"sign", CALL(sign(x[0])), one(), unary(Type::same, sign_of), kExactFunction},
      {"square", CALL(square(x[0])), one(), unary(Type::same, [](double x) { return x * x; }),
       kExactFunction},
      {"reciprocal", CALL(reciprocal(x[0])), one(kAway),
       unary(Type::real, [](double x) { return 1 / x; }), kExactFunction},
      {"sqrt", CALL(sqrt(x[0])), one(kPositive),
       unary(Type::real, [](double x) { return std::sqrt(x); }), kExactFunction},
      {"rsqrt", CALL(rsqrt(x[0])), one(kPositive),
       unary(Type::real, [](double x) { return 1 / std::sqrt(x); }), kFunction},
      {"exp", CALL(exp(x[0])), one(kSmall), unary(Type::real, [](double x) { return std::exp(x); }),
       kFunction},
      {"expm1", CALL(expm1(x[0])), one(kSmall),
       unary(Type::real, [](double x) { return std::expm1(x); }), kFunction},
      {"log", CALL(log(x[0])), one(kPositive),
       unary(Type::real, [](double x) { return std::log(x); }), kFunction},
      {"log1p", CALL(log1p(x[0])), one({-0.6, 8}),
       unary(Type::real, [](double x) { return std::log1p(x); }), kFunction},
      {"log2", CALL(log2(x[0])), one(kPositive),
       unary(Type::real, [](double x) { return std::log2(x); }), kFunction},
      {"sin", CALL(sin(x[0])), one(), unary(Type::real, [](double x) { return std::sin(x); }),
       kFunction},
      {"cos", CALL(cos(x[0])), one(), unary(Type::real, [](double x) { return std::cos(x); }),
       kFunction},
      {"tan", CALL(tan(x[0])), one({-1.2, 1.2}),
       unary(Type::real, [](double x) { return std::tan(x); }), kFunction},
      {"tanh", CALL(tanh(x[0])), one(), unary(Type::real, [](double x) { return std::tanh(x); }),
       kFunction},
      {"sigmoid", CALL(sigmoid(x[0])), one(), unary(Type::real, sigmoid_of), kFunction},
      {"relu", CALL(relu(x[0])), one(), unary(Type::same, relu_of), kExactFunction},
      {"leaky_relu", CALL(leaky_relu(x[0], a.p)), one_and_scalar(),
       with_scalar(Type::same, [](double x, double slope) { return x > 0 ? x : x * slope; }),
       kReals},
      {"elu", CALL(elu(x[0], a.p)), one_and_scalar(),
       with_scalar(Type::same,
                   [](double x, double alpha) { return x > 0 ? x : alpha * std::expm1(x); }),
       kReals},
      {"gelu", CALL(gelu(x[0])), one(), unary(Type::real, gelu_of), kRounded},
      {"gelu tanh", CALL(gelu(x[0], GeluApproximation::tanh)), one(),
       unary(Type::real, gelu_tanh_of), kRounded},
      {"silu", CALL(silu(x[0])), one(), unary(Type::real, silu_of), kFinite},
      {"softplus", CALL(softplus(x[0])), one(), unary(Type::real, softplus_of), kReals},
      {"softsign", CALL(softsign(x[0])), one(),
       unary(Type::real, [](double x) { return x / (1 + std::abs(x)); }), kReals},
      {"softplus beta",
       CALL(softplus(x[0], a.p, 5)),
       one_and_scalar(),
       with_scalar(Type::same,
                   [](double x, double beta) {
                     const double scaled = beta * x;
                     const double curved =
                         std::max(scaled, 0.0) + std::log1p(std::exp(-std::abs(scaled)));
                     return scaled > 5 ? x : curved / beta;
                   }),
       {.special = false, .slack = 4, .frequency = 0.5}},
      {"logaddexp",
       CALL(logaddexp(x[0], x[1])),
       two(),
       binary(Type::same,
              [](double a, double b) {
                return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
              }),
       {.special = false, .promotes = true, .slack = 2, .frequency = 0.5}},
      {"lerp",
       CALL(lerp(x[0], x[1], a.p)),
       [](Draw& d) {
         const Shape shape = d.any();
         d.broadcast_with(shape);
         d.a.p = d.random.real(-1, 2);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {zipped(x[0], x[1], promoted(x[0], x[1]),
                        [&](double start, double end) { return start + a.p * (end - start); })};
       },
       {.special = false, .slack = 8, .frequency = 0.5}},
      {"lerp each",
       CALL(lerp(x[0], x[1], x[2])),
       [](Draw& d) {
         const Shape shape = d.any();
         d.of(shape);
         d.of(shape, {-1, 2});
       },
       [](const Plains& x, const Attributes&) -> Plains {
         Plain y = x[0];
         for (std::int64_t i = 0; i < y.numel(); ++i) y[i] += x[2][i] * (x[1][i] - x[0][i]);
         return {y};
       },
       {.special = false, .slack = 16, .frequency = 0.5}},
      {"clamp each",
       CALL(clamp(x[0], x[1], x[2])),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 0, 3);
         d.of(shape);
         d.broadcast_with(shape);
       },
       [](const Plains& x, const Attributes&) -> Plains {
         const Plain raised = zipped(x[0], x[1], promoted(x[0], x[1]), larger);
         return {zipped(raised, x[2], promoted(raised, x[2]), smaller)};
       },
       {.special = false, .exact = true, .frequency = 0.5}},
      {"erf", CALL(erf(x[0])), one(), unary(Type::real, [](double x) { return std::erf(x); }),
       kFunction},
      {"floor", CALL(floor(x[0])), one(), unary(Type::same, [](double x) { return std::floor(x); }),
       kExactFunction},
      {"ceil", CALL(ceil(x[0])), one(), unary(Type::same, [](double x) { return std::ceil(x); }),
       kExactFunction},
      {"round", CALL(round(x[0])), one(),
       unary(Type::same, [](double x) { return std::nearbyint(x); }), kExactFunction},
      {"clamp", CALL(clamp(x[0], a.p, a.q)), one_and_bounds, clamped(0, 0), kExactFunction},
      {"clamp below", CALL(clamp(x[0], a.p)), one_and_bounds, clamped(0, kNone), kExactFunction},
      {"clamp above", CALL(clamp(x[0], std::nullopt, a.q)), one_and_bounds, clamped(-kNone, 0),
       kExactFunction},
  };
}

}  // namespace tapegrad::tapes
