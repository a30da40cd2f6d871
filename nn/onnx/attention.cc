// MultiheadAttention and TransformerEncoder, composed of ONNX operators. Read next:
// nn/onnx/messages.h.
#include <cmath>
#include <limits>
#include <utility>

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/attention.h>
#include <tapegrad/nn/onnx/layers.h>
#include <tapegrad/nn/transformer.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn::onnx {
namespace {

void check_attention(const MultiheadAttention& layer, const OnnxValue& query, const OnnxValue& key,
                     const OnnxValue& value, const OnnxAttentionCall& call) {
  const DType dtype = layer.out_proj.weight.dtype();
  if (layer.bias_k.defined() || layer.options().add_zero_attn) {
    reject(layer,
           "additional keys cannot be exported; needed a layer "
           "without add_bias_kv and add_zero_attn");
  }
  check_dim(layer, query, 2, 3, "query");
  for (const auto& [x, what] :
       {std::pair(query, "query"), std::pair(key, "key"), std::pair(value, "value")}) {
    check_type(layer, x, dtype, what);
    check_dim(layer, x, query.dim, query.dim, what);
  }
  if (const OnnxValue& padding = call.key_padding_mask; padding.defined()) {
    check_type(layer, padding, boolean, "key_padding_mask");
    check_dim(layer, padding, query.dim - 1, query.dim - 1, "key_padding_mask");
  }
  if (const OnnxValue& mask = call.attn_mask; mask.defined()) {
    if (mask.dtype != boolean) check_type(layer, mask, dtype, "attn_mask");
    check_dim(layer, mask, 2, 2, "attn_mask");
  }
}

// Applies the projection of queries, keys or values (which = 0, 1, 2) to x (batch, steps,
// embed_dim) and splits it into heads: (batch, heads, steps, embed_dim / heads).
OnnxValue heads(OnnxGraph& graph, const MultiheadAttention& layer, const OnnxValue& x,
                std::int64_t which) {
  const std::int64_t size = layer.embed_dim();
  const auto rows = [&](const Parameter& all) {
    return all.defined() ? tapegrad::narrow(all.value(), 0, which * size, size) : Tensor();
  };
  const Parameter* const separate[] = {&layer.q_proj_weight, &layer.k_proj_weight,
                                       &layer.v_proj_weight};
  const Tensor weight = layer.in_proj_weight.defined()
                            ? rows(layer.in_proj_weight)
                            : separate[static_cast<std::size_t>(which)]->value();
  const OnnxValue y = affine(graph, x, weight, rows(layer.in_proj_bias));
  const std::int64_t count = layer.num_heads();
  return graph.transpose(graph.reshape(y, {0, 0, count, size / count}), 1, 2);
}

// softmax(scores) over the keys, or 0 where all scores are -inf: (batch, heads, queries, keys).
OnnxValue attention_weights(OnnxGraph& graph, OnnxValue scores, const OnnxAttentionCall& call) {
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  if (const OnnxValue& mask = call.attn_mask; mask.defined()) {
    scores = mask.dtype == boolean ? graph.masked_fill(scores, mask, kLowest)
                                   : graph.node("Add", {scores, mask});
  }
  if (const OnnxValue& padding = call.key_padding_mask; padding.defined()) {
    const OnnxValue hidden = graph.unsqueeze(graph.unsqueeze(padding, 1), 1);  // (batch, 1, 1, -)
    scores = graph.masked_fill(scores, hidden, kLowest);
  }
  const OnnxAttributes over_keys = {{"axis", std::int64_t{3}}};
  if (!call.attn_mask.defined() && !call.key_padding_mask.defined()) {
    return graph.node("Softmax", {scores}, over_keys);
  }
  const OnnxValue largest =
      graph.node("ReduceMax", {scores}, {{"axes", std::vector<std::int64_t>{3}}});
  const OnnxValue none = graph.equal(largest, kLowest);  // (batch, heads, queries, 1)
  return graph.masked_fill(graph.node("Softmax", {scores}, over_keys), none, 0);
}

}  // namespace

OnnxAttentionResult attention(OnnxGraph& graph, const MultiheadAttention& layer,
                              const OnnxValue& query, const OnnxValue& key, const OnnxValue& value,
                              const OnnxAttentionCall& call) {
  check_attention(layer, query, key, value, call);
  if (query.dim == 2) {
    const std::int64_t batch_dim = layer.options().batch_first ? 0 : 1;
    OnnxAttentionCall one = call;
    if (call.key_padding_mask.defined()) {
      one.key_padding_mask = graph.unsqueeze(call.key_padding_mask, 0);
    }
    OnnxAttentionResult result =
        attention(graph, layer, graph.unsqueeze(query, batch_dim), graph.unsqueeze(key, batch_dim),
                  graph.unsqueeze(value, batch_dim), one);
    result.output = graph.squeeze(result.output, batch_dim);
    if (call.need_weights) result.weights = graph.squeeze(result.weights, 0);
    return result;
  }
  const auto transposed = [&](const OnnxValue& x) {  // to (batch, steps, ...), and back
    return layer.options().batch_first ? x : graph.transpose(x, 0, 1);
  };
  const double scale = 1 / std::sqrt(static_cast<double>(layer.embed_dim() / layer.num_heads()));
  const OnnxValue q = graph.mul(heads(graph, layer, transposed(query), 0), scale);
  const OnnxValue k = graph.transpose(heads(graph, layer, transposed(key), 1), 2, 3);
  const OnnxValue v = heads(graph, layer, transposed(value), 2);
  const OnnxValue weights = attention_weights(graph, graph.node("MatMul", {q, k}), call);
  const OnnxValue values = graph.transpose(graph.node("MatMul", {weights, v}), 1, 2);
  const OnnxValue joined = graph.reshape(values, {0, 0, layer.embed_dim()});
  OnnxAttentionResult result{transposed(onnx::layer(graph, layer.out_proj, joined))};
  if (call.need_weights) {
    const OnnxAttributes over_heads = {{"axes", std::vector<std::int64_t>{1}},
                                       {"keepdims", std::int64_t{0}}};
    result.weights = call.average_attn_weights
                         ? graph.node("ReduceMean", {weights}, weights.dtype, 3, over_heads)
                         : weights;
  }
  return result;
}

OnnxValue encoder_layer(OnnxGraph& graph, const TransformerEncoderLayer& layer, const OnnxValue& x,
                        const OnnxEncoderCall& call) {
  const auto attended = [&](const OnnxValue& y) {
    return attention(graph, layer.self_attn, y, y, y,
                     {.key_padding_mask = call.key_padding_mask,
                      .need_weights = false,
                      .attn_mask = call.mask})
        .output;
  };
  const auto fed_forward = [&](const OnnxValue& y) {
    const OnnxValue wide = onnx::layer(graph, layer.linear1, y);
    const bool is_relu = layer.options().activation == FeedforwardActivation::relu;
    return onnx::layer(
        graph, layer.linear2,
        is_relu ? onnx::layer(graph, ReLU(), wide) : onnx::layer(graph, GELU(), wide));
  };
  const auto sum = [&](const OnnxValue& a, const OnnxValue& b) {
    return graph.node("Add", {a, b});
  };
  if (layer.options().norm_first) {
    const OnnxValue y = sum(x, attended(onnx::layer(graph, layer.norm1, x)));
    return sum(y, fed_forward(onnx::layer(graph, layer.norm2, y)));
  }
  const OnnxValue y = onnx::layer(graph, layer.norm1, sum(x, attended(x)));
  return onnx::layer(graph, layer.norm2, sum(y, fed_forward(y)));
}

OnnxValue encoder(OnnxGraph& graph, const TransformerEncoder& encoder, const OnnxValue& x,
                  const OnnxEncoderCall& call) {
  OnnxValue y = x;
  for (const TransformerEncoderLayer& each : encoder.layers) {
    y = encoder_layer(graph, each, y, call);
  }
  return encoder.norm.has_value() ? onnx::layer(graph, *encoder.norm, y) : y;
}

}  // namespace tapegrad::nn::onnx
