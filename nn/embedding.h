// Embedding: a table of vectors, looked up by number. Read next: nn/rnn_cell.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

struct EmbeddingOptions {
  std::optional<std::int64_t> padding_idx =
      std::nullopt;  // its row gets no gradient; may be negative
  DType dtype = float32;
};

struct FromPretrainedOptions {
  bool freeze = true;
  std::optional<std::int64_t> padding_idx = std::nullopt;
};

class WordVectors;
struct FromWordVectorsOptions;
struct PretrainedEmbedding;

// (...) int64 ids -> (..., embedding_dim). The gradient of the table is row-sparse: a training step
// costs what the batch holds, not what the vocabulary holds.
//
//   Embedding words(20'000, 64, {.padding_idx = 0});
//   Variable x = words(tensor({{5, 7, 0}, {9, 0, 0}}));   // (2, 3, 64)
class Embedding : public Module {
 public:
  // The table is drawn from the standard normal distribution, then the padding row is set to 0.
  // ValueError for negative sizes, or padding_idx outside of [-num_embeddings, num_embeddings).
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options = {});

  // A table with these rows (copied), frozen unless told otherwise. The padding row is not set to
  // 0. ShapeError unless vectors is 2-d and floating-point.
  static Embedding from_pretrained(const Tensor& vectors, FromPretrainedOptions options = {});

  // A table whose row i is the vector of vocabulary[i], or is drawn if there is none: see
  // nn/word_vectors.h. ValueError for a padding_idx out of range, and if no word at all is known
  // where options.unknown asks what known rows are like.
  static PretrainedEmbedding from_pretrained(const WordVectors& vectors,
                                             const std::vector<std::string>& vocabulary);
  static PretrainedEmbedding from_pretrained(const WordVectors& vectors,
                                             const std::vector<std::string>& vocabulary,
                                             const FromWordVectorsOptions& options);

  // IndexError naming position, id and number of rows for an id out of range.
  Variable operator()(const Tensor& ids) const;

  // These rows keep their numbers to the byte, whatever an optimiser's momentum or weight decay
  // would do; the rows frozen before stay frozen. IndexError for a row that there is not.
  void freeze_rows(const std::vector<std::int64_t>& rows) const;
  void unfreeze_rows() const;

  std::int64_t num_embeddings() const { return weight.size(0); }
  std::int64_t embedding_dim() const { return weight.size(1); }
  std::optional<std::int64_t> padding_idx() const { return options_->padding_idx; }
  std::string description() const override;

  Parameter weight;  // (num_embeddings, embedding_dim)

 protected:
  void become(const Module& other) const override;

 private:
  Embedding(Tensor table, EmbeddingOptions options, bool requires_grad);
  Shared<EmbeddingOptions> options_;  // padding_idx is not negative here
};

}  // namespace tapegrad::nn
