// MultiheadAttention: runs scaled_dot_product_attention() on several projections at once (Vaswani
// and others, "Attention is all you need", 2017). Read next: nn/attention.cc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

struct MultiheadAttentionOptions {
  double dropout = 0;  // of the attention weights, in training
  bool bias = true;
  bool add_bias_kv = false;                         // appends a learned key and value in every call
  bool add_zero_attn = false;                       // appends a key and a value of zeros after that
  std::optional<std::int64_t> kdim = std::nullopt;  // width of keys; default: embed_dim
  std::optional<std::int64_t> vdim = std::nullopt;  // width of values; default: embed_dim
  bool batch_first = false;  // (batch, steps, dim) instead of (steps, batch, dim)
  DType dtype = float32;
  GeneratorRef generator{};  // draws weights and dropout; with dropout it must outlive the layer
};

struct AttentionCall {
  // (batch, keys); boolean: true where a key is ignored; floating-point: it is added to the scores.
  Tensor key_padding_mask{};
  bool need_weights = true;
  // (queries, keys) or (batch * heads, queries, keys); boolean: true where a query ignores a key;
  // floating-point: it is added to the scores.
  Tensor attn_mask{};
  bool average_attn_weights = true;  // over heads
};

struct AttentionResult {
  Variable output;   // has the shape of query
  Variable weights;  // (batch, queries, keys), or (batch, heads, queries, keys) where not averaged;
                     // undefined without need_weights. Keys include the appended ones.
};

// embed_dim is split among the heads. The projections of queries, keys and values are initialized
// by xavier_uniform_(), as one matrix unless kdim or vdim differs from embed_dim; bias_k and bias_v
// by xavier_normal_(); out_proj.weight as in every Linear. The other biases begin as 0.
class MultiheadAttention : public Module, public Forward<MultiheadAttention> {
  struct Settings {
    std::int64_t num_heads;
    MultiheadAttentionOptions options;
  };
  Shared<Settings> settings_;

 public:
  // ValueError unless embed_dim is a multiple of num_heads, and kdim and vdim are 1 or more.
  MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads,
                     MultiheadAttentionOptions options = {});

  // query is (queries, batch, embed_dim), key (keys, batch, kdim) and value (keys, batch, vdim), or
  // all without batch. If a query ignores all keys, its weighted sum of values is 0, where PyTorch
  // 1.13 returns nan. Masks never hide the keys that add_bias_kv and add_zero_attn append.
  AttentionResult operator()(const Variable& query, const Variable& key, const Variable& value,
                             const AttentionCall& call = {}) const;

  std::int64_t embed_dim() const { return out_proj.weight.size(0); }
  std::int64_t kdim() const { return settings_->options.kdim.value_or(embed_dim()); }
  std::int64_t vdim() const { return settings_->options.vdim.value_or(embed_dim()); }
  std::int64_t num_heads() const { return settings_->num_heads; }
  const MultiheadAttentionOptions& options() const& { return settings_->options; }
  MultiheadAttentionOptions options() const&& { return settings_->options; }
  std::string description() const override;
  // Counts the projections, the products of queries with keys, and those of weights with values.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  // in_proj_weight holds the projections of queries, keys and values. If kdim or vdim differs from
  // embed_dim, it is undefined, and q_, k_ and v_proj_weight are defined instead.
  Parameter in_proj_weight;  // (3 * embed_dim, embed_dim)
  Parameter q_proj_weight;   // (embed_dim, embed_dim)
  Parameter k_proj_weight;   // (embed_dim, kdim)
  Parameter v_proj_weight;   // (embed_dim, vdim)
  Parameter in_proj_bias;    // (3 * embed_dim); undefined if there is none
  Parameter bias_k;          // (1, 1, embed_dim), as bias_v; undefined without add_bias_kv
  Parameter bias_v;
  Linear out_proj;

 protected:
  void assign_from(const Module& other) override;

 private:
  AttentionResult run(const Variable& query, const Variable& key, const Variable& value,
                      const AttentionCall& call) const;
  AttentionResult forward_without_batch(const Variable& query, const Variable& key,
                                        const Variable& value, const AttentionCall& call) const;
  bool is_packed() const { return in_proj_weight.defined(); }
  Variable projected(const Variable& x, std::int64_t which, std::int64_t count) const;
  std::array<Variable, 3> all_projected(const Variable& query, const Variable& key,
                                        const Variable& value) const;
  Variable with_added(const Variable& keys, const Parameter& learned) const;
  std::int64_t added_keys() const;
  void check(const Variable& query, const Variable& key, const Variable& value) const;
  Variable heads_of(const Variable& x) const;
  Tensor mask_for(const AttentionCall& call, std::int64_t batch, std::int64_t queries,
                  std::int64_t keys, DType dtype) const;
  Parameter parameter_if(bool wanted, const char* name, const Shape& shape);
};

}  // namespace tapegrad::nn
