// Elementwise operations. Each has its formula, its gradient, and both in code. No rule mentions
// broadcasting or types: the backward pass converts a gradient to its input's shape and type. Read
// next: autograd/ops/activations.cc.
#include <cmath>
#include <numbers>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/fused.h>

namespace tapegrad {
namespace {

Variable no_gradient(const Variable& dy) { return Variable(zeros_like(dy.value())); }

}  // namespace

// Arithmetic --------------------------------------------------------------------------------------

// y = a + b        da = dy,  db = dy
Variable add(const Variable& a, const Variable& b) {
  return record("add", add(a.value(), b.value()), from(a, [](const Variable& dy) { return dy; }),
                from(b, [](const Variable& dy) { return dy; }));
}
Variable add(const Variable& a, Scalar b) {
  describe(
      "add",
      [&] {
        return Attributes{{"other", b.to<double>()}};
      },
      a);
  return record("add", add(a.value(), b), from(a, [](const Variable& dy) { return dy; }));
}

// y = a - b        da = dy,  db = -dy
Variable sub(const Variable& a, const Variable& b) {
  return record("sub", sub(a.value(), b.value()), from(a, [](const Variable& dy) { return dy; }),
                from(b, [](const Variable& dy) { return -dy; }));
}
Variable sub(const Variable& a, Scalar b) {
  describe(
      "sub",
      [&] {
        return Attributes{{"other", b.to<double>()}};
      },
      a);
  return record("sub", sub(a.value(), b), from(a, [](const Variable& dy) { return dy; }));
}
Variable sub(Scalar a, const Variable& b) {
  describe(
      "sub",
      [&] {
        return Attributes{{"input", a.to<double>()}};
      },
      b);
  return record("sub", sub(a, b.value()), from(b, [](const Variable& dy) { return -dy; }));
}

// y = a * b        da = dy * b,  db = dy * a
Variable mul(const Variable& a, const Variable& b) {
  // Often only one input requires a gradient. Then only its rule is made, and captures the other.
  return record("mul", mul(a.value(), b.value()),
                from(a, [&] { return [b = Variable(b)](const Variable& dy) { return dy * b; }; }),
                from(b, [&] { return [a = Variable(a)](const Variable& dy) { return dy * a; }; }));
}
Variable mul(const Variable& a, Scalar b) {
  describe(
      "mul",
      [&] {
        return Attributes{{"other", b.to<double>()}};
      },
      a);
  return record("mul", mul(a.value(), b), from(a, [b](const Variable& dy) { return dy * b; }));
}

// y = a / b        da = dy / b,  db = -dy * y / b
Variable div(const Variable& a, const Variable& b) {
  return record("div", div(a.value(), b.value()),
                from(a, [b](const Variable& dy) { return dy / b; }),
                from(b, [b](const Variable& dy, const Variable& y) { return -dy * y / b; }));
}
Variable div(const Variable& a, Scalar b) {
  describe(
      "div",
      [&] {
        return Attributes{{"other", b.to<double>()}};
      },
      a);
  return record("div", div(a.value(), b), from(a, [b](const Variable& dy) { return dy / b; }));
}
Variable div(Scalar a, const Variable& b) {
  describe(
      "div",
      [&] {
        return Attributes{{"input", a.to<double>()}};
      },
      b);
  return record("div", div(a, b.value()),
                from(b, [b](const Variable& dy, const Variable& y) { return -dy * y / b; }));
}

// y = a - b * floor(a / b)        da = dy,  db = -dy * floor(a / b)
Variable remainder(const Variable& a, const Variable& b) {
  return record("remainder", remainder(a.value(), b.value()),
                from(a, [](const Variable& dy) { return dy; }),
                from(b, [a, b](const Variable& dy) { return -dy * floor(a / b); }));
}
Variable remainder(const Variable& a, Scalar b) {
  describe(
      "remainder",
      [&] {
        return Attributes{{"other", b.to<double>()}};
      },
      a);
  return record("remainder", remainder(a.value(), b),
                from(a, [](const Variable& dy) { return dy; }));
}
Variable remainder(Scalar a, const Variable& b) {
  return remainder(Variable(full({}, a, a.promote_with(b.dtype()))), b);
}

// y = a^b          da = dy * b * a^(b - 1), 0 where b = 0
//                  db = dy * y * log(a),    0 where a = 0 and b >= 0
Variable pow(const Variable& a, const Variable& b) {
  return record("pow", pow(a.value(), b.value()),
                from(a,
                     [a, b](const Variable& dy) {  // b + -1, because b - 1 throws for a boolean b
                       return where(b.value() == 0, 0, dy * b * pow(a, b + -1));
                     }),
                from(b, [a, b](const Variable& dy, const Variable& y) {
                  const Tensor flat = a.value() == 0 && b.value() >= 0;
                  return where(flat, 0, dy * y * log(where(flat, 1, a)));
                }));
}
Variable pow(const Variable& a, Scalar b) {
  describe(
      "pow",
      [&] {
        return Attributes{{"exponent", b.to<double>()}};
      },
      a);
  return record("pow", pow(a.value(), b), from(a, [a, b](const Variable& dy) {
                  const double power = b.to<double>();
                  return power == 0 ? no_gradient(dy) : dy * (power * pow(a, power - 1));
                }));
}
Variable pow(Scalar a, const Variable& b) {
  describe(
      "pow",
      [&] {
        return Attributes{{"input", a.to<double>()}};
      },
      b);
  return record("pow", pow(a, b.value()), from(b, [a, b](const Variable& dy, const Variable& y) {
                  const double base = a.to<double>();
                  return base == 0 ? where(b.value() >= 0, 0, dy * y * std::log(base))
                                   : dy * y * std::log(base);
                }));
}

namespace {

// 0 where x is not chosen, 1/2 where both are equal, otherwise 1, also if one of them is NaN.
Tensor share(const Tensor& not_chosen, const Tensor& x, const Tensor& other) {
  const Tensor shares = where(x == other, 0.5, ones_like(x + other));
  return where(not_chosen, 0, shares);
}

}  // namespace

// y = max(a, b)    da = dy where a > b, dy / 2 where a = b;  db likewise
Variable maximum(const Variable& a, const Variable& b) {
  return record("maximum", maximum(a.value(), b.value()),
                from(a,
                     [a, b](const Variable& dy) {
                       return dy * share(a.value() < b.value(), a.value(), b.value());
                     }),
                from(b, [a, b](const Variable& dy) {
                  return dy * share(b.value() < a.value(), a.value(), b.value());
                }));
}

// y = min(a, b)    da = dy where a < b, dy / 2 where a = b;  db likewise
Variable minimum(const Variable& a, const Variable& b) {
  return record("minimum", minimum(a.value(), b.value()),
                from(a,
                     [a, b](const Variable& dy) {
                       return dy * share(a.value() > b.value(), a.value(), b.value());
                     }),
                from(b, [a, b](const Variable& dy) {
                  return dy * share(b.value() > a.value(), a.value(), b.value());
                }));
}

// y = c ? a : b    da = c ? dy : 0,  db = c ? 0 : dy
Variable where(const Tensor& condition, const Variable& a, const Variable& b) {
  describe(
      "where",
      [&] {
        return Attributes{{"condition", condition}};
      },
      a, b);
  return record(
      "where", where(condition, a.value(), b.value()),
      from(a, [c = Variable(condition)](const Variable& dy) { return where(c.value(), dy, 0); }),
      from(b, [c = Variable(condition)](const Variable& dy) { return where(c.value(), 0, dy); }));
}
Variable where(const Tensor& condition, const Variable& a, Scalar b) {
  describe(
      "where",
      [&] {
        return Attributes{{"condition", condition}, {"other", b.to<double>()}};
      },
      a);
  return record(
      "where", where(condition, a.value(), b),
      from(a, [c = Variable(condition)](const Variable& dy) { return where(c.value(), dy, 0); }));
}
Variable where(const Tensor& condition, Scalar a, const Variable& b) {
  describe(
      "where",
      [&] {
        return Attributes{{"condition", condition}, {"input", a.to<double>()}};
      },
      b);
  return record(
      "where", where(condition, a, b.value()),
      from(b, [c = Variable(condition)](const Variable& dy) { return where(c.value(), 0, dy); }));
}

// The backward pass converts the gradient back to the input's type. Integers have no gradient.
Variable Variable::to(DType dtype) const {
  if (!is_floating_point(dtype)) return Variable(value().to(dtype));
  return record("to", value().to(dtype), from(*this, [](const Variable& dy) { return dy; }));
}

// Powers, roots, exponentials, logarithms ---------------------------------------------------------

// y = -x           dx = -dy
Variable neg(const Variable& x) {
  return record("neg", neg(x.value()), from(x, [](const Variable& dy) { return -dy; }));
}

// y = |x|          dx = dy * sign(x)
Variable abs(const Variable& x) {
  return record("abs", abs(x.value()), from(x, [x](const Variable& dy) { return dy * sign(x); }));
}

// Step functions: their derivative is 0 wherever it exists.
Variable sign(const Variable& x) { return record("sign", sign(x.value()), from(x, no_gradient)); }
Variable floor(const Variable& x) {
  return record("floor", floor(x.value()), from(x, no_gradient));
}
Variable ceil(const Variable& x) { return record("ceil", ceil(x.value()), from(x, no_gradient)); }
Variable round(const Variable& x) {
  return record("round", round(x.value()), from(x, no_gradient));
}

// y = x^2          dx = dy * 2x
Variable square(const Variable& x) {
  return record("square", square(x.value()),
                from(x, [x](const Variable& dy) { return dy * (2.0 * x); }));
}

// y = 1 / x        dx = -dy * y^2
Variable reciprocal(const Variable& x) {
  return record("reciprocal", reciprocal(x.value()),
                from(x, [](const Variable& dy, const Variable& y) { return -dy * square(y); }));
}

// y = sqrt(x)      dx = dy / 2y
Variable sqrt(const Variable& x) {
  return record("sqrt", sqrt(x.value()),
                from(x, [](const Variable& dy, const Variable& y) { return dy / (2.0 * y); }));
}

// y = 1 / sqrt(x)  dx = -dy * y^3 / 2
Variable rsqrt(const Variable& x) {
  return record("rsqrt", rsqrt(x.value()), from(x, [](const Variable& dy, const Variable& y) {
                  return -0.5 * dy * square(y) * y;
                }));
}

// y = e^x          dx = dy * y
Variable exp(const Variable& x) {
  return record("exp", exp(x.value()),
                from(x, [](const Variable& dy, const Variable& y) { return dy * y; }));
}

// y = e^x - 1      dx = dy * (y + 1)
Variable expm1(const Variable& x) {
  return record("expm1", expm1(x.value()),
                from(x, [](const Variable& dy, const Variable& y) { return dy * (y + 1.0); }));
}

// y = log(x)       dx = dy / x
Variable log(const Variable& x) {
  return record("log", log(x.value()), from(x, [x](const Variable& dy) { return dy / x; }));
}

// y = log(1 + x)   dx = dy / (1 + x)
Variable log1p(const Variable& x) {
  return record("log1p", log1p(x.value()),
                from(x, [x](const Variable& dy) { return dy / (1.0 + x); }));
}

// y = log2(x)      dx = dy / (x log 2)
Variable log2(const Variable& x) {
  return record("log2", log2(x.value()),
                from(x, [x](const Variable& dy) { return dy / (x * std::numbers::ln2); }));
}

// y = sin(x)       dx = dy * cos(x)
Variable sin(const Variable& x) {
  return record("sin", sin(x.value()), from(x, [x](const Variable& dy) { return dy * cos(x); }));
}

// y = cos(x)       dx = -dy * sin(x)
Variable cos(const Variable& x) {
  return record("cos", cos(x.value()), from(x, [x](const Variable& dy) { return -dy * sin(x); }));
}

// y = tan(x)       dx = dy * (1 + y^2)
Variable tan(const Variable& x) {
  return record("tan", tan(x.value()), from(x, [](const Variable& dy, const Variable& y) {
                  return dy * (1.0 + square(y));
                }));
}

// y = erf(x)       dx = dy * 2 / sqrt(pi) * e^(-x^2)
Variable erf(const Variable& x) {
  return record("erf", erf(x.value()), from(x, [x](const Variable& dy) {
                  return dy * (2.0 * std::numbers::inv_sqrtpi * exp(-square(x)));
                }));
}

// Activations -------------------------------------------------------------------------------------

// y = tanh(x)      dx = dy * (1 - y^2)
Variable tanh(const Variable& x) {
  return record_fused("tanh", tanh(x.value()), x, tanh_backward,
                      [](const Variable& dy, const Variable& y) { return dy * (1.0 - square(y)); });
}

// y = 1 / (1 + e^-x)      dx = dy * y * (1 - y)
Variable sigmoid(const Variable& x) {
  return record_fused("sigmoid", sigmoid(x.value()), x, sigmoid_backward,
                      [](const Variable& dy, const Variable& y) { return dy * y * (1.0 - y); });
}

// y = max(x, 0)    dx = dy, 0 where y = 0
Variable relu(const Variable& x) {
  return record_fused(
      "relu", relu(x.value()), x, relu_backward,
      [](const Variable& dy, const Variable& y) { return where(y.value() <= 0, 0, dy); });
}

// y = x > 0 ? x : slope * x        dx = dy * (x > 0 ? 1 : slope)
Variable leaky_relu(const Variable& x, double negative_slope) {
  describe(
      "leaky_relu",
      [&] {
        return Attributes{{"negative_slope", negative_slope}};
      },
      x);
  return record("leaky_relu", leaky_relu(x.value(), negative_slope),
                from(x, [x, negative_slope](const Variable& dy) {
                  return where(x.value() > 0, dy, dy * negative_slope);
                }));
}

// y = x <= 0 ? alpha * (e^x - 1) : x       dx = dy * (x <= 0 ? y + alpha : 1)
Variable elu(const Variable& x, double alpha) {
  describe(
      "elu",
      [&] {
        return Attributes{{"alpha", alpha}};
      },
      x);
  return record("elu", elu(x.value(), alpha),
                from(x, [x, alpha](const Variable& dy, const Variable& y) {
                  return where(x.value() <= 0, dy * (y + alpha), dy);
                }));
}

// y = x * Phi(x) with the normal distribution's Phi    dx = dy * (Phi(x) + x * phi(x))
// (Hendrycks and Gimpel 2016), or its approximation by tanh.
Variable gelu(const Variable& x, GeluApproximation approximate) {
  if (approximate == GeluApproximation::tanh) return composition::gelu_by_tanh(x);
  return record_fused(
      "gelu", gelu(x.value()), x, [x](const Tensor& dy) { return gelu_backward(dy, x.value()); },
      [x](const Variable& dy) {
        const Variable distribution = 0.5 * (1.0 + erf(x / std::numbers::sqrt2));
        const Variable density =
            std::numbers::inv_sqrtpi / std::numbers::sqrt2 * exp(-0.5 * square(x));
        return dy * (distribution + x * density);
      });
}

// y = x * s with s = sigmoid(x)        dx = dy * s * (1 + x * (1 - s))
Variable silu(const Variable& x) {
  return record("silu", silu(x.value()), from(x, [x](const Variable& dy) {
                  const Variable s = sigmoid(x);
                  return dy * s * (1.0 + x * (1.0 - s));
                }));
}

// y = log(1 + e^x), x itself above 20        dx = dy * sigmoid(x), dy above 20
Variable softplus(const Variable& x) {
  return record("softplus", softplus(x.value()), from(x, [x](const Variable& dy) {
                  return where(x.value() > 20, dy, dy * sigmoid(x));
                }));
}

// y = x / (1 + |x|)
Variable softsign(const Variable& x) { return composition::softsign(x); }
Variable softplus(const Variable& x, double beta, double threshold) {
  return composition::softplus(x, beta, threshold);
}
Variable clamp(const Variable& x, const Variable& min, const Variable& max) {
  return composition::clamp(x, min, max);
}
Variable logaddexp(const Variable& a, const Variable& b) { return composition::logaddexp(a, b); }
Variable lerp(const Variable& start, const Variable& end, double weight) {
  return composition::lerp(start, end, weight);
}
Variable lerp(const Variable& start, const Variable& end, const Variable& weight) {
  return composition::lerp(start, end, weight);
}

// y = x within [min, max]        dx = dy there, ends included
Variable clamp(const Variable& x, std::optional<Scalar> min, std::optional<Scalar> max) {
  const auto limits = [&] {
    Attributes attributes;
    if (min) attributes.push_back({"min", min->to<double>()});
    if (max) attributes.push_back({"max", max->to<double>()});
    return attributes;
  };
  describe("clamp", limits, x);
  return record("clamp", clamp(x.value(), min, max), from(x, [x, min, max](const Variable& dy) {
                  Tensor inside = x.value() == x.value();
                  if (min) inside = inside && x.value() >= *min;
                  if (max) inside = inside && x.value() <= *max;
                  return where(inside, dy, 0);
                }));
}

}  // namespace tapegrad
