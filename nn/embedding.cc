#include <tapegrad/nn/embedding.h>

#include <tapegrad/autograd/leaf.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random.h>

namespace tapegrad::nn {
namespace {

// The options with a padding_idx that counts from the front.
EmbeddingOptions checked(EmbeddingOptions options, std::int64_t rows, std::int64_t width) {
  if (rows < 0 || width < 0) {
    throw ValueError("Embedding: negative size in (" + std::to_string(rows) + ", " +
                     std::to_string(width) + ")");
  }
  if (options.padding_idx) {
    std::int64_t& padding = *options.padding_idx;
    if (padding < -rows || padding >= rows) {
      throw ValueError("Embedding: padding_idx " + std::to_string(padding) + " out of range for " +
                       std::to_string(rows) + " rows");
    }
    if (padding < 0) padding += rows;
  }
  return options;
}

Tensor drawn_table(std::int64_t rows, std::int64_t width, const EmbeddingOptions& options) {
  const EmbeddingOptions valid = checked(options, rows, width);
  Tensor table = normal_(empty({rows, width}, options.dtype));
  if (valid.padding_idx) select(table, 0, *valid.padding_idx).zero_();
  return table;
}

}  // namespace

Embedding::Embedding(Tensor table, EmbeddingOptions options, bool requires_grad)
    : weight(register_parameter("weight", table, requires_grad)),
      options_(checked(options, table.size(0), table.size(1))) {}

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
                     EmbeddingOptions options)
    : Embedding(drawn_table(num_embeddings, embedding_dim, options), options, true) {}

Embedding Embedding::from_pretrained(const Tensor& vectors, FromPretrainedOptions options) {
  if (vectors.dim() != 2 || !is_floating_point(vectors.dtype())) {
    throw ShapeError("Embedding::from_pretrained: got " + std::string(name(vectors.dtype())) + " " +
                     to_string(vectors.sizes()) + ", needed floating-point (rows, width)");
  }
  return Embedding(vectors.clone(), {.padding_idx = options.padding_idx, .dtype = vectors.dtype()},
                   !options.freeze);
}

Variable Embedding::operator()(const Tensor& ids) const {
  return embedding(weight, ids, options_->padding_idx);
}

void Embedding::freeze_rows(const std::vector<std::int64_t>& rows) const {
  weight.leaf().freeze_rows(rows);
}

void Embedding::unfreeze_rows() const { weight.leaf().unfreeze_rows(); }

std::string Embedding::description() const {
  std::string text =
      "Embedding(" + std::to_string(num_embeddings()) + ", " + std::to_string(embedding_dim());
  if (padding_idx()) text += ", padding_idx=" + std::to_string(*padding_idx());
  return text + ")";
}

void Embedding::become(const Module& other) const {
  Module::become(other);
  *options_ = *static_cast<const Embedding&>(other).options_;
}

}  // namespace tapegrad::nn
