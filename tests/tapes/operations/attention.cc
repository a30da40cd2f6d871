// Rows of attention. Read next: recurrent.cc.
#include <cmath>
#include <limits>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kFinite{.special = false, .slack = 8};

// The weights of each query; `added` is added to the scores, and -infinity hides a key.
Plain weights_of(const Plain& query, const Plain& key, double scale,
                 const std::function<double(std::int64_t, std::int64_t)>& added) {
  const std::int64_t width = query.size(-1), queries = query.size(-2), keys = key.size(-2);
  Shape shape = query.shape;
  shape[shape.dim() - 1] = keys;
  Plain y = filled(shape, query.dtype);
  for (std::int64_t row = 0; row < y.numel() / std::max<std::int64_t>(keys, 1); ++row) {
    double total = 0;
    for (std::int64_t k = 0; k < keys; ++k) {
      double score = added(row % queries, k);
      for (std::int64_t i = 0; i < width; ++i) {
        score += scale * query[row * width + i] * key[(row / queries * keys + k) * width + i];
      }
      total += y[row * keys + k] = std::exp(score);
    }
    for (std::int64_t k = 0; k < keys && total > 0; ++k) y[row * keys + k] /= total;
  }
  return y;
}

// The mask x[i], boolean or added, for a query and a key; a.flag is is_causal.
std::function<double(std::int64_t, std::int64_t)> mask_of(const Plain* mask, const Attributes& a) {
  return [=](std::int64_t q, std::int64_t k) {
    constexpr double kHidden = -std::numeric_limits<double>::infinity();
    if (a.flag && k > q) return kHidden;
    if (mask == nullptr) return 0.0;
    const double each = (*mask)[q * mask->shape[1] + k];
    return mask->dtype != boolean ? each : each != 0 ? 0.0 : kHidden;
  };
}

Plain weighted(const Plain& weights, const Plain& value) {
  const std::int64_t queries = weights.size(-2), keys = weights.size(-1), n = value.size(-1);
  Shape shape = weights.shape;
  shape[shape.dim() - 1] = n;
  Plain y = filled(shape, weights.dtype);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    for (std::int64_t k = 0; k < keys; ++k) {
      y[i] += weights[i / n * keys + k] * value[(i / n / queries * keys + k) * n + i % n];
    }
  }
  return y;
}

// Query, key and, if `values`, value; then a mask of (queries, keys).
void draw_attention(Draw& d, bool values, bool masked) {
  d.require(d.mode() != Mode::large);
  const Shape query = d.any(kSmall, 2, 4);
  d.require(query.back() > 0);
  Shape key = query;
  key[key.dim() - 2] = d.size();
  d.of(key, kSmall);
  if (values) {
    Shape value = key;
    value[value.dim() - 1] = d.size();
    d.of(value);
  }
  if (masked) d.mask({query[query.dim() - 2], key[key.dim() - 2]});
  d.a.flag = d.random.chance(0.3);
  d.a.p = d.random.real(0.2, 1.5);
}

}  // namespace

std::vector<Operation> attention_rows() {
  return {
      {"scaled_dot_product_attention",
       CALL(scaled_dot_product_attention(x[0], x[1], x[2], {.is_causal = a.flag})),
       [](Draw& d) { draw_attention(d, true, false); },
       [](const Plains& x, const Attributes& a) -> Plains {
         const double scale = 1 / std::sqrt(static_cast<double>(x[0].size(-1)));
         return {weighted(weights_of(x[0], x[1], scale, mask_of(nullptr, a)), x[2])};
       },
       kFinite},
      {"scaled_dot_product_attention mask",
       CALL(scaled_dot_product_attention(
           x[0], x[1], x[2], {.mask = x[3].value(), .is_causal = a.flag, .scale = a.p})),
       [](Draw& d) { draw_attention(d, true, true); },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {weighted(weights_of(x[0], x[1], a.p, mask_of(&x[3], a)), x[2])};
       },
       kFinite},
      {"attention_weights",
       CALL(attention_weights(x[0], x[1],
                              {.mask = x[2].value(), .is_causal = a.flag, .scale = a.p})),
       [](Draw& d) { draw_attention(d, false, true); },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {weights_of(x[0], x[1], a.p, mask_of(&x[2], a))};
       },
       kFinite},
  };
}

}  // namespace tapegrad::tapes
