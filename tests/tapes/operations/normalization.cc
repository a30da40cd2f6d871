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

void draw_image_channels(Draw& d) {
  const Shape shape = d.any({-8, 8, false, true}, 4, 4);
  d.require(shape[0] * shape[2] * shape[3] > 1 && shape[1] > 0);
  d.a.p = d.random.one_of(std::vector<double>{1e-3, 0.1, 0.5});
  d.of(shape[1]);
  d.of(shape[1]);
}
void draw_groups(Draw& d) {
  const Shape shape = d.any({-8, 8, false, true}, 2, 4);
  d.require(shape[1] > 0 && count_of(shape) > shape[0] * 2);
  d.a.i = shape[1] % 2 == 0 ? 2 : 1;
  d.a.p = d.random.one_of(std::vector<double>{1e-3, 0.1, 0.5});
  d.of(shape[1]);
  d.of(shape[1]);
}

// x, (batch, channels, ...), normalized over each of `groups` groups of channels, for each example
// or for the whole batch; x[1] and x[2] are weight and bias.
Plain normalized_channels(const Plains& x, double eps, std::int64_t groups, bool whole_batch) {
  const Shape& shape = x[0].shape;
  const std::int64_t channels = shape[1];
  const auto key = [&](const Shape& index) {
    return (whole_batch ? 0 : index[0] * groups) + index[1] / (channels / groups);
  };
  const auto rows = static_cast<std::size_t>((whole_batch ? 1 : shape[0]) * groups);
  std::vector<double> means(rows), squares(rows), counts(rows);
  const auto each = [&](const auto& function) {
    for (std::int64_t i = 0; i < x[0].numel(); ++i) {
      function(static_cast<std::size_t>(key(index_at(shape, i))), x[0][i]);
    }
  };
  each([&](std::size_t row, double value) { means[row] += value, ++counts[row]; });
  for (std::size_t row = 0; row < rows; ++row) means[row] /= counts[row];
  each([&](std::size_t row, double value) { squares[row] += std::pow(value - means[row], 2); });
  return made(shape, x[0].dtype, [&](const Shape& index) {
    const auto row = static_cast<std::size_t>(key(index));
    const double n = (x[0][position_of(shape, index)] - means[row]) /
                     std::sqrt(squares[row] / counts[row] + eps);
    return n * x[1][index[1]] + x[2][index[1]];
  });
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
      {"batch_norm of images", CALL(batch_norm(x[0], x[1], x[2], a.p)),
       [](Draw& d) { draw_image_channels(d); },
       [](const Plains& x, const Attributes& a) {
         return Plains{normalized_channels(x, a.p, x[0].shape[1], true)};
       },
       kFinite},
      {"group_norm", CALL(group_norm(x[0], a.i, x[1], x[2], a.p)), [](Draw& d) { draw_groups(d); },
       [](const Plains& x, const Attributes& a) {
         return Plains{normalized_channels(x, a.p, a.i, false)};
       },
       kFinite},
  };
}

}  // namespace tapegrad::tapes
