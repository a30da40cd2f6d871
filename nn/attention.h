// MultiheadAttention: scaled_dot_product_attention() of several projections side by side (Vaswani
// and others, "Attention is all you need", 2017). Read next: nn/transformer.h.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

struct MultiheadAttentionOptions {
  double dropout = 0;  // of the weights, in training
  bool bias = true;
  bool batch_first = false;  // (batch, steps, dim) instead of (steps, batch, dim)
  DType dtype = float32;
};

struct AttentionCall {
  Tensor key_padding_mask{};  // boolean (batch, keys): true where a key does not count
  bool need_weights = true;
  // (queries, keys) or (batch * heads, queries, keys); boolean: true where a key does not count for
  // a query; floating: is added to the scores.
  Tensor attn_mask{};
  bool average_attn_weights = true;  // over heads
};

struct AttentionResult {
  Variable output;   // of the shape of query
  Variable weights;  // (batch, queries, keys), or (batch, heads, queries, keys) where not averaged;
                     // undefined where not needed
};

// embed_dim is split among the heads. in_proj_weight is drawn by Xavier's uniform initialisation,
// out_proj as every Linear; biases begin as 0.
class MultiheadAttention : public Module {
 public:
  // ValueError unless embed_dim is a multiple of num_heads.
  MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads,
                     MultiheadAttentionOptions options = {});

  // (queries, batch, embed_dim), twice (keys, batch, embed_dim), or without batch. A query for
  // which no key counts gets 0 in place of values, where PyTorch 1.13 gives nan.
  AttentionResult operator()(const Variable& query, const Variable& key, const Variable& value,
                             const AttentionCall& call = {}) const;

  std::int64_t embed_dim() const { return in_proj_weight.size(1); }
  std::int64_t num_heads() const { return settings_->num_heads; }
  const MultiheadAttentionOptions& options() const { return settings_->options; }
  std::string description() const override;
  // Of the projections, and of queries with keys and weights with values.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter in_proj_weight;  // (3 * embed_dim, embed_dim): of queries, keys, values
  Parameter in_proj_bias;    // (3 * embed_dim); undefined if there is none
  Linear out_proj;

 protected:
  void become(const Module& other) const override;

 private:
  AttentionResult forward(const Variable& query, const Variable& key, const Variable& value,
                          const AttentionCall& call) const;
  struct Settings {
    std::int64_t num_heads;
    MultiheadAttentionOptions options;
  };
  Variable projected(const Variable& x, std::int64_t which, std::int64_t count) const;
  Variable heads_of(const Variable& x) const;
  Tensor mask_for(const AttentionCall& call, std::int64_t batch, std::int64_t queries,
                  std::int64_t keys, DType dtype) const;
  Shared<Settings> settings_;
};

}  // namespace tapegrad::nn
