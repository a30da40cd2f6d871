// LoraEmbedding: a frozen table, tuned by two small factors. Read next: nn/lora_embedding.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

struct LoraOptions {
  std::int64_t rank = 8;
  std::optional<double> alpha = std::nullopt;  // the rank, which makes the factor alpha / rank 1
};

// y = E[id] + alpha / rank * A[id] B (Hu et al. 2021). The table E is frozen; A (num_embeddings,
// rank) and B (rank, embedding_dim) are trained. B begins as 0, so the first lookups give E[id].
//
//   LoraEmbedding tuned(words, {.rank = 8});    // words: a trained Embedding
//   optim::Adam adam(tuned.parameters());       // moves A and B
//   ...
//   tuned.merge();                              // tuned.table is the new plain table
class LoraEmbedding : public Module {
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

  // E + alpha / rank * A B: the table whose rows the lookups give.
  Tensor merged_weight() const;
  // Makes it the table and sets B to 0. A stays: with both 0, neither would ever get a gradient.
  void merge();

  // Another vocabulary, as in Embedding. A new row of A is 0: a new word begins as its row of E.
  void remap(const std::vector<std::int64_t>& sources);
  void resize(std::int64_t num_embeddings);
  void prune(const std::vector<std::int64_t>& rows);

  // The regularizer's term for the merged table, to be added to the loss.
  Variable regularization_loss() const;

  std::int64_t num_embeddings() const { return table.num_embeddings(); }
  std::int64_t embedding_dim() const { return table.embedding_dim(); }
  std::optional<std::int64_t> padding_idx() const { return table.padding_idx(); }
  const LoraOptions& options() const { return *options_; }
  std::string description() const override;
  // The product A[id] B.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  // state_dict() holds the merged table as "weight", in the place of these three; loading one
  // writes the table and sets B to 0. So an Embedding reads what a LoraEmbedding saved, and the
  // other way round.
  Embedding table;
  Embedding lora_a;
  Parameter lora_b;

 protected:
  void assign_from(const Module& other) override;

 private:
  // Takes checked options and a table that nobody else holds.
  LoraEmbedding(LoraOptions options, Embedding own_table);
  Shared<LoraOptions> options_;
};

}  // namespace tapegrad::nn
