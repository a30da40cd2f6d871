// The layers of encoder and decoder, the stacks of layers, and the two kinds of positions. Read
// next: nn/bilinear.h.
#include <tapegrad/nn/transformer.h>

#include <cmath>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>

namespace tapegrad::nn {

// Layer -------------------------------------------------------------------------------------------

namespace {

MultiheadAttention attention_of(std::int64_t d_model, std::int64_t nhead,
                                const TransformerEncoderLayerOptions& options) {
  return MultiheadAttention(d_model, nhead,
                            {.dropout = options.dropout,
                             .batch_first = options.batch_first,
                             .dtype = options.dtype,
                             .generator = options.generator});
}

Linear linear_of(std::int64_t in, std::int64_t out, const TransformerEncoderLayerOptions& options) {
  return Linear(in, out, {.dtype = options.dtype, .generator = options.generator});
}

LayerNorm norm_of(std::int64_t d_model, const TransformerEncoderLayerOptions& options) {
  return LayerNorm(d_model, {.eps = options.layer_norm_eps, .dtype = options.dtype});
}

Dropout dropout_of(const TransformerEncoderLayerOptions& options) {
  return Dropout(options.dropout, options.generator);
}

Variable activated(const Variable& x, const TransformerEncoderLayerOptions& options) {
  return options.activation == FeedforwardActivation::relu ? relu(x) : gelu(x);
}

std::string described(const char* layer, const TransformerEncoderLayerOptions& options) {
  return std::string(layer) +
         (options.activation == FeedforwardActivation::relu ? "(relu" : "(gelu") +
         (options.norm_first ? ", norm_first=true)" : ")");
}

// Appends deep copies of a layer.
template <class Layer>
void append_copies(const char* stack, ModuleList<Layer>& layers, const Layer& layer,
                   std::int64_t count) {
  if (count < 0) {
    throw ValueError(std::string(stack) + ": " + std::to_string(count) +
                     " layers, needed 0 or more");
  }
  for (std::int64_t i = 0; i < count; ++i) layers.push_back(clone(layer));
}

}  // namespace

// The members are initialized, and so drawn, in PyTorch's order.
TransformerEncoderLayer::TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 TransformerEncoderLayerOptions options)
    : self_attn(register_module("self_attn", attention_of(d_model, nhead, options))),
      linear1(register_module("linear1", linear_of(d_model, options.dim_feedforward, options))),
      dropout(register_module("dropout", dropout_of(options))),
      linear2(register_module("linear2", linear_of(options.dim_feedforward, d_model, options))),
      norm1(register_module("norm1", norm_of(d_model, options))),
      norm2(register_module("norm2", norm_of(d_model, options))),
      dropout1(register_module("dropout1", dropout_of(options))),
      dropout2(register_module("dropout2", dropout_of(options))),
      options_(options) {}

Variable TransformerEncoderLayer::attended(const Variable& x, const EncoderCall& call) const {
  return dropout1(self_attn(x, x, x,
                            {.key_padding_mask = call.key_padding_mask,
                             .need_weights = false,
                             .attn_mask = call.mask})
                      .output);
}

Variable TransformerEncoderLayer::fed_forward(const Variable& x) const {
  return dropout2(linear2(dropout(activated(linear1(x), *options_))));
}

Variable TransformerEncoderLayer::operator()(const Variable& x, const EncoderCall& call) const {
  return hooked([&](const Variable& in) { return run(in, call); }, x);
}

Variable TransformerEncoderLayer::run(const Variable& x, const EncoderCall& call) const {
  if (options_->norm_first) {
    const Variable y = x + attended(norm1(x), call);
    return y + fed_forward(norm2(y));
  }
  const Variable y = norm1(x + attended(x, call));
  return norm2(y + fed_forward(y));
}

std::string TransformerEncoderLayer::description() const {
  return described("TransformerEncoderLayer", *options_);
}

void TransformerEncoderLayer::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const TransformerEncoderLayer&>(other).options_;
}

// Encoder -----------------------------------------------------------------------------------------

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayer& layer,
                                       std::int64_t num_layers, std::optional<LayerNorm> final_norm)
    : layers(register_module("layers", ModuleList<TransformerEncoderLayer>())) {
  append_copies("TransformerEncoder", layers, layer, num_layers);
  if (final_norm.has_value()) norm.emplace(register_module("norm", *std::move(final_norm)));
}

Variable TransformerEncoder::operator()(const Variable& x, const EncoderCall& call) const {
  return hooked([&](const Variable& in) { return run(in, call); }, x);
}

Variable TransformerEncoder::run(const Variable& x, const EncoderCall& call) const {
  Variable y = x;
  for (const TransformerEncoderLayer& layer : layers) y = layer(y, call);
  return norm.has_value() ? (*norm)(y) : y;
}

std::string TransformerEncoder::description() const {
  return "TransformerEncoder(" + std::to_string(layers.size()) + ")";
}

// Decoder -----------------------------------------------------------------------------------------

// The members are initialized, and so drawn, in PyTorch's order.
TransformerDecoderLayer::TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead,
                                                 TransformerDecoderLayerOptions options)
    : self_attn(register_module("self_attn", attention_of(d_model, nhead, options))),
      multihead_attn(register_module("multihead_attn", attention_of(d_model, nhead, options))),
      linear1(register_module("linear1", linear_of(d_model, options.dim_feedforward, options))),
      dropout(register_module("dropout", dropout_of(options))),
      linear2(register_module("linear2", linear_of(options.dim_feedforward, d_model, options))),
      norm1(register_module("norm1", norm_of(d_model, options))),
      norm2(register_module("norm2", norm_of(d_model, options))),
      norm3(register_module("norm3", norm_of(d_model, options))),
      dropout1(register_module("dropout1", dropout_of(options))),
      dropout2(register_module("dropout2", dropout_of(options))),
      dropout3(register_module("dropout3", dropout_of(options))),
      options_(options) {}

Variable TransformerDecoderLayer::operator()(const Variable& tgt, const Variable& memory,
                                             const DecoderCall& call) const {
  return hooked([&](const Variable& in, const Variable& seen) { return run(in, seen, call); }, tgt,
                memory);
}

Variable TransformerDecoderLayer::run(const Variable& tgt, const Variable& memory,
                                      const DecoderCall& call) const {
  const auto to_targets = [&](const Variable& x) {
    return dropout1(self_attn(x, x, x,
                              {.key_padding_mask = call.tgt_key_padding_mask,
                               .need_weights = false,
                               .attn_mask = call.tgt_mask})
                        .output);
  };
  const auto to_memory = [&](const Variable& x) {
    return dropout2(multihead_attn(x, memory, memory,
                                   {.key_padding_mask = call.memory_key_padding_mask,
                                    .need_weights = false,
                                    .attn_mask = call.memory_mask})
                        .output);
  };
  const auto fed_forward = [&](const Variable& x) {
    return dropout3(linear2(dropout(activated(linear1(x), *options_))));
  };
  if (options_->norm_first) {
    Variable y = tgt + to_targets(norm1(tgt));
    y = y + to_memory(norm2(y));
    return y + fed_forward(norm3(y));
  }
  Variable y = norm1(tgt + to_targets(tgt));
  y = norm2(y + to_memory(y));
  return norm3(y + fed_forward(y));
}

std::string TransformerDecoderLayer::description() const {
  return described("TransformerDecoderLayer", *options_);
}

void TransformerDecoderLayer::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const TransformerDecoderLayer&>(other).options_;
}

TransformerDecoder::TransformerDecoder(const TransformerDecoderLayer& layer,
                                       std::int64_t num_layers, std::optional<LayerNorm> final_norm)
    : layers(register_module("layers", ModuleList<TransformerDecoderLayer>())) {
  append_copies("TransformerDecoder", layers, layer, num_layers);
  if (final_norm.has_value()) norm.emplace(register_module("norm", *std::move(final_norm)));
}

Variable TransformerDecoder::operator()(const Variable& tgt, const Variable& memory,
                                        const DecoderCall& call) const {
  const auto run = [&](const Variable& in, const Variable& seen) {
    Variable y = in;
    for (const TransformerDecoderLayer& layer : layers) y = layer(y, seen, call);
    return norm.has_value() ? (*norm)(y) : y;
  };
  return hooked(run, tgt, memory);
}

std::string TransformerDecoder::description() const {
  return "TransformerDecoder(" + std::to_string(layers.size()) + ")";
}

Tensor causal_mask(std::int64_t steps) { return unsqueeze(arange(steps), 1) < arange(steps); }

// Positions ---------------------------------------------------------------------------------------

namespace {

// The first rows of a table, one for each step of x, in a shape that broadcasts over the batch.
Variable rows_for(const char* layer, const Variable& table, const Variable& x, bool batch_first) {
  const std::int64_t dim = table.size(1);
  if (x.dim() != 3 || x.size(2) != dim) {
    throw ShapeError(std::string(layer) + ": x is " + to_string(x.sizes()) + ", needed " +
                     (batch_first ? "(batch, steps, " : "(steps, batch, ") + std::to_string(dim) +
                     ")");
  }
  const std::int64_t steps = x.size(batch_first ? 1 : 0);
  if (steps > table.size(0)) {
    throw ShapeError(std::string(layer) + ": x has " + std::to_string(steps) + " steps, needed " +
                     std::to_string(table.size(0)) + " or fewer; raise max_len");
  }
  const Variable rows = narrow(table, 0, 0, steps);
  return batch_first ? rows : unsqueeze(rows, 1);
}

Tensor sines(std::int64_t dim, const PositionOptions& options) {
  if (dim < 0 || dim % 2 != 0) {
    throw ValueError("PositionalEncoding: dim is " + std::to_string(dim) +
                     ", needed an even number: sines and cosines come in pairs");
  }
  const Tensor pair = arange(0, dim, 2, float64) * (-std::log(10000.0) / static_cast<double>(dim));
  const Tensor angle = unsqueeze(arange(0, options.max_len, 1, float64), 1) * exp(pair);
  return reshape(stack({sin(angle), cos(angle)}, 2), {options.max_len, dim}).to(options.dtype);
}

std::string described(const char* layer, std::int64_t dim, std::int64_t max_len) {
  return std::string(layer) + "(" + std::to_string(dim) + ", max_len=" + std::to_string(max_len) +
         ")";
}

}  // namespace

PositionalEncoding::PositionalEncoding(std::int64_t dim, PositionOptions options)
    : dropout(register_module("dropout", Dropout(options.dropout, options.generator))),
      options_(options),
      table_(sines(dim, options)) {}

Variable PositionalEncoding::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return run(in); }, x);
}

Variable PositionalEncoding::run(const Variable& x) const {
  const Variable rows = rows_for("PositionalEncoding", Variable(*table_), x, options_->batch_first);
  return dropout(x + rows.to(x.dtype()));
}

std::string PositionalEncoding::description() const {
  return described("PositionalEncoding", table_->size(1), table_->size(0));
}

void PositionalEncoding::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const PositionalEncoding&>(other).options_;
  *table_ = *static_cast<const PositionalEncoding&>(other).table_;
}

LearnedPositions::LearnedPositions(std::int64_t dim, PositionOptions options)
    : embedding(register_module(
          "embedding", Embedding(options.max_len, dim,
                                 {.dtype = options.dtype, .generator = options.generator}))),
      dropout(register_module("dropout", Dropout(options.dropout, options.generator))),
      options_(options) {}

Variable LearnedPositions::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return run(in); }, x);
}

Variable LearnedPositions::run(const Variable& x) const {
  return dropout(x + rows_for("LearnedPositions", embedding.weight, x, options_->batch_first));
}

std::string LearnedPositions::description() const {
  return described("LearnedPositions", embedding.embedding_dim(), embedding.num_embeddings());
}

void LearnedPositions::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const LearnedPositions&>(other).options_;
}

}  // namespace tapegrad::nn
