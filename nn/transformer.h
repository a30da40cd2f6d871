// TransformerEncoder, TransformerDecoder, and the layers that give them the positions of words
// (Vaswani and others, "Attention is all you need", 2017). Read next: nn/transformer.cc.
//
//   Embedding words(20'000, 64, {.padding_idx = 0});
//   PositionalEncoding positions(64, {.batch_first = true});
//   TransformerEncoder encoder(TransformerEncoderLayer(64, 4, {.batch_first = true}), 2);
//   Variable x = encoder(positions(words(tokens)), {.key_padding_mask = tokens == 0});
//   Variable text = masked_mean(x, tokens != 0);                        // (batch, 64)
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tapegrad/nn/attention.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module_list.h>
#include <tapegrad/nn/normalization.h>

namespace tapegrad::nn {

// The activation after the first linear layer of an encoder layer.
enum class FeedforwardActivation { relu, gelu };

struct TransformerEncoderLayerOptions {
  std::int64_t dim_feedforward = 2048;
  double dropout = 0.1;
  FeedforwardActivation activation = FeedforwardActivation::relu;
  double layer_norm_eps = 1e-5;
  bool batch_first = false;  // (batch, steps, dim) instead of (steps, batch, dim)
  bool norm_first = false;   // normalizes the input of each block, not the sum after it
  DType dtype = float32;
  GeneratorRef generator{};  // draws weights and dropout; with dropout it must outlive the layer
};

// The masks of MultiheadAttention.
struct EncoderCall {
  Tensor mask{};              // (steps, steps)
  Tensor key_padding_mask{};  // (batch, steps); boolean: true at padding
};

// Attention, then two linear layers at each step. Each of the two blocks is added to its input and
// normalized.
class TransformerEncoderLayer : public Module, public Forward<TransformerEncoderLayer> {
 public:
  TransformerEncoderLayer(std::int64_t d_model, std::int64_t nhead,
                          TransformerEncoderLayerOptions options = {});

  Variable operator()(const Variable& x, const EncoderCall& call = {}) const;  // -> x's shape

  const TransformerEncoderLayerOptions& options() const& { return *options_; }
  TransformerEncoderLayerOptions options() const&& { return *options_; }
  std::string description() const override;

  MultiheadAttention self_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1;
  LayerNorm norm2;
  Dropout dropout1;
  Dropout dropout2;

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable run(const Variable& x, const EncoderCall& call) const;
  Variable attended(const Variable& x, const EncoderCall& call) const;
  Variable fed_forward(const Variable& x) const;
  Shared<TransformerEncoderLayerOptions> options_;
};

// num_layers layers, which begin as deep copies of one, and an optional LayerNorm after them.
class TransformerEncoder : public Module, public Forward<TransformerEncoder> {
 public:
  TransformerEncoder(const TransformerEncoderLayer& layer, std::int64_t num_layers,
                     std::optional<LayerNorm> final_norm = std::nullopt);

  Variable operator()(const Variable& x, const EncoderCall& call = {}) const;

  std::string description() const override;

  ModuleList<TransformerEncoderLayer> layers;
  std::optional<LayerNorm> norm;

 private:
  Variable run(const Variable& x, const EncoderCall& call) const;
};

using TransformerDecoderLayerOptions = TransformerEncoderLayerOptions;

// The masks of the two attentions: of the targets among each other, and of targets to the memory.
struct DecoderCall {
  Tensor tgt_mask{};                 // (steps, steps), such as causal_mask(steps)
  Tensor memory_mask{};              // (steps, memory steps)
  Tensor tgt_key_padding_mask{};     // (batch, steps); boolean: true at padding
  Tensor memory_key_padding_mask{};  // (batch, memory steps)
};

// Attention to the targets, attention to the memory, which is an encoder's result, then two linear
// layers at each step. Each of the three blocks is added to its input and normalized.
class TransformerDecoderLayer : public Module, public Forward<TransformerDecoderLayer> {
 public:
  TransformerDecoderLayer(std::int64_t d_model, std::int64_t nhead,
                          TransformerDecoderLayerOptions options = {});

  // tgt and memory are (steps, batch, dim) each -> tgt's shape.
  Variable operator()(const Variable& tgt, const Variable& memory,
                      const DecoderCall& call = {}) const;

  const TransformerDecoderLayerOptions& options() const& { return *options_; }
  TransformerDecoderLayerOptions options() const&& { return *options_; }
  std::string description() const override;

  MultiheadAttention self_attn;
  MultiheadAttention multihead_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1;
  LayerNorm norm2;
  LayerNorm norm3;
  Dropout dropout1;
  Dropout dropout2;
  Dropout dropout3;

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable run(const Variable& tgt, const Variable& memory, const DecoderCall& call) const;
  Shared<TransformerDecoderLayerOptions> options_;
};

// num_layers layers, which begin as deep copies of one and all see the same memory, and an optional
// LayerNorm after them.
class TransformerDecoder : public Module, public Forward<TransformerDecoder> {
 public:
  TransformerDecoder(const TransformerDecoderLayer& layer, std::int64_t num_layers,
                     std::optional<LayerNorm> final_norm = std::nullopt);

  Variable operator()(const Variable& tgt, const Variable& memory,
                      const DecoderCall& call = {}) const;

  std::string description() const override;

  ModuleList<TransformerDecoderLayer> layers;
  std::optional<LayerNorm> norm;
};

// A mask for EncoderCall::mask, true above the diagonal: step i sees only the steps 0 ... i.
Tensor causal_mask(std::int64_t steps);

struct PositionOptions {
  double dropout = 0;
  std::int64_t max_len = 5000;
  bool batch_first = false;  // (batch, steps, dim) instead of (steps, batch, dim)
  DType dtype = float32;
  GeneratorRef generator{};  // draws vectors and dropout; with dropout it must outlive the layer
};

// Adds sin(t / 10000^(2i / dim)) to the elements 2i of step t, and the cosine to the elements 2i +
// 1. The table is not a parameter and is not saved.
class PositionalEncoding : public Module, public Forward<PositionalEncoding> {
 public:
  // ValueError for an odd dim.
  explicit PositionalEncoding(std::int64_t dim, PositionOptions options = {});

  Variable operator()(const Variable& x) const;  // ShapeError for more than max_len steps

  const Tensor& table() const& { return *table_; }  // (max_len, dim)
  Tensor table() const&& { return *table_; }
  const PositionOptions& options() const& { return *options_; }
  PositionOptions options() const&& { return *options_; }
  std::string description() const override;

  Dropout dropout;

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable run(const Variable& x) const;
  Shared<PositionOptions> options_;
  Shared<Tensor> table_;
};

// Adds a learned vector to each step.
class LearnedPositions : public Module, public Forward<LearnedPositions> {
 public:
  explicit LearnedPositions(std::int64_t dim, PositionOptions options = {});

  Variable operator()(const Variable& x) const;  // ShapeError for more than max_len steps

  const PositionOptions& options() const& { return *options_; }
  PositionOptions options() const&& { return *options_; }
  std::string description() const override;

  Embedding embedding;  // (max_len, dim)
  Dropout dropout;

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable run(const Variable& x) const;
  Shared<PositionOptions> options_;
};

}  // namespace tapegrad::nn
