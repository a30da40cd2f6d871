// Attention: a mean of values, weighted by how well their keys match a query (Vaswani et al.,
// "Attention Is All You Need", 2017). It is a composition. Read next: nn/module/module.h.
#include <cmath>
#include <limits>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random/dropout_mask.h>

namespace tapegrad {
namespace {

// Boolean (queries, keys): true where the key does not come after the query (causal) and is within
// the window. Undefined if all keys are seen.
Tensor seen_by_position(const AttentionOptions& options, std::int64_t queries, std::int64_t keys) {
  if (!options.is_causal && !options.window) return {};
  const Tensor distance = unsqueeze(arange(queries), 1) - arange(keys);
  Tensor seen = options.is_causal ? distance >= 0 : Tensor();
  if (options.window) {
    const Tensor near = abs(distance) <= *options.window;
    seen = seen.defined() ? seen && near : near;
  }
  return seen;
}

void check_window_and_dropout(const AttentionOptions& options) {
  if (options.window && *options.window < 0) {
    throw ValueError("attention: window is " + std::to_string(*options.window) +
                     ", needed 0 or more");
  }
  if (!(options.dropout_p >= 0 && options.dropout_p <= 1)) {
    throw ValueError("attention: dropout_p is " + std::to_string(options.dropout_p) +
                     ", needed a number in [0, 1]");
  }
}

// The softmax of the scores. A row that holds only -inf, where it would be 0 / 0, becomes 0.
Variable softmax_or_zero(const Variable& scores) {
  const Tensor none = all(scores.value() == -std::numeric_limits<double>::infinity(), -1, true);
  if (!any(none).item<bool>()) return softmax(scores, -1);
  return masked_fill(softmax(masked_fill(scores, none, 0), -1), none, 0);
}

Variable dropped(const Variable& weights, const AttentionOptions& options) {
  const double p = options.dropout_p;
  if (p == 0) return weights;
  if (p == 1) return weights * zeros_like(weights.value());
  Generator& generator = options.generator != nullptr ? *options.generator : default_generator();
  return weights * (dropout_mask(weights.shape(), weights.dtype(), p, generator) / (1 - p));
}

}  // namespace

Variable attention_weights(const Variable& query, const Variable& key,
                           const AttentionOptions& options) {
  if (query.dim() < 2 || key.dim() < 2 || query.size(-1) != key.size(-1)) {
    throw ShapeError("attention: query is " + to_string(query.sizes()) + " and key " +
                     to_string(key.sizes()) +
                     ", needed (..., queries, width) and (..., keys, width)");
  }
  check_window_and_dropout(options);
  const double scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(query.size(-1))));
  Variable scores = matmul(query * scale, transpose(key));  // (..., queries, keys)
  const Tensor& mask = options.mask;
  if (mask.defined() && !broadcastable_to(mask.sizes(), scores.sizes())) {
    throw ShapeError("attention: mask is " + to_string(mask.sizes()) +
                     ", needed one that broadcasts to the scores' " + to_string(scores.sizes()));
  }
  Tensor seen = seen_by_position(options, scores.size(-2), scores.size(-1));
  if (mask.defined() && mask.dtype() == boolean) seen = seen.defined() ? seen && mask : mask;
  if (mask.defined() && mask.dtype() != boolean) scores = scores + Variable(mask.to(query.dtype()));
  if (seen.defined()) {
    scores = masked_fill(scores, !seen, -std::numeric_limits<double>::infinity());
  }
  // If only causal, all queries see the first key.
  const bool sees_a_key = !mask.defined() && !options.window;
  return dropped(sees_a_key ? softmax(scores, -1) : softmax_or_zero(scores), options);
}

Variable scaled_dot_product_attention(const Variable& query, const Variable& key,
                                      const Variable& value, const AttentionOptions& options) {
  if (value.dim() < 2 || key.dim() < 2 || value.size(-2) != key.size(-2)) {
    throw ShapeError("attention: key is " + to_string(key.sizes()) + " and value " +
                     to_string(value.sizes()) + ", needed (..., keys, width) and (..., keys, n)");
  }
  return matmul(attention_weights(query, key, options), value);
}

}  // namespace tapegrad
