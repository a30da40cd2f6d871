// Attention: a mean of values, weighted by how well their keys match a query (Vaswani et al.,
// "Attention Is All You Need", 2017). It is a composition. Read next: nn/module/module.h.
#include <cmath>
#include <limits>
#include <string>

#include <tapegrad/autograd/ops.h>

namespace tapegrad {
namespace {

// Boolean (queries, keys): true where the key does not come after the query.
Tensor no_later(std::int64_t queries, std::int64_t keys) {
  return unsqueeze(arange(queries), 1) >= arange(keys);
}

}  // namespace

Variable attention_weights(const Variable& query, const Variable& key,
                           const AttentionOptions& options) {
  if (query.dim() < 2 || key.dim() < 2 || query.size(-1) != key.size(-1)) {
    throw ShapeError("attention: query is " + to_string(query.sizes()) + " and key " +
                     to_string(key.sizes()) +
                     ", needed (..., queries, width) and (..., keys, width)");
  }
  const double scale = options.scale.value_or(1 / std::sqrt(static_cast<double>(query.size(-1))));
  Variable scores = matmul(query * scale, transpose(key));  // (..., queries, keys)
  const Tensor& mask = options.mask;
  if (mask.defined() && !broadcastable_to(mask.sizes(), scores.sizes())) {
    throw ShapeError("attention: mask is " + to_string(mask.sizes()) +
                     ", needed one that broadcasts to the scores' " + to_string(scores.sizes()));
  }
  Tensor seen = options.is_causal ? no_later(scores.size(-2), scores.size(-1)) : Tensor();
  if (mask.defined() && mask.dtype() == boolean) seen = seen.defined() ? seen && mask : mask;
  if (mask.defined() && mask.dtype() != boolean) scores = scores + Variable(mask.to(query.dtype()));
  const double lowest = -std::numeric_limits<double>::infinity();
  if (seen.defined()) scores = masked_fill(scores, !seen, lowest);
  if (!mask.defined()) return softmax(scores, -1);  // if causal, all queries see the first key
  // The softmax of a row that holds only -inf would be 0 / 0.
  const Tensor none = all(scores.value() == lowest, -1, true);
  if (!any(none).item<bool>()) return softmax(scores, -1);
  return masked_fill(softmax(masked_fill(scores, none, 0), -1), none, 0);
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
