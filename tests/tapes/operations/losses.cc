// Rows of the losses of nn/losses.h. Read next: ../tapes_test.cc.
#include <algorithm>
#include <cmath>

#include <tapegrad/nn/losses.h>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kLoss{.special = false, .slack = 32};

// The reduction a.l: 0 none, 1 mean, 2 sum.
nn::Reduction reduction(const Attributes& a) { return static_cast<nn::Reduction::Kind>(a.l); }
Plain combined(Plain losses, std::int64_t how) {
  if (how == 0) return losses;
  long double total = 0;
  for (const double each : losses.x) total += each;
  const double count = static_cast<double>(losses.numel());
  return filled({}, losses.dtype, static_cast<double>(total) / (how == 1 ? count : 1));
}

// f(input, target, a) for each element.
auto each(double (*f)(double, double, const Attributes&)) {
  return [=](const Plains& x, const Attributes& a) -> Plains {
    Plain y = x[0];
    for (std::int64_t i = 0; i < y.numel(); ++i) y[i] = f(x[0][i], x[1][i], a);
    return {combined(y, a.l)};
  };
}
auto draw_pair(const Domain& first = kAny, const Domain& second = kAny) {
  return [=](Draw& d) {
    d.of(d.any(first), second);
    d.a.l = d.random.integer(0, 2);
    d.a.p = d.random.real(0.3, 1.5);
  };
}

constexpr Domain kProbability{0.05, 0.95};

// Targets of 1 and -1 for a shape.
void draw_signs(Draw& d, const Shape& shape) {
  std::vector<double> signs(static_cast<std::size_t>(count_of(shape)));
  for (double& sign : signs) sign = d.random.chance(0.5) ? 1 : -1;
  d.leaf(shape, int64, std::move(signs));
}

// Classes -----------------------------------------------------------------------------------------

// logits (batch, classes, positions...) or (classes): as (batch, classes, inner).
Line classes_of(const Shape& logits) { return line_of(logits, logits.dim() == 1 ? 0 : 1); }
Shape without_classes(const Shape& logits) {
  Shape shape = logits;
  shape.erase(logits.dim() == 1 ? 0 : 1);
  return shape;
}

// Class weights x[2]; the ignored class a.i; label smoothing a.p. Logits, or log probabilities.
Plains class_loss(const Plains& x, const Attributes& a, bool logits) {
  const Line line = classes_of(x[0].shape);
  Plain losses = filled(without_classes(x[0].shape), x[0].dtype);
  double divisor = 0;
  for (std::int64_t o = 0; o < line.outer; ++o) {
    for (std::int64_t i = 0; i < line.inner; ++i) {
      const auto target = static_cast<std::int64_t>(x[1][o * line.inner + i]);
      if (target == a.i) continue;
      double total = 0;
      for (std::int64_t c = 0; c < line.n; ++c) total += std::exp(x[0][line.at(o, c, i)]);
      const auto log_p = [&](std::int64_t c) {
        return x[0][line.at(o, c, i)] - (logits ? std::log(total) : 0);
      };
      const double smoothing = logits ? a.p : 0;
      double loss = -(1 - smoothing) * x[2][target] * log_p(target);
      for (std::int64_t c = 0; c < line.n; ++c) {
        loss -= smoothing / static_cast<double>(line.n) * x[2][c] * log_p(c);
      }
      losses[o * line.inner + i] = loss;
      divisor += x[2][target];
    }
  }
  if (a.l == 0) return {losses};
  double sum = 0;
  for (const double each : losses.x) sum += each;
  return {filled({}, x[0].dtype, a.l == 1 ? sum / divisor : sum)};
}

// The class weights are constants.
void draw_classes(Draw& d, const Domain& domain, bool smooth) {
  const Shape shape = d.any(domain, 1, 4);
  const Line line = classes_of(shape);
  d.require(line.n > 0 && line.n < 1000);
  d.a.i = d.random.chance(0.3) ? d.random.integer(0, line.n - 1) : -100;
  d.a.l = d.random.integer(0, 2);
  d.a.p = smooth && d.random.chance(0.4) ? d.random.real(0, 0.9) : 0;
  d.ids(without_classes(shape), 0, line.n - 1);
  std::vector<double> weights(static_cast<std::size_t>(line.n));
  for (double& weight : weights) weight = d.random.real(0.5, 2);
  d.leaf(line.n, d.input(0).dtype(), std::move(weights));
  // The mean over nothing is NaN.
  if (d.a.l == 1) {
    bool some = false;
    for (const auto target : to_vector<std::int64_t>(d.input(1))) some = some || target != d.a.i;
    d.require(some);
  }
}

Plains soft_cross_entropy(const Plains& x, const Attributes& a) {
  const Line line = classes_of(x[0].shape);
  Plain losses = filled(without_classes(x[0].shape), x[0].dtype);
  for (std::int64_t o = 0; o < line.outer; ++o) {
    for (std::int64_t i = 0; i < line.inner; ++i) {
      double total = 0, loss = 0;
      for (std::int64_t c = 0; c < line.n; ++c) total += std::exp(x[0][line.at(o, c, i)]);
      for (std::int64_t c = 0; c < line.n; ++c) {
        const std::int64_t at = line.at(o, c, i);
        loss -= x[1][at] * (x[0][at] - std::log(total));
      }
      losses[o * line.inner + i] = loss;
    }
  }
  return {combined(losses, a.l)};
}

double softplus(double x) { return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0); }

// Vectors: (batch, dim).
double distance(const Plain& a, const Plain& b, std::int64_t row, double eps) {
  const std::int64_t width = a.shape[1];
  double total = 0;
  for (std::int64_t k = 0; k < width; ++k) {
    const double each = a[row * width + k] - b[row * width + k] + eps;
    total += each * each;
  }
  return std::sqrt(total);
}
double inner(const Plain& a, std::int64_t row, const Plain& b, std::int64_t other) {
  const std::int64_t width = a.size(-1);
  double total = 0;
  for (std::int64_t k = 0; k < width; ++k) total += a[row * width + k] * b[other * width + k];
  return total;
}
template <class Function>
Plains by_row(const Plains& x, const Attributes& a, const Function& f) {
  Plain losses = filled(x[0].shape[0], x[0].dtype);
  for (std::int64_t row = 0; row < losses.numel(); ++row) losses[row] = f(row);
  return {combined(losses, a.l)};
}
Shape draw_vectors(Draw& d) {
  const Shape shape = d.any(kAway, 2, 2);
  d.require(shape[1] > 0 && shape[0] > 0 && d.mode() != Mode::large);
  d.a.l = d.random.integer(0, 2);
  d.a.p = d.random.real(0.2, 1.5);
  return shape;
}

}  // namespace

std::vector<Operation> loss_rows() {
  return {
      {"cross_entropy",
       TAPES_FUNCTION(nn::cross_entropy(x[0], x[1],
                                        {.weight = x[2].value(),
                                         .ignore_index = a.i,
                                         .reduction = reduction(a),
                                         .label_smoothing = a.p})),
       "nn::cross_entropy(x[0], x[1], {.weight = x[2].value(), .ignore_index = a.i, .reduction = "
       "static_cast<nn::Reduction::Kind>(a.l), .label_smoothing = a.p})",
       [](Draw& d) { draw_classes(d, kAny, true); },
       [](const Plains& x, const Attributes& a) { return class_loss(x, a, true); },
       {.special = false, .frequency = 2}},
      {"cross_entropy of probabilities",
       TAPES_FUNCTION(nn::cross_entropy(x[0], x[1], {.reduction = reduction(a)})),
       "nn::cross_entropy(x[0], x[1], {.reduction = static_cast<nn::Reduction::Kind>(a.l)})",
       [](Draw& d) {
         const Shape shape = d.any(kAny, 1, 4);
         d.require(classes_of(shape).n > 0);
         d.of(shape, kProbability);
         d.a.l = d.random.integer(0, 2);
         if (d.a.l == 1) d.require(count_of(shape) > 0);
       },
       soft_cross_entropy, kLoss},
      {"nll_loss",
       TAPES_FUNCTION(
           nn::nll_loss(x[0], x[1].value(),
                        {.weight = x[2].value(), .ignore_index = a.i, .reduction = reduction(a)})),
       "nn::nll_loss(x[0], x[1].value(), {.weight = x[2].value(), .ignore_index = a.i, .reduction "
       "= static_cast<nn::Reduction::Kind>(a.l)})",
       [](Draw& d) { draw_classes(d, kAny, false); },
       [](const Plains& x, const Attributes& a) { return class_loss(x, a, false); }, kLoss},
      {"mse_loss", TAPES_FUNCTION(nn::mse_loss(x[0], x[1], {.reduction = reduction(a)})),
       "nn::mse_loss(x[0], x[1], {.reduction = static_cast<nn::Reduction::Kind>(a.l)})",
       draw_pair(), each([](double x, double t, const Attributes&) { return (x - t) * (x - t); }),
       kLoss},
      {"l1_loss", TAPES_FUNCTION(nn::l1_loss(x[0], x[1], {.reduction = reduction(a)})),
       "nn::l1_loss(x[0], x[1], {.reduction = static_cast<nn::Reduction::Kind>(a.l)})", draw_pair(),
       each([](double x, double t, const Attributes&) { return std::abs(x - t); }), kLoss},
      {"binary_cross_entropy_with_logits",
       TAPES_FUNCTION(
           nn::binary_cross_entropy_with_logits(x[0], x[1], {.reduction = reduction(a)})),
       "nn::binary_cross_entropy_with_logits(x[0], x[1], {.reduction = "
       "static_cast<nn::Reduction::Kind>(a.l)})",
       draw_pair(kAny, kProbability), each([](double x, double t, const Attributes&) {
         return t * softplus(-x) + (1 - t) * softplus(x);
       }),
       kLoss},
      {"bce_loss", TAPES_FUNCTION(nn::bce_loss(x[0], x[1], {.reduction = reduction(a)})),
       "nn::bce_loss(x[0], x[1], {.reduction = static_cast<nn::Reduction::Kind>(a.l)})",
       draw_pair(kProbability, kProbability), each([](double x, double t, const Attributes&) {
         return -(t * std::max(std::log(x), -100.0) + (1 - t) * std::max(std::log(1 - x), -100.0));
       }),
       kLoss},
      {"smooth_l1_loss",
       TAPES_FUNCTION(nn::smooth_l1_loss(x[0], x[1], {.reduction = reduction(a), .beta = a.p})),
       "nn::smooth_l1_loss(x[0], x[1], {.reduction = static_cast<nn::Reduction::Kind>(a.l), .beta "
       "= a.p})",
       draw_pair(), each([](double x, double t, const Attributes& a) {
         const double d = std::abs(x - t);
         return d < a.p ? d * d / (2 * a.p) : d - a.p / 2;
       }),
       kLoss},
      {"huber_loss",
       TAPES_FUNCTION(nn::huber_loss(x[0], x[1], {.reduction = reduction(a), .delta = a.p})),
       "nn::huber_loss(x[0], x[1], {.reduction = static_cast<nn::Reduction::Kind>(a.l), .delta = "
       "a.p})",
       draw_pair(), each([](double x, double t, const Attributes& a) {
         const double d = std::abs(x - t);
         return d <= a.p ? d * d / 2 : a.p * (d - a.p / 2);
       }),
       kLoss},
      {"kl_div", TAPES_FUNCTION(nn::kl_div(x[0], x[1], {.reduction = reduction(a)})),
       "nn::kl_div(x[0], x[1], {.reduction = static_cast<nn::Reduction::Kind>(a.l)})",
       draw_pair(kAny, kPositive), each([](double x, double t, const Attributes&) {
         return t == 0 ? 0.0 : t * (std::log(t) - x);
       }),
       kLoss},
      {"hinge_embedding_loss",
       TAPES_FUNCTION(nn::hinge_embedding_loss(x[0], x[1].value(),
                                               {.margin = a.p, .reduction = reduction(a)})),
       "nn::hinge_embedding_loss(x[0], x[1].value(), {.margin = a.p, .reduction = "
       "static_cast<nn::Reduction::Kind>(a.l)})",
       [](Draw& d) {
         draw_signs(d, d.any());
         d.a.l = d.random.integer(0, 2);
         d.a.p = d.random.real(0.3, 1.5);
       },
       each([](double x, double t, const Attributes& a) {
         return t > 0 ? x : std::max(0.0, a.p - x);
       }),
       kLoss},
      {"margin_ranking_loss",
       TAPES_FUNCTION(nn::margin_ranking_loss(x[0], x[1], x[2].value(),
                                              {.margin = a.p, .reduction = reduction(a)})),
       "nn::margin_ranking_loss(x[0], x[1], x[2].value(), {.margin = a.p, .reduction = "
       "static_cast<nn::Reduction::Kind>(a.l)})",
       [](Draw& d) {
         const Shape shape = d.any();
         d.of(shape);
         draw_signs(d, shape);
         d.a.l = d.random.integer(0, 2);
         d.a.p = d.random.real(0.1, 1.5);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain y = x[0];
         for (std::int64_t i = 0; i < y.numel(); ++i) {
           y[i] = std::max(0.0, a.p - x[2][i] * (x[0][i] - x[1][i]));
         }
         return {combined(y, a.l)};
       },
       kLoss},
      {"cosine_embedding_loss",
       TAPES_FUNCTION(nn::cosine_embedding_loss(x[0], x[1], x[2].value(),
                                                {.margin = a.q, .reduction = reduction(a)})),
       "nn::cosine_embedding_loss(x[0], x[1], x[2].value(), {.margin = a.q, .reduction = "
       "static_cast<nn::Reduction::Kind>(a.l)})",
       [](Draw& d) {
         const Shape shape = draw_vectors(d);
         d.of(shape, kAway);
         draw_signs(d, shape[0]);
         d.a.q = d.random.real(-0.5, 0.5);
       },
       [](const Plains& x, const Attributes& a) {
         return by_row(x, a, [&](std::int64_t row) {
           const double cosine =
               inner(x[0], row, x[1], row) / std::sqrt((inner(x[0], row, x[0], row) + 1e-12) *
                                                       (inner(x[1], row, x[1], row) + 1e-12));
           return x[2][row] > 0 ? 1 - cosine : std::max(0.0, cosine - a.q);
         });
       },
       kLoss},
      {"triplet_margin_loss",
       TAPES_FUNCTION(nn::triplet_margin_loss(
           x[0], x[1], x[2],
           {.margin = a.p, .eps = 1e-2, .swap = a.flag, .reduction = reduction(a)})),
       "nn::triplet_margin_loss(x[0], x[1], x[2], {.margin = a.p, .eps = 1e-2, .swap = a.flag, "
       ".reduction = static_cast<nn::Reduction::Kind>(a.l)})",
       [](Draw& d) {
         const Shape shape = draw_vectors(d);
         d.of(shape, kAway);
         d.of(shape, kAway);
         d.a.flag = d.random.chance(0.5);
       },
       [](const Plains& x, const Attributes& a) {
         return by_row(x, a, [&](std::int64_t row) {
           double negative = distance(x[0], x[2], row, 1e-2);
           if (a.flag) negative = std::min(negative, distance(x[1], x[2], row, 1e-2));
           return std::max(0.0, a.p + distance(x[0], x[1], row, 1e-2) - negative);
         });
       },
       kLoss},
      {"multi_margin_loss",
       TAPES_FUNCTION(nn::multi_margin_loss(
           x[0], x[1].value(),
           {.p = static_cast<int>(a.j), .margin = a.p, .reduction = reduction(a)})),
       "nn::multi_margin_loss(x[0], x[1].value(), {.p = int(a.j), .margin = a.p, .reduction = "
       "static_cast<nn::Reduction::Kind>(a.l)})",
       [](Draw& d) {
         const Shape shape = draw_vectors(d);
         d.ids(shape[0], 0, shape[1] - 1);
         d.a.j = d.random.integer(1, 2);
       },
       [](const Plains& x, const Attributes& a) {
         return by_row(x, a, [&](std::int64_t row) {
           const std::int64_t classes = x[0].shape[1];
           const auto target = static_cast<std::int64_t>(x[1][row]);
           double total = 0;
           for (std::int64_t c = 0; c < classes; ++c) {
             const double hinge =
                 std::max(0.0, a.p - x[0][row * classes + target] + x[0][row * classes + c]);
             if (c != target) total += a.j == 1 ? hinge : hinge * hinge;
           }
           return total / static_cast<double>(classes);
         });
       },
       kLoss},
      {"negative_sampling_loss",
       TAPES_FUNCTION(nn::negative_sampling_loss(x[0], x[1], x[2], {.reduction = reduction(a)})),
       "nn::negative_sampling_loss(x[0], x[1], x[2], {.reduction = "
       "static_cast<nn::Reduction::Kind>(a.l)})",
       [](Draw& d) {
         const Shape shape = draw_vectors(d);
         d.of(shape);
         d.of({shape[0], d.random.integer(1, 4), shape[1]});
       },
       [](const Plains& x, const Attributes& a) {
         return by_row(x, a, [&](std::int64_t row) {
           double loss = softplus(-inner(x[0], row, x[1], row));
           for (std::int64_t k = 0; k < x[2].shape[1]; ++k) {
             loss += softplus(inner(x[0], row, x[2], row * x[2].shape[1] + k));
           }
           return loss;
         });
       },
       kLoss},
      {"sampled_softmax_loss",
       TAPES_FUNCTION(
           nn::sampled_softmax_loss(x[0], x[2].value(), x[1], x[3].value(), x[4].value(),
                                    {.reduction = reduction(a), .remove_accidental_hits = a.flag})),
       "nn::sampled_softmax_loss(x[0], x[2].value(), x[1], x[3].value(), x[4].value(), {.reduction "
       "= static_cast<nn::Reduction::Kind>(a.l), .remove_accidental_hits = a.flag})",
       [](Draw& d) {
         const Shape shape = draw_vectors(d);
         const std::int64_t classes = d.random.integer(2, 6);
         d.of({classes, shape[1]});
         d.ids(shape[0], 0, classes - 1);
         d.ids(d.random.integer(1, 5), 0, classes - 1);
         std::vector<double> p(static_cast<std::size_t>(classes));
         for (double& each : p) each = d.random.real(0.1, 0.6);
         d.leaf(classes, d.input(0).dtype(), std::move(p));
         d.a.flag = d.random.chance(0.5);
       },
       [](const Plains& x, const Attributes& a) {
         return by_row(x, a, [&](std::int64_t row) {
           const auto k = static_cast<double>(x[3].numel());
           const auto score = [&](std::int64_t c) {
             return inner(x[0], row, x[1], c) - std::log(k * x[4][c]);
           };
           const auto target = static_cast<std::int64_t>(x[2][row]);
           double total = std::exp(score(target));
           for (const double sample : x[3].x) {
             const auto c = static_cast<std::int64_t>(sample);
             if (!a.flag || c != target) total += std::exp(score(c));
           }
           return std::log(total) - score(target);
         });
       },
       kLoss},
  };
}

}  // namespace tapegrad::tapes
