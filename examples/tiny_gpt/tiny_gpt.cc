// A causal transformer over characters, a small GPT-2 (Vaswani and others 2017, arXiv 1706.03762;
// Radford and others 2019), from linear layers. Read next: program.cc.
#include "tiny_gpt/tiny_gpt.h"

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module_list.h>
#include <tapegrad/nn/normalization.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <string>

namespace tiny_gpt {
namespace {

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using tg::Variable;

// Lets each place read from the places up to itself. Each place makes three vectors: a query, what
// it looks for; a key, what it offers to be found by; and a value, what it passes on. A place gets
// the mean of the values, weighted by softmax(query . key / sqrt(size)). Places after it have the
// weight 0: they hold the characters that the model is to predict. Each head does this with its own
// part of the vectors.
struct SelfAttention : nn::Module {
  nn::Linear qkv;  // the three projections in one matrix
  nn::Linear out;
  nn::Dropout dropout;
  std::int64_t heads;

  explicit SelfAttention(const Settings& s)
      : qkv(register_module("qkv", nn::Linear(s.dim, 3 * s.dim))),
        out(register_module("out", nn::Linear(s.dim, s.dim))),
        dropout(register_module("dropout", nn::Dropout(s.dropout))),
        heads(s.heads) {}

  Variable operator()(const Variable& x) const {  // (batch, steps, dim)
    const std::vector<Variable> parts = chunk(qkv(x), 3, 2);
    const auto of_heads = [&](const Variable& part) {  // (batch, heads, steps, dim / heads)
      return transpose(unflatten(part, 2, {heads, -1}), 1, 2);
    };
    const Variable mixed = scaled_dot_product_attention(of_heads(parts[0]), of_heads(parts[1]),
                                                        of_heads(parts[2]), {.is_causal = true});
    return dropout(out(flatten(transpose(mixed, 1, 2), 2, 3)));
  }
};

// Attention moves information between places; the two linear layers then work on each place alone.
// Both add to the vectors of the places, which run unchanged through all blocks, so that gradients
// reach the first block whole (He and others 2016). Inputs are normalized before, as in GPT-2.
struct Block : nn::Module {
  nn::LayerNorm norm1, norm2;
  SelfAttention attention;
  nn::Linear widen, narrow;
  nn::Dropout dropout;

  explicit Block(const Settings& s)
      : norm1(register_module("norm1", nn::LayerNorm({s.dim}))),
        norm2(register_module("norm2", nn::LayerNorm({s.dim}))),
        attention(register_module("attention", SelfAttention(s))),
        widen(register_module("widen", nn::Linear(s.dim, 4 * s.dim))),
        narrow(register_module("narrow", nn::Linear(4 * s.dim, s.dim))),
        dropout(register_module("dropout", nn::Dropout(s.dropout))) {}

  Variable operator()(const Variable& x) const {
    const Variable y = x + attention(norm1(x));
    return y + dropout(narrow(gelu(widen(norm2(y)))));
  }
};

nn::Embedding small_embedding(std::int64_t rows, std::int64_t dim) {
  const auto initializer = [](const Variable& table) { nn::init::normal_(table, 0, 0.02); };
  return nn::Embedding(rows, dim, {.initializer = initializer});
}

// Attention does not know the order of the places, so each place has a vector of its own, which is
// added to that of its character.
struct TinyGpt final : language_model::LanguageModel {
  nn::Embedding characters, places;
  nn::Dropout dropout;
  nn::ModuleList<Block> blocks;
  nn::LayerNorm norm;
  nn::Linear head;

  TinyGpt(std::int64_t vocabulary, const Settings& s)
      : characters(register_module("characters", small_embedding(vocabulary, s.dim))),
        places(register_module("places", small_embedding(s.context, s.dim))),
        dropout(register_module("dropout", nn::Dropout(s.dropout))),
        blocks(register_module("blocks", nn::ModuleList<Block>())),
        norm(register_module("norm", nn::LayerNorm({s.dim}))),
        head(register_module("head", nn::Linear(s.dim, vocabulary, {.bias = false}))) {
    for (std::int64_t i = 0; i < s.layers; ++i) blocks.push_back(Block(s));
  }

  Variable logits(const tg::Tensor& ids, language_model::Memory& /*it has none*/) const override {
    const std::int64_t steps = ids.size(1);
    if (steps > window()) {
      throw tg::ShapeError("TinyGpt: " + std::to_string(steps) + " characters, needed at most " +
                           std::to_string(window()));
    }
    Variable x = dropout(characters(ids) + places(tg::arange(steps)));  // (batch, steps, dim)
    for (const Block& block : blocks) x = block(x);
    return head(norm(x));  // (batch, steps, vocabulary)
  }

  std::int64_t window() const override { return places.num_embeddings(); }
};

}  // namespace

std::unique_ptr<language_model::LanguageModel> make_model(std::int64_t vocabulary,
                                                          const Settings& settings) {
  return std::make_unique<TinyGpt>(vocabulary, settings);
}

}  // namespace tiny_gpt
