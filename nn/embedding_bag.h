// EmbeddingBag: looks up the vectors of a text and reduces them to their sum, mean or maximum in
// one pass. Read next: nn/embedding_bag.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn {

struct EmbeddingBagOptions {
  BagMode mode = BagMode::mean;
  std::optional<std::int64_t> padding_idx = std::nullopt;  // ids that are left out of the bags
  std::optional<double> max_norm = std::nullopt;           // rows are scaled back to it at lookup
  double norm_type = 2;                                    // p > 0; infinity is allowed
  // inverse is PyTorch's scale_grad_by_freq; not for max.
  FrequencyScale frequency_scale = FrequencyScale::none;
  bool sparse = false;  // optimizers update only rows that have a gradient, as SparseAdam does
  bool include_last_offset = false;           // the last offset is the end of the last bag
  std::optional<DType> dtype = std::nullopt;  // default: that of weight, or float32
  Tensor weight{};                            // the initial table (copied); default: drawn
  std::optional<bool> freeze = std::nullopt;  // not trained; default: true in from_pretrained()
  GeneratorRef generator{};                   // draws the initial table; options() does not keep it
};

// Bags of ids -> (bags, embedding_dim). The result equals that of an Embedding followed by a
// reduction over dimension 1, but no row is copied, in forward or backward. The result of an empty
// bag, or of a bag with only padding, is 0.
//
//   EmbeddingBag words(20'000, 64, {.padding_idx = 0});
//   Variable texts = words(tensor({{5, 7, 0}, {9, 0, 0}}));             // (2, 64)
//   Variable same = words(tensor({5, 7, 9}), tensor({0, 2}));           // by offsets
class EmbeddingBag : public Module, public Forward<EmbeddingBag> {
 public:
  // Draws the table from the standard normal distribution, then sets the padding row to 0.
  // ValueError for negative sizes, a padding_idx out of range, and options that exclude each other.
  EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim,
               EmbeddingBagOptions options = {});

  // A table with these rows (copied), which is frozen unless options.freeze is false. ShapeError
  // unless vectors are 2-d and floating-point.
  static EmbeddingBag from_pretrained(const Tensor& vectors, EmbeddingBagOptions options = {});

  // If ids are 2-d, their rows are the bags. If ids are 1-d, offsets are the positions where bags
  // begin; the first one is 0. per_sample_weights have the shape of ids and multiply the rows (mode
  // sum only).
  Variable operator()(const Tensor& ids) const;
  Variable operator()(const Tensor& ids, const Tensor& offsets) const;
  Variable operator()(const Tensor& ids, const Tensor& offsets,
                      const Variable& per_sample_weights) const;  // offsets undefined for 2-d ids

  // As in Embedding.
  void freeze_rows(const std::vector<std::int64_t>& rows);
  void freeze_columns(const std::vector<std::int64_t>& columns);
  void unfreeze_rows();
  void unfreeze_columns();

  // As in Embedding.
  void remap(const std::vector<std::int64_t>& sources, GeneratorRef generator = {});
  void resize(std::int64_t num_embeddings, GeneratorRef generator = {});
  void prune(const std::vector<std::int64_t>& rows);

  std::int64_t num_embeddings() const { return weight.size(0); }
  std::int64_t embedding_dim() const { return weight.size(1); }
  std::optional<std::int64_t> padding_idx() const { return options_->padding_idx; }
  const EmbeddingBagOptions& options() const& { return *options_; }
  EmbeddingBagOptions options() const&& { return *options_; }
  std::string description() const override;
  // Counts the products with per_sample_weights.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Parameter weight;  // (num_embeddings, embedding_dim)

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable run(const Tensor& ids, const Tensor& offsets, const Variable& per_sample_weights) const;
  EmbeddingBag(EmbeddingBagOptions options, std::int64_t rows, std::int64_t width);
  void remap_to(const char* operation, const std::vector<std::int64_t>& sources,
                GeneratorRef generator);
  Shared<EmbeddingBagOptions> options_;  // padding_idx is not negative here, weight is undefined
};

}  // namespace tapegrad::nn
