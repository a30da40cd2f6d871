// Embedding: a table of vectors, looked up by number. Read next: nn/embedding.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

// How the row padding_idx is treated.
enum class PaddingMode {
  mask_gradient,  // it begins as 0 and is not trained (PyTorch)
  zero_output,    // the same, and its lookups give 0 whatever the row holds (PaddlePaddle)
  mask_only       // it is drawn and trained like any other row; only mask() knows it (Keras)
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
  std::optional<double> max_norm = std::nullopt;           // no row's p-norm stays above it
  double norm_type = 2;                                    // p > 0, perhaps infinity
  // inverse is PyTorch's scale_grad_by_freq.
  FrequencyScale frequency_scale = FrequencyScale::none;
  bool sparse = false;  // optimizers move only rows that have a gradient, as SparseAdam does
  std::optional<DType> dtype = std::nullopt;  // the weight's, or float32
  Tensor weight{};                            // the first table (copied), instead of drawing one
  std::optional<bool> freeze = std::nullopt;  // not trained; from_pretrained() freezes by default
  PaddingMode padding_mode = PaddingMode::mask_gradient;
  NormMode norm_mode = NormMode::in_forward;
  std::function<void(const Variable&)> initializer{};  // of nn/init.h; the default is normal_
  EmbeddingConstraint constraint = EmbeddingConstraint::none;
  EmbeddingRegularizer regularizer{};
  double rate_multiplier = 1;  // of the learning rate
};

// (...) int64 ids -> (..., embedding_dim). The gradient of the table is row-sparse: the cost of a
// training step grows with the ids in the batch, not with the vocabulary.
//
//   Embedding words(20'000, 64, {.padding_idx = 0});
//   Variable x = words(tensor({{5, 7, 0}, {9, 0, 0}}));   // (2, 3, 64)
//   Variable text = masked_mean(x, words.mask(ids));      // (2, 64); nn/pooling.h
class Embedding : public Module {
 public:
  // Draws the table from the standard normal distribution, then sets the padding row to 0; takes a
  // given weight as it is. ValueError for negative sizes, a padding_idx outside of
  // [-num_embeddings, num_embeddings), and options that exclude each other.
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, EmbeddingOptions options = {});

  // A table with these rows (copied), frozen unless told otherwise. ShapeError unless vectors are
  // 2-d and floating-point. For vectors of words, see from_pretrained() in nn/text/word_vectors.h.
  static Embedding from_pretrained(const Tensor& vectors, EmbeddingOptions options = {});

  // IndexError naming position, id and number of rows for an id out of range.
  Variable operator()(const Tensor& ids) const;

  // True where an id is a word: not padding_idx, or not 0 with PaddingMode::mask_only and no
  // padding_idx. ValueError if there is no padding.
  Tensor mask(const Tensor& ids) const;

  // These rows (columns) keep their elements to the bit, whatever an optimizer's momentum or weight
  // decay or max_norm would do; rows that were frozen earlier stay frozen. IndexError for one that
  // does not exist.
  void freeze_rows(const std::vector<std::int64_t>& rows);
  void freeze_columns(const std::vector<std::int64_t>& columns);
  void unfreeze_rows();
  void unfreeze_columns();

  // Changes the vocabulary in the middle of training: row i of the new table is row sources[i] of
  // this one, or is drawn like the first table (-1). A row keeps its optimizer state and stays
  // frozen or padding; the gradient is dropped, and backward() through earlier history is an
  // error. IndexError for a source that is no row, ValueError if the padding row is left out.
  void remap(const std::vector<std::int64_t>& sources);
  // Keeps the first rows, drops or draws the rest / keeps these rows, in this order.
  void resize(std::int64_t num_embeddings);
  void prune(const std::vector<std::int64_t>& rows);

  // The regularizer's term, to be added to the loss; its gradient is a dense table.
  Variable regularization_loss() const;

  // embedding_dim -> num_embeddings, with this table as the weight: both layers share one leaf and
  // train it, and remap() changes both (but not a bias). The padding row is not trained from the
  // Linear either.
  Linear as_linear(bool bias = false) const;

  std::int64_t num_embeddings() const { return weight.size(0); }
  std::int64_t embedding_dim() const { return weight.size(1); }
  std::optional<std::int64_t> padding_idx() const { return options_->padding_idx; }
  const EmbeddingOptions& options() const { return *options_; }
  std::string description() const override;
  // None: a lookup multiplies nothing.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter weight;  // (num_embeddings, embedding_dim)

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable forward(const Tensor& ids) const;
  Embedding(EmbeddingOptions options, std::int64_t rows, std::int64_t width);
  void remap_to(const char* operation, const std::vector<std::int64_t>& sources);
  Shared<EmbeddingOptions> options_;  // padding_idx is not negative here, weight is undefined
};

}  // namespace tapegrad::nn
