// Embedding: a table of vectors, which are looked up by id. Read next: nn/embedding.cc.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn {

// How the row padding_idx is treated.
enum class PaddingMode {
  mask_gradient,  // it begins as 0 and is not trained (PyTorch)
  zero_output,    // the same, and its lookups give 0 whatever the row holds (PaddlePaddle)
  mask_only       // it is drawn and trained like any other row; only mask() uses it (Keras)
};

// When rows are scaled back to max_norm.
enum class NormMode {
  in_forward,  // the rows of a batch when they are looked up (PyTorch): embedding_renorm_
  after_step   // all, by the optimizer: row * min(norm, max_norm) / (norm + 1e-7) (Keras, axis 1)
};

// What the optimizer does to every row after each step, as in Keras (axis 1).
enum class EmbeddingConstraint {
  none,
  non_negative,  // max(row, 0)
  unit_norm      // row / (norm + 1e-7)
};

// l1 * sum |w| + l2 * sum w^2 over the whole table.
struct EmbeddingRegularizer {
  double l1 = 0;
  double l2 = 0;
};

struct EmbeddingOptions {
  std::optional<std::int64_t> padding_idx = std::nullopt;  // negative counts from the end
  std::optional<double> max_norm = std::nullopt;           // limit for the p-norm of each row
  double norm_type = 2;                                    // p > 0; infinity is allowed
  // inverse is PyTorch's scale_grad_by_freq.
  FrequencyScale frequency_scale = FrequencyScale::none;
  bool sparse = false;  // optimizers update only rows that have a gradient, as SparseAdam does
  std::optional<DType> dtype = std::nullopt;  // default: that of weight, or float32
  Tensor weight{};                            // the initial table (copied); default: drawn
  std::optional<bool> freeze = std::nullopt;  // not trained; default: true in from_pretrained()
  PaddingMode padding_mode = PaddingMode::mask_gradient;
  NormMode norm_mode = NormMode::in_forward;
  std::function<void(const Variable&)> initializer{};  // see nn/init.h; default: normal_
  EmbeddingConstraint constraint = EmbeddingConstraint::none;
  EmbeddingRegularizer regularizer{};
  double rate_multiplier = 1;  // of the learning rate
  GeneratorRef generator{};    // draws the initial table; options() does not keep it
};

// (...) int64 ids -> (..., embedding_dim). The gradient of the table is row-sparse: the cost of a
// training step grows with the ids in the batch, not with the vocabulary.
//
//   Embedding words(20'000, 64, {.padding_idx = 0});
//   Variable x = words(tensor({{5, 7, 0}, {9, 0, 0}}));   // (2, 3, 64)
//   Variable text = masked_mean(x, words.mask(ids));      // (2, 64); nn/pooling.h
class Embedding : public Module, public Forward<Embedding> {
 public:
  // Draws the table from the standard normal distribution, then sets the padding row to 0. A given
  // weight is used as it is. ValueError for negative sizes, a padding_idx outside of
  // [-num_embeddings, num_embeddings), and options that exclude each other.
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options = {});
  template <std::integral Id>
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, Id padding_idx)
      : Embedding(num_embeddings, embedding_dim, EmbeddingOptions{.padding_idx = padding_idx}) {}

  // A table with these rows (copied), which is frozen unless options.freeze is false. ShapeError
  // unless vectors are 2-d and floating-point. For word vectors, see from_pretrained() in
  // nn/text/word_vectors.h.
  static Embedding from_pretrained(const Tensor& vectors, EmbeddingOptions options = {});

  // IndexError for an id out of range; its text has the position, the id and the number of rows.
  Variable operator()(const Tensor& ids) const;

  // True where an id is not padding. The padding id is padding_idx, or 0 with
  // PaddingMode::mask_only and no padding_idx. ValueError if there is no padding id.
  Tensor mask(const Tensor& ids) const;

  // Freezes rows (columns): their elements stay the same to the bit, whatever momentum, weight
  // decay or max_norm would do. Rows that were frozen earlier stay frozen. IndexError for a row
  // (column) that does not exist.
  void freeze_rows(const std::vector<std::int64_t>& rows);
  void freeze_columns(const std::vector<std::int64_t>& columns);
  void unfreeze_rows();
  void unfreeze_columns();

  // Changes the vocabulary in the middle of training: row i of the new table is row sources[i] of
  // the old one; for -1, a new row is drawn like those of the initial table. A row keeps its
  // optimizer state, and stays frozen or padding. The gradient is dropped, and backward() through
  // earlier history is an error. IndexError for a source that is not a row; ValueError if the
  // padding row is missing. `generator` draws the new rows, unless there is an initializer.
  void remap(const std::vector<std::int64_t>& sources, GeneratorRef generator = {});
  // Keeps the first rows; the rest are dropped or drawn.
  void resize(std::int64_t num_embeddings, GeneratorRef generator = {});
  // Keeps these rows, in this order.
  void prune(const std::vector<std::int64_t>& rows);

  // The regularizer's term, which you add to the loss. Its gradient is dense.
  Variable regularization_loss() const;

  // A Linear embedding_dim -> num_embeddings with this table as its weight: both layers share and
  // train one leaf, and remap() changes both (but not the bias). The padding row is not trained
  // through the Linear either.
  Linear as_linear(bool bias = false) const;

  std::int64_t num_embeddings() const { return weight.size(0); }
  std::int64_t embedding_dim() const { return weight.size(1); }
  std::optional<std::int64_t> padding_idx() const { return options_->padding_idx; }
  const EmbeddingOptions& options() const& { return *options_; }
  EmbeddingOptions options() const&& { return *options_; }
  std::string description() const override;
  // 0: a lookup multiplies nothing.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter weight;  // (num_embeddings, embedding_dim)

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable run(const Tensor& ids) const;
  Embedding(EmbeddingOptions options, std::int64_t rows, std::int64_t width);
  void remap_to(const char* operation, const std::vector<std::int64_t>& sources,
                GeneratorRef generator);
  Shared<EmbeddingOptions> options_;  // padding_idx is not negative here, weight is undefined
};

}  // namespace tapegrad::nn
