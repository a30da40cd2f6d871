// LoraEmbedding: a frozen table, and two small trained factors whose product is added to it. Read
// next: nn/lora_embedding.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

struct LoraOptions {
  std::int64_t rank = 8;
  std::optional<double> alpha = std::nullopt;  // default: rank, so alpha / rank is 1
  // Draws A; options() does not keep it. The one of EmbeddingOptions draws the table.
  GeneratorRef generator{};
};

// y = E[id] + alpha / rank * A[id] B (Hu et al. 2021). The table E is frozen; A (num_embeddings,
// rank) and B (rank, embedding_dim) are trained. B begins as 0, so the first lookups return E[id].
//
//   LoraEmbedding tuned(words, {.rank = 8});    // words: a trained Embedding
//   optim::Adam adam(tuned.parameters());       // trains A and B
//   ...
//   tuned.merge();                              // tuned.table now holds the tuned table
class LoraEmbedding : public Module, public Forward<LoraEmbedding> {
 public:
  // Draws a table as Embedding does, and then A uniformly from [-bound, bound) with the bound
  // sqrt(6 / num_embeddings), as Keras does. ValueError for a rank below 1, and for a constraint or
  // a max_norm of the table.
  LoraEmbedding(std::int64_t num_embeddings, std::int64_t embedding_dim, LoraOptions options = {},
                EmbeddingOptions table_options = {});

  // Copies the table of an existing layer, with its options. ValueError also for a table with
  // frozen rows or columns.
  explicit LoraEmbedding(const Embedding& embedding, LoraOptions options = {});

  // (...) int64 ids -> (..., embedding_dim)
  Variable operator()(const Tensor& ids) const;
  Tensor mask(const Tensor& ids) const { return table.mask(ids); }

  // E + alpha / rank * A B: the table whose rows the lookups return.
  Tensor merged_weight() const;
  // Sets the table to merged_weight() and B to 0. A stays as it is: if both were 0, neither would
  // ever get a gradient.
  void merge();

  // Changes the vocabulary, as in Embedding. A new row of A is 0, so a new word begins as its row
  // of E.
  void remap(const std::vector<std::int64_t>& sources, GeneratorRef generator = {});
  void resize(std::int64_t num_embeddings, GeneratorRef generator = {});
  void prune(const std::vector<std::int64_t>& rows);

  // The regularizer's term for the merged table, which you add to the loss.
  Variable regularization_loss() const;

  std::int64_t num_embeddings() const { return table.num_embeddings(); }
  std::int64_t embedding_dim() const { return table.embedding_dim(); }
  std::optional<std::int64_t> padding_idx() const { return table.padding_idx(); }
  const LoraOptions& options() const& { return *options_; }
  LoraOptions options() const&& { return *options_; }
  std::string description() const override;
  // Counts the product A[id] B.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  // state_dict() holds the merged table as "weight", instead of these three. Loading it writes the
  // table and sets B to 0. So an Embedding can load the state of a LoraEmbedding, and the other way
  // round.
  Embedding table;
  Embedding lora_a;
  Parameter lora_b;

 protected:
  void assign_from(const Module& other) override;

 private:
  // Takes checked options and a table that is not shared.
  LoraEmbedding(LoraOptions options, Embedding own_table);
  Shared<LoraOptions> options_;
};

}  // namespace tapegrad::nn
