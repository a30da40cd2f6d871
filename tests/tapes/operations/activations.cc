// Rows of the less usual activations. Read next: reductions.cc.
#include <algorithm>
#include <cmath>
#include <functional>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kSmooth{.special = false, .slack = 4, .frequency = 0.5};
constexpr Operation::Traits kStraight{.special = false, .slack = 2, .frequency = 0.5};

using One = double (*)(double);
auto each(One f) {
  return [=](const Plains& x, const Attributes&) -> Plains {
    Plain y = x[0];
    for (double& element : y.x) element = f(element);
    return {y};
  };
}
// f(element, a.p, a.q).
auto each_with(double (*f)(double, double, double)) {
  return [=](const Plains& x, const Attributes& a) -> Plains {
    Plain y = x[0];
    for (double& element : y.x) element = f(element, a.p, a.q);
    return {y};
  };
}

void draw(Draw& d) { d.any(); }
void draw_positive_option(Draw& d) {
  d.any();
  d.a.p = d.random.real(0.1, 2);
}
void draw_bounds(Draw& d) {
  d.any();
  d.a.p = d.random.real(-2, 0.5);
  d.a.q = d.a.p + d.random.real(0.1, 3);
}

double clipped(double x, double low, double high) { return std::min(std::max(x, low), high); }
double softplus_of(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

Plain with_slope(const Plain& x, const Plain& weight) {
  return made(x.shape, x.dtype, [&](const Shape& at) {
    const double element = x[position_of(x.shape, at)];
    const double slope = weight[weight.numel() == 1 ? 0 : at[1]];
    return element > 0 ? element : slope * element;
  });
}

}  // namespace

std::vector<Operation> activation_rows() {
  return {
      {"relu6", CALL(relu6(x[0])), draw, each([](double x) { return clipped(x, 0, 6); }),
       kStraight},
      {"hardtanh", CALL(hardtanh(x[0], a.p, a.q)), draw_bounds, each_with(clipped), kStraight},
      {"hardsigmoid", CALL(hardsigmoid(x[0])), draw,
       each([](double x) { return clipped(x + 3, 0, 6) / 6; }), kStraight},
      {"hardswish", CALL(hardswish(x[0])), draw,
       each([](double x) { return x * clipped(x + 3, 0, 6) / 6; }), kStraight},
      {"selu", CALL(selu(x[0])), draw, each([](double x) {
         return 1.0507009873554804934 * (x > 0 ? x : 1.6732632423543772848 * std::expm1(x));
       }),
       kSmooth},
      {"celu", CALL(celu(x[0], a.p)), draw_positive_option,
       each_with([](double x, double alpha, double) {
         return x > 0 ? x : alpha * std::expm1(x / alpha);
       }),
       kSmooth},
      {"mish", CALL(mish(x[0])), draw, each([](double x) { return x * std::tanh(softplus_of(x)); }),
       kSmooth},
      {"logsigmoid", CALL(logsigmoid(x[0])), draw, each([](double x) { return -softplus_of(-x); }),
       kSmooth},
      {"softshrink", CALL(softshrink(x[0], a.p)), draw_positive_option,
       each_with([](double x, double lambd, double) { return x - clipped(x, -lambd, lambd); }),
       kStraight},
      {"hardshrink", CALL(hardshrink(x[0], a.p)), draw_positive_option,
       each_with([](double x, double lambd, double) { return std::abs(x) <= lambd ? 0 : x; }),
       kStraight},
      {"threshold", CALL(threshold(x[0], a.p, a.q)), draw_bounds,
       each_with([](double x, double low, double value) { return x <= low ? value : x; }),
       kStraight},
      {"prelu", CALL(prelu(x[0], x[1])),
       [](Draw& d) {
         const Shape shape = d.any();
         d.of(shape.dim() < 2 || d.random.chance(0.4) ? Shape{1} : Shape{shape[1]});
       },
       [](const Plains& x, const Attributes&) -> Plains { return {with_slope(x[0], x[1])}; },
       kStraight},
      {"glu", CALL(glu(x[0], a.i)),
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1);
         d.a.i = d.dim_of(shape);
         d.require(shape[positive(d.a.i, shape.dim())[0]] % 2 == 0);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         const Line line = line_of(x[0].shape, a.i);
         Shape shape = x[0].shape;
         shape[positive(a.i, shape.dim())[0]] = line.n / 2;
         Plain y = filled(shape, x[0].dtype);
         const Line out = line_of(shape, a.i);
         for (std::int64_t o = 0; o < line.outer; ++o) {
           for (std::int64_t k = 0; k < out.n; ++k) {
             for (std::int64_t i = 0; i < line.inner; ++i) {
               const double gate = x[0][line.at(o, k + out.n, i)];
               y[out.at(o, k, i)] = x[0][line.at(o, k, i)] / (1 + std::exp(-gate));
             }
           }
         }
         return {y};
       },
       kSmooth},
  };
}

}  // namespace tapegrad::tapes
