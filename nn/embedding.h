// Embedding: a table of vectors, looked up by number. Read next: nn/embedding_bag.h.
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

// What the row padding_idx is.
enum class PaddingMode {
  mask_gradient,  // a row like any other that begins as 0, and is not trained (PyTorch)
  zero_output,    // the same, and its vectors are 0 whatever it holds (PaddlePaddle)
  mask_only       // a row like any other, trained too; only mask() speaks of it (Keras)
};

// When rows are brought back to max_norm.
enum class NormMode {
  in_forward,  // those of a batch when they are looked up (PyTorch): embedding_renorm_
  after_step   // all, by the optimiser: row * min(norm, max_norm) / (norm + 1e-7) (Keras, axis 1)
};

// What the optimiser does to every row after each step, as Keras does it (axis 1).
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
  bool sparse = false;  // optimisers move only rows that have a gradient, as SparseAdam does
  std::optional<DType> dtype = std::nullopt;  // the weight's, or float32
  Tensor weight{};                            // the first table (copied), instead of drawing one
  std::optional<bool> freeze = std::nullopt;  // not trained; from_pretrained() freezes by default
  PaddingMode padding_mode = PaddingMode::mask_gradient;
  NormMode norm_mode = NormMode::in_forward;
  std::function<void(const Variable&)> initializer{};  // of nn/init.h; the default is normal_
  EmbeddingConstraint constraint = EmbeddingConstraint::none;
  EmbeddingRegularizer regularizer{};
  double rate_multiplier = 1;  // of the learning rate
  // Above 0: the table is frozen, and vectors are E[id] + lora_alpha / lora_rank * A[id] B with
  // trained A (rows, lora_rank) and B (lora_rank, width) (Hu et al. 2021).
  std::int64_t lora_rank = 0;
  std::optional<double> lora_alpha = std::nullopt;  // lora_rank, so that the factor is 1
};

// (...) int64 ids -> (..., embedding_dim). The gradient of the table is row-sparse: a training step
// costs what the batch holds, not what the vocabulary holds.
//
//   Embedding words(20'000, 64, {.padding_idx = 0});
//   Variable x = words(tensor({{5, 7, 0}, {9, 0, 0}}));   // (2, 3, 64)
//   Variable text = masked_mean(x, words.mask(ids));      // (2, 64); nn/pooling.h
class Embedding : public Module {
 public:
  // The table is drawn from the standard normal distribution, then the padding row is set to 0; a
  // given weight stays as it is. ValueError for negative sizes, a padding_idx outside of
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

  // These rows (columns) keep their numbers to the byte, whatever an optimiser's momentum or weight
  // decay or max_norm would do; those frozen before stay frozen. IndexError for one that there is
  // not.
  void freeze_rows(const std::vector<std::int64_t>& rows) const;
  void freeze_columns(const std::vector<std::int64_t>& columns) const;
  void unfreeze_rows() const;
  void unfreeze_columns() const;

  // Another vocabulary in the middle of training: row i of the new table is row sources[i] of this
  // one, or is drawn anew (-1), as at first. What optimisers remember of a row, and whether it is
  // frozen or padding, goes along; a gradient is dropped, and history that was recorded before
  // cannot be played back. IndexError for a source that is no row, ValueError if padding is lost.
  void remap(const std::vector<std::int64_t>& sources) const;
  // Keeps the first rows, drops or draws the rest / keeps these rows, in this order.
  void resize(std::int64_t num_embeddings) const;
  void prune(const std::vector<std::int64_t>& rows) const;

  // What the regularizer asks for, to be added to the loss; its gradient is a dense table.
  Variable regularization_loss() const;

  // embedding_dim -> num_embeddings, by this table: both share one leaf, trained from both sides,
  // and remap() changes both (but not a bias). A row of padding is not trained from here either.
  Linear as_linear(bool bias = false) const;

  // The table that lookups see: with LoRA, A B included.
  Tensor merged_weight() const;
  // Makes it the table; B begins at 0 again.
  void merge_lora() const;

  std::int64_t num_embeddings() const { return weight.size(0); }
  std::int64_t embedding_dim() const { return weight.size(1); }
  std::optional<std::int64_t> padding_idx() const { return options_->padding_idx; }
  const EmbeddingOptions& options() const { return *options_; }
  std::string description() const override;
  // A lookup takes none; LoRA's product does.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter weight;  // (num_embeddings, embedding_dim)
  Parameter lora_a;  // (num_embeddings, lora_rank); undefined without LoRA, as lora_b
  Parameter lora_b;  // (lora_rank, embedding_dim)

 protected:
  void assign_from(const Module& other) const override;
  // state_dict() holds the merged table under "weight", and no factors. Loading one writes the
  // weight and sets B to 0. A stays: with both 0, neither would ever get a gradient.
  bool is_saved(const std::string& name) const override {
    return name != "lora_a" && name != "lora_b";
  }
  Tensor saved(const std::string& name, const Parameter& parameter) const override;
  void loaded(const std::string& name) const override;

 private:
  Variable forward(const Tensor& ids) const;
  Embedding(EmbeddingOptions options, std::int64_t rows, std::int64_t width);
  double lora_factor() const;
  void remap_to(const char* operation, const std::vector<std::int64_t>& sources) const;
  Shared<EmbeddingOptions> options_;  // padding_idx is not negative here, weight is undefined
};

}  // namespace tapegrad::nn
