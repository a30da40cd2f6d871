// Rows of normalization. Read next: matmul.cc.
#include <cmath>
#include <optional>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

// Elements that differ: the rules divide by the standard deviation.
constexpr Operation::Traits kFinite{.special = false, .slack = 8, .frequency = 1.5};

// Groups of elements are normalized; group and position give an element's index.
Plain standardized(const Plain& x, std::int64_t groups, std::int64_t n, double eps, bool centered,
                   const std::function<std::int64_t(std::int64_t, std::int64_t)>& at) {
  Plain y = x;
  for (std::int64_t g = 0; g < groups; ++g) {
    long double total = 0, squares = 0;
    for (std::int64_t k = 0; k < n; ++k) total += x[at(g, k)];
    const double mean = centered ? static_cast<double>(total / static_cast<long double>(n)) : 0;
    for (std::int64_t k = 0; k < n; ++k) squares += (x[at(g, k)] - mean) * (x[at(g, k)] - mean);
    const double root = std::sqrt(static_cast<double>(squares / static_cast<long double>(n)) + eps);
    for (std::int64_t k = 0; k < n; ++k) y[at(g, k)] = (x[at(g, k)] - mean) / root;
  }
  return y;
}

// Over the last dimensions a.shape, then times weight, plus bias.
Plains of_last(const Plains& x, const Attributes& a, bool centered, double eps, const Plain* weight,
               const Plain* bias) {
  const std::int64_t n = count_of(a.shape);
  const std::int64_t groups = n == 0 ? 0 : x[0].numel() / n;
  Plain y = standardized(x[0], groups, n, eps, centered,
                         [&](std::int64_t g, std::int64_t k) { return g * n + k; });
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    if (weight != nullptr) y[i] *= (*weight)[i % n];
    if (bias != nullptr) y[i] += (*bias)[i % n];
  }
  return {y};
}

// Over all dimensions but 1.
Plains of_channels(const Plains& x, double eps, const Plain* weight, const Plain* bias) {
  const std::int64_t channels = x[0].shape[1];
  const std::int64_t length = x[0].dim() == 3 ? x[0].shape[2] : 1;
  const std::int64_t n = x[0].shape[0] * length;
  Plain y = standardized(x[0], channels, n, eps, true, [&](std::int64_t c, std::int64_t k) {
    return (k / length * channels + c) * length + k % length;
  });
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t c = i / length % channels;
    if (weight != nullptr) y[i] *= (*weight)[c];
    if (bias != nullptr) y[i] += (*bias)[c];
  }
  return {y};
}

void draw_last(Draw& d, int parameters) {
  const Shape shape = d.any({-8, 8, false, true}, 1);
  for (std::int64_t k = shape.dim() - d.random.integer(1, std::min<std::int64_t>(shape.dim(), 2));
       k < shape.dim(); ++k) {
    d.a.shape.push_back(shape[k]);
  }
  d.require(count_of(d.a.shape) > 0);
  d.a.p = d.random.one_of(std::vector<double>{1e-3, 0.1, 0.5});
  for (; parameters > 0; --parameters) d.of(d.a.shape);
}
void draw_channels(Draw& d, int parameters) {
  const Shape shape = d.any({-8, 8, false, true}, 2, 3);
  const std::int64_t n = shape[0] * (shape.dim() == 3 ? shape[2] : 1);
  d.require(n > 1);
  d.a.p = d.random.one_of(std::vector<double>{1e-3, 0.1, 0.5});
  for (; parameters > 0; --parameters) d.of(shape[1]);
}

}  // namespace

std::vector<Operation> normalization_rows() {
  return {
      {"layer_norm", CALL(layer_norm(x[0], a.shape, x[1], x[2], a.p)),
       [](Draw& d) { draw_last(d, 2); },
       [](const Plains& x, const Attributes& a) { return of_last(x, a, true, a.p, &x[1], &x[2]); },
       kFinite},
      {"layer_norm plain", CALL(layer_norm(x[0], a.shape, {}, {}, a.p)),
       [](Draw& d) { draw_last(d, 0); },
       [](const Plains& x, const Attributes& a) {
         return of_last(x, a, true, a.p, nullptr, nullptr);
       },
       kFinite},
      {"layer_norm shifted", CALL(layer_norm(x[0], a.shape, {}, x[1], a.p)),
       [](Draw& d) { draw_last(d, 1); },
       [](const Plains& x, const Attributes& a) {
         return of_last(x, a, true, a.p, nullptr, &x[1]);
       },
       kFinite},
      {"rms_norm", CALL(rms_norm(x[0], a.shape, x[1], a.p)), [](Draw& d) { draw_last(d, 1); },
       [](const Plains& x, const Attributes& a) {
         return of_last(x, a, false, a.p, &x[1], nullptr);
       },
       kFinite},
      {"rms_norm plain", CALL(rms_norm(x[0], a.shape, {}, a.p)), [](Draw& d) { draw_last(d, 0); },
       [](const Plains& x, const Attributes& a) {
         return of_last(x, a, false, a.p, nullptr, nullptr);
       },
       kFinite},
      {"batch_norm", CALL(batch_norm(x[0], x[1], x[2], a.p)), [](Draw& d) { draw_channels(d, 2); },
       [](const Plains& x, const Attributes& a) { return of_channels(x, a.p, &x[1], &x[2]); },
       kFinite},
      {"batch_norm plain", CALL(batch_norm(x[0], {}, {}, a.p)),
       [](Draw& d) { draw_channels(d, 0); },
       [](const Plains& x, const Attributes& a) { return of_channels(x, a.p, nullptr, nullptr); },
       kFinite},
  };
}

}  // namespace tapegrad::tapes
