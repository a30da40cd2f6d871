// The projections, masks and heads of MultiheadAttention. Read next: nn/transformer.h.
#include <tapegrad/nn/attention.h>

#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/init.h>

namespace tapegrad::nn {
namespace {

void check_attention_sizes(std::int64_t embed_dim, std::int64_t num_heads,
                           const MultiheadAttentionOptions& options) {
  if (num_heads < 1 || embed_dim < 1 || embed_dim % num_heads != 0) {
    throw ValueError("MultiheadAttention: embed_dim " + std::to_string(embed_dim) + " and " +
                     std::to_string(num_heads) + " heads, needed a multiple of the heads");
  }
  if (!(options.dropout >= 0 && options.dropout <= 1)) {
    throw ValueError("MultiheadAttention: dropout is " + std::to_string(options.dropout) +
                     ", needed a probability in [0, 1]");
  }
  const std::int64_t kdim = options.kdim.value_or(embed_dim);
  const std::int64_t vdim = options.vdim.value_or(embed_dim);
  if (kdim < 1 || vdim < 1) {
    throw ValueError("MultiheadAttention: kdim " + std::to_string(kdim) + " and vdim " +
                     std::to_string(vdim) + ", needed 1 or more");
  }
}

// (..., keys) -> (..., keys + count): the keys that the layer appends are never hidden.
Tensor with_columns(const Tensor& mask, std::int64_t count) {
  if (count == 0) return mask;
  Shape shape = mask.shape();
  shape[mask.dim() - 1] = count;
  return cat({mask, zeros(shape, mask.dtype())}, -1);
}

void check_masks(const AttentionCall& call, std::int64_t batch, std::int64_t heads,
                 std::int64_t queries, std::int64_t keys) {
  const Tensor& mask = call.attn_mask;
  if (mask.defined() && mask.dtype() == int64) {
    throw DTypeError("MultiheadAttention: attn_mask is int64, needed boolean or floating-point");
  }
  if (mask.defined() && mask.shape() != Shape{queries, keys} &&
      mask.shape() != Shape{batch * heads, queries, keys}) {
    const std::string last = std::to_string(queries) + ", " + std::to_string(keys) + ")";
    throw ShapeError("MultiheadAttention: attn_mask is " + to_string(mask.sizes()) + ", needed (" +
                     last + " or (" + std::to_string(batch * heads) + ", " + last);
  }
  const Tensor& padding = call.key_padding_mask;
  if (padding.defined() && (padding.dtype() == int64 || padding.shape() != Shape{batch, keys})) {
    throw ShapeError(
        "MultiheadAttention: key_padding_mask is " + std::string(name(padding.dtype())) + " " +
        to_string(padding.sizes()) + ", needed (" + std::to_string(batch) + ", " +
        std::to_string(keys) +
        "), boolean (true where a key is ignored) or floating-point (it is added to the "
        "scores)");
  }
}

// A mask as a term that is added to the scores: -inf where it hides a key.
Tensor to_add(const Tensor& mask, DType dtype) {
  if (mask.dtype() != boolean) return mask.to(dtype);
  return masked_fill(zeros(mask.shape(), dtype), mask, -std::numeric_limits<double>::infinity());
}

bool packed(std::int64_t embed_dim, const MultiheadAttentionOptions& options) {
  return options.kdim.value_or(embed_dim) == embed_dim &&
         options.vdim.value_or(embed_dim) == embed_dim;
}

}  // namespace

// As in PyTorch, the order of registration is not the order of initialization: out_proj is
// initialized first.
MultiheadAttention::MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads,
                                       MultiheadAttentionOptions options)
    : settings_(
          (check_attention_sizes(embed_dim, num_heads, options), Settings{num_heads, options})),
      in_proj_weight(
          parameter_if(packed(embed_dim, options), "in_proj_weight",
                       {checked_multiply(3, embed_dim, "MultiheadAttention"), embed_dim})),
      q_proj_weight(
          parameter_if(!packed(embed_dim, options), "q_proj_weight", {embed_dim, embed_dim})),
      k_proj_weight(parameter_if(!packed(embed_dim, options), "k_proj_weight",
                                 {embed_dim, options.kdim.value_or(embed_dim)})),
      v_proj_weight(parameter_if(!packed(embed_dim, options), "v_proj_weight",
                                 {embed_dim, options.vdim.value_or(embed_dim)})),
      in_proj_bias(parameter_if(options.bias, "in_proj_bias", {3 * embed_dim})),
      bias_k(parameter_if(options.add_bias_kv, "bias_k", {1, 1, embed_dim})),
      bias_v(parameter_if(options.add_bias_kv, "bias_v", {1, 1, embed_dim})),
      out_proj(register_module(
          "out_proj",
          Linear(embed_dim, embed_dim,
                 {.bias = options.bias, .dtype = options.dtype, .generator = options.generator}))) {
  for (const Parameter* const weight :
       {&in_proj_weight, &q_proj_weight, &k_proj_weight, &v_proj_weight}) {
    if (weight->defined()) init::xavier_uniform_(*weight, 1, options.generator);
  }
  if (options.bias) init::zeros_(out_proj.bias);
  if (options.add_bias_kv) {
    init::xavier_normal_(bias_k, 1, options.generator);
    init::xavier_normal_(bias_v, 1, options.generator);
  }
}

// A parameter of zeros, which the constructor initializes later; undefined unless wanted.
Parameter MultiheadAttention::parameter_if(bool wanted, const char* name, const Shape& shape) {
  if (!wanted) return Parameter();
  return register_parameter(name, zeros(shape, settings_->options.dtype));
}

// Applies `count` of the three projections (queries, keys, values) to x, starting with `which`: one
// of them, or all three in one product if they are one matrix.
Variable MultiheadAttention::projected(const Variable& x, std::int64_t which,
                                       std::int64_t count) const {
  const std::int64_t size = embed_dim();
  const auto rows = [&](const Variable& all) {
    return count == 3 ? all : narrow(all, 0, which * size, size);
  };
  const Variable bias = in_proj_bias.defined() ? rows(in_proj_bias) : Variable();
  if (is_packed()) return linear(x, rows(in_proj_weight), bias);
  const Parameter* const each[] = {&q_proj_weight, &k_proj_weight, &v_proj_weight};
  return linear(x, *each[which], bias);
}

std::int64_t MultiheadAttention::added_keys() const {
  return (settings_->options.add_bias_kv ? 1 : 0) + (settings_->options.add_zero_attn ? 1 : 0);
}

// (keys, batch, embed_dim) -> (keys + added_keys(), batch, embed_dim)
Variable MultiheadAttention::with_added(const Variable& keys, const Parameter& learned) const {
  if (added_keys() == 0) return keys;
  std::vector<Variable> all{keys};
  const Shape one{1, keys.size(1), embed_dim()};
  if (learned.defined()) all.push_back(expand(learned, one));
  if (settings_->options.add_zero_attn) all.push_back(zeros(one, keys.dtype()));
  return cat(all, 0);
}

// (steps, batch, embed_dim) -> (batch, heads, steps, embed_dim / heads)
Variable MultiheadAttention::heads_of(const Variable& x) const {
  return permute(unflatten(x, 2, {num_heads(), -1}), {1, 2, 0, 3});
}

// The mask for attention_weights(): true where a key is used, or a term that is added to the
// scores. It covers all keys, and those that the layer appends.
Tensor MultiheadAttention::mask_for(const AttentionCall& call, std::int64_t batch,
                                    std::int64_t queries, std::int64_t keys, DType dtype) const {
  check_masks(call, batch, num_heads(), queries, keys);
  const std::int64_t all_keys = keys + added_keys();
  Tensor mask = call.attn_mask;
  Tensor padding = call.key_padding_mask;
  if (mask.defined()) {
    mask = with_columns(mask, added_keys());
    if (mask.dim() == 3) mask = reshape(mask, {batch, num_heads(), queries, all_keys});
  }
  if (padding.defined()) {
    padding = reshape(with_columns(padding, added_keys()), {batch, 1, 1, all_keys});
  }
  if (!mask.defined() || !padding.defined()) {
    const Tensor& given = mask.defined() ? mask : padding;
    return !given.defined() || given.dtype() != boolean ? given : !given;
  }
  if (mask.dtype() == boolean && padding.dtype() == boolean) return !(mask || padding);
  return to_add(mask, dtype) + to_add(padding, dtype);
}

void MultiheadAttention::check(const Variable& query, const Variable& key,
                               const Variable& value) const {
  const auto fits = [&](const Variable& x, std::int64_t width) {
    return (x.dim() == 2 || x.dim() == 3) && x.dim() == query.dim() && x.size(-1) == width;
  };
  const std::int64_t batch_dim = settings_->options.batch_first ? 0 : 1;
  if (fits(query, embed_dim()) && fits(key, kdim()) && fits(value, vdim()) &&
      key.size(0) == value.size(0) &&
      (query.dim() == 2 ||
       (key.size(1) == value.size(1) && query.size(batch_dim) == key.size(batch_dim)))) {
    return;
  }
  const std::string start = batch_dim == 0 ? "(batch, steps, " : "(steps, batch, ";
  const auto needed = [&](std::int64_t width) { return start + std::to_string(width) + ")"; };
  throw ShapeError("MultiheadAttention: query is " + to_string(query.sizes()) + ", key " +
                   to_string(key.sizes()) + ", value " + to_string(value.sizes()) + ", needed " +
                   needed(embed_dim()) +
                   (is_packed() ? ", key and value of the same shape"
                                : ", " + needed(kdim()) + ", " + needed(vdim()) +
                                      ", key and value with the same number of steps"));
}

AttentionResult MultiheadAttention::operator()(const Variable& query, const Variable& key,
                                               const Variable& value,
                                               const AttentionCall& call) const {
  return hooked(
      [&](const Variable& q, const Variable& k, const Variable& v) { return run(q, k, v, call); },
      query, key, value);
}

// Runs (steps, dim) as a batch of one.
AttentionResult MultiheadAttention::forward_without_batch(const Variable& query,
                                                          const Variable& key,
                                                          const Variable& value,
                                                          const AttentionCall& call) const {
  const std::int64_t batch_dim = settings_->options.batch_first ? 0 : 1;
  const auto batched = [&](const Variable& x) { return unsqueeze(x, batch_dim); };
  AttentionCall one = call;
  if (call.key_padding_mask.defined()) {
    one.key_padding_mask = unsqueeze(call.key_padding_mask, 0);
  }
  const AttentionResult result = run(batched(query), batched(key), batched(value), one);
  return {squeeze(result.output, batch_dim),
          call.need_weights ? squeeze(result.weights, 0) : Variable()};
}

// Queries, keys and values, (steps, batch, embed_dim) each. Self-attention needs one product
// instead of three.
std::array<Variable, 3> MultiheadAttention::all_projected(const Variable& query,
                                                          const Variable& key,
                                                          const Variable& value) const {
  const auto steps_first = [&](const Variable& x) {
    return settings_->options.batch_first ? transpose(x, 0, 1) : x;
  };
  const bool same_keys = key.node() == value.node() && key.node() != nullptr;
  const bool same_query = query.node() == key.node() && same_keys;
  if (same_query && is_packed()) {
    const std::vector<Variable> parts = chunk(projected(steps_first(query), 0, 3), 3, 2);
    return {parts[0], parts[1], parts[2]};
  }
  const Variable q = projected(steps_first(query), 0, 1);
  const Variable k = projected(steps_first(key), 1, 1);
  return {q, k, projected(steps_first(value), 2, 1)};
}

AttentionResult MultiheadAttention::run(const Variable& query, const Variable& key,
                                        const Variable& value, const AttentionCall& call) const {
  check(query, key, value);
  if (query.dim() == 2) return forward_without_batch(query, key, value, call);
  const auto [q, k, v] = all_projected(query, key, value);
  const std::int64_t queries = q.size(0);
  const std::int64_t batch = q.size(1);
  const Tensor mask = mask_for(call, batch, queries, k.size(0), q.dtype());
  Variable weights =  // (batch, heads, queries, keys)
      attention_weights(heads_of(q), heads_of(with_added(k, bias_k)), {.mask = mask});
  const MultiheadAttentionOptions& options = settings_->options;
  weights = nn::dropout(weights, options.dropout, is_training(), options.generator);
  const Variable values =  // (batch, heads, queries, embed_dim / heads)
      matmul(weights, heads_of(with_added(v, bias_v)));
  const Variable joined = flatten(permute(values, {2, 0, 1, 3}), 2, 3);  // (queries, batch, dim)
  const Variable output = out_proj(joined);
  AttentionResult result;
  result.output = options.batch_first ? transpose(output, 0, 1) : output;
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
  if (!is_packed()) text << ", kdim=" << kdim() << ", vdim=" << vdim();
  text << (options.add_bias_kv ? ", add_bias_kv=true" : "")
       << (options.add_zero_attn ? ", add_zero_attn=true" : "");
  text << (options.batch_first ? ", batch_first=true" : "")
       << (options.bias ? ")" : ", bias=false)");
  return text.str();
}

void MultiheadAttention::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const MultiheadAttention&>(other).settings_;
}

}  // namespace tapegrad::nn
