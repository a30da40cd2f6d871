#include <tapegrad/nn/attention.h>

#include <algorithm>
#include <limits>
#include <sstream>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/tensor/random.h>

namespace tapegrad::nn {
namespace {

std::int64_t checked(std::int64_t embed_dim, std::int64_t num_heads, double dropout) {
  if (num_heads < 1 || embed_dim < 1 || embed_dim % num_heads != 0) {
    throw ValueError("MultiheadAttention: embed_dim " + std::to_string(embed_dim) + " and " +
                     std::to_string(num_heads) + " heads, needed a multiple of the heads");
  }
  if (!(dropout >= 0 && dropout <= 1)) {
    throw ValueError("MultiheadAttention: dropout is " + std::to_string(dropout) +
                     ", needed a probability in [0, 1]");
  }
  return embed_dim;
}

}  // namespace

// out_proj is drawn before in_proj_weight, which is registered first.
MultiheadAttention::MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads,
                                       MultiheadAttentionOptions options)
    : in_proj_weight(register_parameter(
          "in_proj_weight",
          empty({3 * checked(embed_dim, num_heads, options.dropout), embed_dim}, options.dtype))),
      in_proj_bias(options.bias
                       ? register_parameter("in_proj_bias", zeros({3 * embed_dim}, options.dtype))
                       : Parameter()),
      out_proj(register_module("out_proj", Linear(embed_dim, embed_dim,
                                                  {.bias = options.bias, .dtype = options.dtype}))),
      settings_({num_heads, options}) {
  init::xavier_uniform_(in_proj_weight);
  if (options.bias) init::zeros_(out_proj.bias);
}

// x through `count` of the three projections, beginning with `which`.
Variable MultiheadAttention::projected(const Variable& x, std::int64_t which,
                                       std::int64_t count) const {
  const std::int64_t size = embed_dim();
  const auto rows = [&](const Variable& all) { return narrow(all, 0, which * size, count * size); };
  return linear(x, count == 3 ? in_proj_weight.variable() : rows(in_proj_weight),
                !in_proj_bias.defined() ? Variable()
                : count == 3            ? in_proj_bias.variable()
                                        : rows(in_proj_bias));
}

// (steps, batch, embed_dim) -> (batch, heads, steps, embed_dim / heads)
Variable MultiheadAttention::heads_of(const Variable& x) const {
  return permute(unflatten(x, 2, {num_heads(), -1}), {1, 2, 0, 3});
}

// What scaled_dot_product_attention() takes: true where a key counts, or numbers to add.
Tensor MultiheadAttention::mask_for(const AttentionCall& call, std::int64_t batch,
                                    std::int64_t queries, std::int64_t keys, DType dtype) const {
  const Tensor& padding = call.key_padding_mask;
  Tensor mask = call.attn_mask;
  if (mask.defined()) {
    if (mask.dtype() == int64) {
      throw DTypeError(
          "MultiheadAttention: attn_mask is int64, needed boolean or floating-point numbers");
    }
    const bool each = mask.shape() == Shape{batch * num_heads(), queries, keys};
    if (!each && mask.shape() != Shape{queries, keys}) {
      throw ShapeError("MultiheadAttention: attn_mask is " + to_string(mask.sizes()) +
                       ", needed (" + std::to_string(queries) + ", " + std::to_string(keys) +
                       ") or (" + std::to_string(batch * num_heads()) + ", " +
                       std::to_string(queries) + ", " + std::to_string(keys) + ")");
    }
    if (each) mask = reshape(mask, {batch, num_heads(), queries, keys});
  }
  if (padding.defined() && (padding.dtype() != boolean || padding.shape() != Shape{batch, keys})) {
    throw ShapeError("MultiheadAttention: key_padding_mask is " +
                     std::string(name(padding.dtype())) + " " + to_string(padding.sizes()) +
                     ", needed boolean (" + std::to_string(batch) + ", " + std::to_string(keys) +
                     "), true where a key does not count");
  }
  const Tensor hidden = padding.defined() ? reshape(padding, {batch, 1, 1, keys}) : Tensor();
  if (!mask.defined()) return hidden.defined() ? !hidden : Tensor();
  if (mask.dtype() == boolean) return hidden.defined() ? !(mask || hidden) : !mask;
  if (!hidden.defined()) return mask.to(dtype);
  Shape shape = {batch, 1, queries, keys};
  if (mask.dim() == 4) shape[1] = num_heads();
  return masked_fill(expand(mask.to(dtype), shape), hidden,
                     -std::numeric_limits<double>::infinity());
}

AttentionResult MultiheadAttention::operator()(const Variable& query, const Variable& key,
                                               const Variable& value,
                                               const AttentionCall& call) const {
  return hooked([&](const Variable& q, const Variable& k,
                    const Variable& v) { return forward(q, k, v, call); },
                query, key, value);
}

AttentionResult MultiheadAttention::forward(const Variable& query, const Variable& key,
                                            const Variable& value,
                                            const AttentionCall& call) const {
  const auto fits = [&](const Variable& x) {
    return (x.dim() == 2 || x.dim() == 3) && x.dim() == query.dim() && x.size(-1) == embed_dim();
  };
  const std::int64_t batch_dim = settings_->options.batch_first ? 0 : 1;
  if (!fits(query) || !fits(key) || key.shape() != value.shape() ||
      (query.dim() == 3 && query.size(batch_dim) != key.size(batch_dim))) {
    throw ShapeError("MultiheadAttention: query is " + to_string(query.sizes()) + ", key " +
                     to_string(key.sizes()) + ", value " + to_string(value.sizes()) + ", needed " +
                     (batch_dim == 0 ? "(batch, steps, " : "(steps, batch, ") +
                     std::to_string(embed_dim()) + "), key and value alike");
  }
  if (query.dim() == 2) {
    const auto batched = [&](const Variable& x) { return unsqueeze(x, batch_dim); };
    AttentionCall one = call;
    if (call.key_padding_mask.defined()) {
      one.key_padding_mask = unsqueeze(call.key_padding_mask, 0);
    }
    const AttentionResult result = forward(batched(query), batched(key), batched(value), one);
    return {squeeze(result.output, batch_dim),
            call.need_weights ? squeeze(result.weights, 0) : Variable()};
  }
  const bool same_keys = key.node() == value.node() && key.node() != nullptr;
  const bool same_query = query.node() == key.node() && same_keys;
  const auto steps_first = [&](const Variable& x) {
    return batch_dim == 0 ? transpose(x, 0, 1) : x;
  };
  Variable q, k, v;  // (steps, batch, embed_dim)
  if (same_query) {  // one product instead of three
    const std::vector<Variable> parts = chunk(projected(steps_first(query), 0, 3), 3, 2);
    q = parts[0], k = parts[1], v = parts[2];
  } else {
    q = projected(steps_first(query), 0, 1);
    k = projected(steps_first(key), 1, 1);
    v = projected(steps_first(value), 2, 1);
  }
  const std::int64_t queries = q.size(0);
  const std::int64_t batch = q.size(1);
  Variable weights = attention_weights(
      heads_of(q), heads_of(k), {.mask = mask_for(call, batch, queries, k.size(0), q.dtype())});
  if (const double p = settings_->options.dropout; is_training() && p > 0) {
    Tensor kept = bernoulli_(empty(weights.shape(), weights.dtype()), 1 - p);
    if (p < 1) kept.div_(1 - p);
    weights = weights * kept;
  }
  const Variable values = matmul(weights, heads_of(v));  // (batch, heads, queries, -)
  const Variable joined = flatten(permute(values, {2, 0, 1, 3}), 2, 3);  // (queries, batch, dim)
  AttentionResult result;
  result.output = steps_first(out_proj(joined));
  if (call.need_weights) result.weights = call.average_attn_weights ? mean(weights, 1) : weights;
  return result;
}

std::int64_t MultiheadAttention::mult_adds(const std::vector<Variable>& inputs,
                                           const std::vector<Variable>& outputs) const {
  std::int64_t count = 0;
  for (const Variable& x : inputs) {  // query, key, value
    if (x.numel() == 0) return 0;
    const std::int64_t bias = in_proj_bias.defined() ? 1 : 0;
    count += x.numel() / x.size(-1) * embed_dim() * (x.size(-1) + bias);
  }
  const bool batch_first = inputs[1].dim() == 3 && settings_->options.batch_first;
  return count + 2 * outputs.front().numel() * inputs[1].size(batch_first ? 1 : 0);
}

std::string MultiheadAttention::description() const {
  const MultiheadAttentionOptions& options = settings_->options;
  std::ostringstream text;
  text << "MultiheadAttention(" << embed_dim() << ", " << num_heads();
  if (options.dropout > 0) text << ", dropout=" << options.dropout;
  text << (options.batch_first ? ", batch_first=true" : "")
       << (options.bias ? ")" : ", bias=false)");
  return text.str();
}

void MultiheadAttention::become(const Module& other) const {
  Module::become(other);
  *settings_ = *static_cast<const MultiheadAttention&>(other).settings_;
}

}  // namespace tapegrad::nn
