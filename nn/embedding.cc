// Embedding: lookups first, then how the table is created, frozen, and adapted to another
// vocabulary. The lookup itself is in autograd/ops/embedding_bag.cc. Read next:
// nn/embedding_options.h.
#include <tapegrad/nn/embedding.h>

#include <tapegrad/nn/embedding_options.h>

namespace tapegrad::nn {

namespace {
constexpr const char* kEmbedding = "Embedding";
}

// Lookups -----------------------------------------------------------------------------------------

Variable Embedding::operator()(const Tensor& ids) const {
  return hooked([this](const Tensor& in) { return run(in); }, ids);
}

Variable Embedding::run(const Tensor& ids) const {
  const EmbeddingOptions& options = *options_;
  const bool in_forward = options.norm_mode == NormMode::in_forward;
  const bool mask_only = options.padding_mode == PaddingMode::mask_only;
  const EmbeddingLookup lookup{.padding_idx = mask_only ? std::nullopt : options.padding_idx,
                               .max_norm = in_forward ? options.max_norm : std::nullopt,
                               .norm_type = options.norm_type,
                               .frequency_scale = options.frequency_scale,
                               .zero_padding = options.padding_mode == PaddingMode::zero_output};
  return embedding(weight, ids, lookup);
}

Tensor Embedding::mask(const Tensor& ids) const {
  const bool mask_only = options_->padding_mode == PaddingMode::mask_only;
  refuse(!padding_idx() && !mask_only, kEmbedding,
         "mask: there is no padding; give a padding_idx, or padding_mode = mask_only for id 0");
  return ids != padding_idx().value_or(0);
}

Variable Embedding::regularization_loss() const {
  return nn::regularization_loss(options_->regularizer, weight);
}

Linear Embedding::as_linear(bool bias) const { return Linear(weight, bias); }

// Creating ----------------------------------------------------------------------------------------

namespace {

EmbeddingOptions checked_options(const EmbeddingOptions& given, std::int64_t rows,
                                 std::int64_t width) {
  EmbeddingOptions options = checked_table_options(kEmbedding, given, rows, width);
  const auto no = [](bool wrong, const char* text) { refuse(wrong, kEmbedding, text); };
  no(options.padding_mode == PaddingMode::zero_output && !options.padding_idx,
     "padding_mode zero_output needs a padding_idx, the id whose vectors are to be 0");
  const bool after_step = options.norm_mode == NormMode::after_step;
  const bool constrained = options.constraint != EmbeddingConstraint::none;
  no(after_step && !options.max_norm, "norm_mode after_step needs a max_norm");
  no(after_step && options.norm_type != 2,
     "norm_mode after_step needs norm_type 2; in_forward works with all norm types");
  no(after_step && constrained,
     "norm_mode after_step and a constraint are both applied after each step; choose one");
  no(options.sparse && (after_step || constrained),
     "sparse steps do not change rows without a gradient, but norm_mode after_step and "
     "constraints change every row; use norm_mode in_forward, or sparse = false");
  no(options.weight.defined() && options.initializer != nullptr,
     "weight and initializer both set the initial table; give only one of them");
  no(!(options.regularizer.l1 >= 0) || !(options.regularizer.l2 >= 0),
     "a regularizer's factor is negative or nan, needed numbers >= 0");
  no(!(options.rate_multiplier >= 0) || std::isinf(options.rate_multiplier),
     "rate_multiplier is negative or not finite, needed a number >= 0");
  return options;
}

bool is_padded(const EmbeddingOptions& options) {
  return options.padding_idx && options.padding_mode != PaddingMode::mask_only;
}

// The initial table for checked options: the given weight, or a drawn table whose padding row is 0.
Tensor initial_table(const EmbeddingOptions& options, std::int64_t rows, std::int64_t width) {
  Tensor table = first_table(options, rows, width);
  if (options.weight.defined()) return table;
  if (options.initializer == nullptr) {
    normal_(table, 0, 1, options.generator);
  } else {
    const Variable leaf = parameter(std::move(table));
    options.initializer(leaf);
    table = leaf.value();
  }
  if (is_padded(options)) select(table, 0, *options.padding_idx).zero_();
  return table;
}

RowConstraint constraint_of(const EmbeddingOptions& options) {
  using Kind = RowConstraint::Kind;
  if (options.norm_mode == NormMode::after_step) {
    return {.kind = Kind::max_norm, .limit = *options.max_norm};
  }
  switch (options.constraint) {
    case EmbeddingConstraint::none:
      return {};
    case EmbeddingConstraint::non_negative:
      return {.kind = Kind::non_negative};
    case EmbeddingConstraint::unit_norm:
      return {.kind = Kind::unit_norm};
  }
  return {};
}

}  // namespace

// Takes checked options.
Embedding::Embedding(EmbeddingOptions options, std::int64_t rows, std::int64_t width)
    : weight(register_parameter("weight", initial_table(options, rows, width),
                                !options.freeze.value_or(false))),
      options_(std::move(options)) {
  options_->weight = Tensor();
  options_->generator = {};
  RowPolicy& policy = weight.row_policy();
  policy.set_constraint(constraint_of(*options_));
  policy.set_sparse(options_->sparse);
  if (is_padded(*options_)) policy.set_padding_row(options_->padding_idx);
  policy.set_rate_multiplier(options_->rate_multiplier);
}

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
                     EmbeddingOptions options)
    : Embedding(checked_options(options, num_embeddings, embedding_dim), num_embeddings,
                embedding_dim) {}

Embedding Embedding::from_pretrained(const Tensor& vectors, EmbeddingOptions options) {
  options = pretrained_options(kEmbedding, vectors, std::move(options));
  return Embedding(vectors.size(0), vectors.size(1), std::move(options));
}

// Freezing ----------------------------------------------------------------------------------------

void Embedding::freeze_rows(const std::vector<std::int64_t>& rows) {
  weight.row_policy().freeze_rows(rows);
}

void Embedding::freeze_columns(const std::vector<std::int64_t>& columns) {
  weight.row_policy().freeze_columns(columns);
}

void Embedding::unfreeze_rows() { weight.row_policy().unfreeze_rows(); }

void Embedding::unfreeze_columns() { weight.row_policy().unfreeze_columns(); }

// Another vocabulary ------------------------------------------------------------------------------

void Embedding::remap(const std::vector<std::int64_t>& sources, GeneratorRef generator) {
  remap_to("remap", sources, generator);
}
void Embedding::resize(std::int64_t num_embeddings, GeneratorRef generator) {
  remap_to("resize", sources_of_size(kEmbedding, num_embeddings, weight.size(0)), generator);
}
void Embedding::prune(const std::vector<std::int64_t>& rows) {
  remap_to("prune", sources_to_keep(kEmbedding, rows), {});
}

void Embedding::remap_to(const char* operation, const std::vector<std::int64_t>& sources,
                         GeneratorRef generator) {
  const auto padding =
      checked_sources(kEmbedding, operation, sources, weight.size(0), options_->padding_idx);
  EmbeddingOptions plain = *options_;
  plain.padding_idx = std::nullopt;
  plain.dtype = weight.dtype();
  plain.generator = generator;
  weight.row_policy().remap_rows(sources, initial_table(plain, new_rows(sources), weight.size(1)));
  options_->padding_idx = padding;
}

// Describing --------------------------------------------------------------------------------------

std::int64_t Embedding::mult_adds(const std::vector<Variable>& /*inputs*/,
                                  const std::vector<Variable>& /*outputs*/) const {
  return 0;
}

std::string Embedding::description() const {
  const EmbeddingOptions& options = *options_;
  std::string text = "Embedding(" + std::to_string(num_embeddings()) + ", " +
                     std::to_string(embedding_dim()) + described_table(options);
  if (options.padding_mode == PaddingMode::zero_output) text += ", padding_mode=zero_output";
  if (options.padding_mode == PaddingMode::mask_only) text += ", padding_mode=mask_only";
  if (options.norm_mode == NormMode::after_step) text += ", norm_mode=after_step";
  if (options.constraint != EmbeddingConstraint::none) {
    const bool unit = options.constraint == EmbeddingConstraint::unit_norm;
    text += unit ? ", constraint=unit_norm" : ", constraint=non_negative";
  }
  if (options.regularizer.l1 != 0) text += ", l1=" + short_number(options.regularizer.l1);
  if (options.regularizer.l2 != 0) text += ", l2=" + short_number(options.regularizer.l2);
  if (options.rate_multiplier != 1) {
    text += ", rate_multiplier=" + short_number(options.rate_multiplier);
  }
  return text + ")";
}

void Embedding::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const Embedding&>(other).options_;
}

}  // namespace tapegrad::nn
