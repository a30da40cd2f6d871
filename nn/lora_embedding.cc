// LoraEmbedding: the formula and merge() first, then how the factors are created and saved. Read
// next: nn/embedding_bag.h.
#include <tapegrad/nn/lora_embedding.h>

#include <cmath>
#include <utility>

#include <tapegrad/nn/embedding_options.h>
#include <tapegrad/nn/init.h>

namespace tapegrad::nn {
namespace {

double factor(const LoraOptions& options) {
  const auto rank = static_cast<double>(options.rank);
  return options.alpha.value_or(rank) / rank;
}

}  // namespace

Variable LoraEmbedding::operator()(const Tensor& ids) const {
  return hooked(
      [this](const Tensor& in) {
        return table(in) + factor(*options_) * matmul(lora_a(in), lora_b);
      },
      ids);
}

Tensor LoraEmbedding::merged_weight() const {
  return table.weight.value() + factor(*options_) * matmul(lora_a.weight.value(), lora_b.value());
}

void LoraEmbedding::merge() {
  table.weight.set_value(merged_weight());
  lora_b.set_value(zeros_like(lora_b.value()));
}

Variable LoraEmbedding::regularization_loss() const {
  return nn::regularization_loss(table.options().regularizer,
                                 table.weight + factor(*options_) * matmul(lora_a.weight, lora_b));
}

// Creating ----------------------------------------------------------------------------------------

namespace {

constexpr const char* kLayer = "LoraEmbedding";

LoraOptions checked_lora_options(const LoraOptions& options, const EmbeddingOptions& table) {
  refuse(options.rank < 1, kLayer,
         "rank is " + std::to_string(options.rank) + ", needed 1 or more");
  refuse(table.constraint != EmbeddingConstraint::none || table.norm_mode == NormMode::after_step,
         kLayer,
         "LoRA trains two factors, and a constraint applies to rows of their product; choose one");
  refuse(table.max_norm.has_value(), kLayer,
         "LoRA freezes the table, and max_norm writes to it; choose one");
  return options;
}

LoraOptions checked_lora_options(const LoraOptions& options, const Embedding& embedding) {
  const RowPolicy& policy = embedding.weight.row_policy();
  refuse(!policy.frozen_rows().empty() || !policy.frozen_columns().empty(), kLayer,
         "the embedding has frozen rows or columns, but with LoRA the factor B changes all rows; "
         "unfreeze them first, or train the embedding without LoRA");
  return checked_lora_options(options, embedding.options());
}

// A is an Embedding: its padding, frequency scale and rate are those of the frozen table.
Embedding drawn_a(const LoraOptions& lora, const Embedding& table) {
  EmbeddingOptions options = table.options();
  options.dtype = table.weight.dtype();
  options.freeze = false;
  options.initializer = init::zeros_;  // for the rows that remap() adds
  options.regularizer = {};
  const std::int64_t rows = table.num_embeddings();
  Embedding a(rows, lora.rank, std::move(options));
  const double bound = rows > 0 ? std::sqrt(6.0 / static_cast<double>(rows)) : 0;
  Tensor value = uniform_(empty(a.weight.shape(), a.weight.dtype()), -bound, bound, lora.generator);
  if (const auto padding = a.weight.row_policy().padding_row()) select(value, 0, *padding).zero_();
  a.weight.set_value(std::move(value));
  return a;
}

}  // namespace

// Braces: the options are checked before anything is drawn.
LoraEmbedding::LoraEmbedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
                             LoraOptions options, EmbeddingOptions table_options)
    : LoraEmbedding{checked_lora_options(options, table_options),
                    Embedding(num_embeddings, embedding_dim, table_options)} {}

LoraEmbedding::LoraEmbedding(const Embedding& embedding, LoraOptions options)
    : LoraEmbedding{checked_lora_options(options, embedding), clone(embedding)} {}

LoraEmbedding::LoraEmbedding(LoraOptions options, Embedding own_table)
    : table(register_module("table", std::move(own_table))),
      lora_a(register_module("lora_a", drawn_a(options, table))),
      lora_b(register_parameter(
          "lora_b", zeros({options.rank, table.embedding_dim()}, table.weight.dtype()))),
      options_(options) {
  options_->generator = {};
  table.weight.set_requires_grad(false);
  lora_b.row_policy().set_rate_multiplier(table.options().rate_multiplier);
  save_as(
      "weight",
      [e = table.weight, a = lora_a.weight, b = lora_b, shared = options_] {
        return e.value() + factor(*shared) * matmul(a.value(), b.value());
      },
      [e = table.weight, b = lora_b](Tensor value) mutable {
        b.leaf().writable_value().zero_();
        e.set_value(std::move(value));
      });
}

// Another vocabulary ------------------------------------------------------------------------------

// The table checks the sources, so they are valid for A, too.
void LoraEmbedding::remap(const std::vector<std::int64_t>& sources, GeneratorRef generator) {
  table.remap(sources, generator);
  lora_a.remap(sources);
}
void LoraEmbedding::resize(std::int64_t num_embeddings, GeneratorRef generator) {
  table.resize(num_embeddings, generator);
  lora_a.resize(num_embeddings);
}
void LoraEmbedding::prune(const std::vector<std::int64_t>& rows) {
  table.prune(rows);
  lora_a.prune(rows);
}

// Describing --------------------------------------------------------------------------------------

std::int64_t LoraEmbedding::mult_adds(const std::vector<Variable>& inputs,
                                      const std::vector<Variable>& /*outputs*/) const {
  return inputs.front().numel() * lora_b.numel();
}

std::string LoraEmbedding::description() const {
  return "LoraEmbedding(" + std::to_string(num_embeddings()) + ", " +
         std::to_string(embedding_dim()) + ", rank=" + std::to_string(options_->rank) +
         (options_->alpha ? ", alpha=" + short_number(*options_->alpha) + ")" : ")");
}

void LoraEmbedding::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const LoraEmbedding&>(other).options_;
}

}  // namespace tapegrad::nn
