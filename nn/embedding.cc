#include <tapegrad/nn/embedding.h>

#include <tapegrad/nn/embedding_options.h>

namespace tapegrad::nn {
namespace {

constexpr const char* kLayer = "Embedding";

EmbeddingOptions checked(const EmbeddingOptions& given, std::int64_t rows, std::int64_t width) {
  EmbeddingOptions options = checked_table_options(kLayer, given, rows, width);
  const auto no = [](bool wrong, const char* text) { refuse(wrong, kLayer, text); };
  no(options.padding_mode == PaddingMode::zero_output && !options.padding_idx,
     "padding_mode zero_output needs a padding_idx, the id whose vectors are to be 0");
  const bool after_step = options.norm_mode == NormMode::after_step;
  const bool constrained = options.constraint != EmbeddingConstraint::none;
  no(after_step && !options.max_norm, "norm_mode after_step needs a max_norm");
  no(after_step && options.norm_type != 2,
     "norm_mode after_step knows norm_type 2 only; in_forward knows them all");
  no(after_step && constrained,
     "norm_mode after_step and a constraint are both applied after each step; choose one");
  no(options.sparse && (after_step || constrained),
     "sparse steps leave rows without a gradient alone, but norm_mode after_step and constraints "
     "change every row; use norm_mode in_forward, or sparse = false");
  no(options.weight.defined() && options.initializer != nullptr,
     "weight and initializer both say what the table begins with; give one");
  no(!(options.regularizer.l1 >= 0) || !(options.regularizer.l2 >= 0),
     "a regularizer's factor is negative or nan, needed numbers >= 0");
  no(!(options.rate_multiplier >= 0) || std::isinf(options.rate_multiplier),
     "rate_multiplier is negative or not finite, needed a number >= 0");
  no(options.lora_rank < 0, "lora_rank is negative, needed 1 or more, or 0 for none");
  const bool lora = options.lora_rank > 0;
  no(options.lora_alpha && !lora, "lora_alpha needs a lora_rank");
  no(lora && (constrained || after_step),
     "LoRA trains two factors, and a constraint speaks of rows of their product; choose one");
  no(lora && options.max_norm.has_value(),
     "LoRA freezes the table, and max_norm writes to it; choose one");
  return options;
}

bool is_padded(const EmbeddingOptions& options) {
  return options.padding_idx && options.padding_mode != PaddingMode::mask_only;
}

// Of checked options: the given weight, or numbers that are drawn, with zeros for padding.
Tensor drawn(const EmbeddingOptions& options, std::int64_t rows, std::int64_t width) {
  Tensor table = first_table(options, rows, width);
  if (options.weight.defined()) return table;
  if (options.initializer == nullptr) {
    normal_(table);
  } else {
    const Variable leaf = parameter(std::move(table));
    options.initializer(leaf);
    table = leaf.value();
  }
  if (is_padded(options)) select(table, 0, *options.padding_idx).zero_();
  return table;
}

// As Keras draws it: He's uniform distribution, whose fan is the number of rows here.
Tensor drawn_lora_a(const EmbeddingOptions& options, std::int64_t rows, DType dtype) {
  const double bound = rows > 0 ? std::sqrt(6.0 / static_cast<double>(rows)) : 0;
  Tensor a = uniform_(empty({rows, options.lora_rank}, dtype), -bound, bound);
  if (is_padded(options)) select(a, 0, *options.padding_idx).zero_();
  return a;
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

// Of checked options. The members are made, and so drawn, in the order in which they are declared.
Embedding::Embedding(EmbeddingOptions options, std::int64_t rows, std::int64_t width)
    : weight(register_parameter("weight", drawn(options, rows, width),
                                !options.freeze.value_or(false) && options.lora_rank == 0)),
      lora_a(options.lora_rank == 0
                 ? Parameter()
                 : register_parameter("lora_a", drawn_lora_a(options, rows, weight.dtype()),
                                      !options.freeze.value_or(false))),
      lora_b(options.lora_rank == 0
                 ? Parameter()
                 : register_parameter("lora_b", zeros({options.lora_rank, width}, weight.dtype()),
                                      !options.freeze.value_or(false))),
      options_(std::move(options)) {
  options_->weight = Tensor();
  weight.row_policy().set_constraint(constraint_of(*options_));
  for (const Parameter* trained : {&weight, &lora_a}) {
    if (!trained->defined()) continue;
    trained->row_policy().set_sparse(options_->sparse);
    if (is_padded(*options_)) trained->row_policy().set_padding_row(options_->padding_idx);
  }
  for (const Parameter* trained : {&weight, &lora_a, &lora_b}) {
    if (trained->defined()) trained->row_policy().set_rate_multiplier(options_->rate_multiplier);
  }
}

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
                     EmbeddingOptions options)
    : Embedding(checked(options, num_embeddings, embedding_dim), num_embeddings, embedding_dim) {}

Embedding Embedding::from_pretrained(const Tensor& vectors, EmbeddingOptions options) {
  options = pretrained_options(kLayer, vectors, std::move(options));
  return Embedding(vectors.size(0), vectors.size(1), std::move(options));
}

// Looking up --------------------------------------------------------------------------------------

Variable Embedding::operator()(const Tensor& ids) const {
  return hooked([this](const Tensor& in) { return forward(in); }, ids);
}

Variable Embedding::forward(const Tensor& ids) const {
  const EmbeddingOptions& options = *options_;
  const bool in_forward = options.norm_mode == NormMode::in_forward;
  const bool mask_only = options.padding_mode == PaddingMode::mask_only;
  const EmbeddingLookup lookup{.padding_idx = mask_only ? std::nullopt : options.padding_idx,
                               .max_norm = in_forward ? options.max_norm : std::nullopt,
                               .norm_type = options.norm_type,
                               .frequency_scale = options.frequency_scale,
                               .zero_padding = options.padding_mode == PaddingMode::zero_output};
  const Variable rows = embedding(weight, ids, lookup);
  if (!lora_a.defined()) return rows;
  return rows + lora_factor() * matmul(embedding(lora_a, ids, lookup), lora_b);
}

Tensor Embedding::mask(const Tensor& ids) const {
  const bool mask_only = options_->padding_mode == PaddingMode::mask_only;
  refuse(!padding_idx() && !mask_only, kLayer,
         "mask: there is no padding; give a padding_idx, or padding_mode = mask_only for id 0");
  return ids != padding_idx().value_or(0);
}

Variable Embedding::regularization_loss() const {
  const EmbeddingRegularizer& factors = options_->regularizer;
  const Variable table =
      lora_a.defined() ? weight + lora_factor() * matmul(lora_a, lora_b) : weight.variable();
  Variable loss = zeros({}, weight.dtype());
  if (factors.l1 > 0) loss = loss + factors.l1 * sum(abs(table));
  if (factors.l2 > 0) loss = loss + factors.l2 * sum(square(table));
  return loss;
}

Linear Embedding::as_linear(bool bias) const {
  refuse(lora_a.defined(), kLayer,
         "as_linear: with LoRA the table is a sum that no weight holds; merge_lora() into a layer "
         "without it first");
  return Linear(weight, bias);
}

// LoRA --------------------------------------------------------------------------------------------

double Embedding::lora_factor() const {
  const auto rank = static_cast<double>(options_->lora_rank);
  return options_->lora_alpha.value_or(rank) / rank;
}

Tensor Embedding::merged_weight() const {
  if (!lora_a.defined()) return weight.value().clone();
  return weight.value() + lora_factor() * matmul(lora_a.value(), lora_b.value());
}

void Embedding::merge_lora() const {
  refuse(!lora_a.defined(), kLayer, "merge_lora: this layer has no LoRA; its option is lora_rank");
  weight.set_value(merged_weight());
  lora_b.set_value(zeros_like(lora_b.value()));
}

Tensor Embedding::saved(const std::string& name, const Parameter& parameter) const {
  return name == "weight" ? merged_weight() : Module::saved(name, parameter);
}

void Embedding::loaded(const std::string& name) const {
  if (name == "weight" && lora_b.defined()) lora_b.set_value(zeros_like(lora_b.value()));
}

// Freezing ----------------------------------------------------------------------------------------

void Embedding::freeze_rows(const std::vector<std::int64_t>& rows) const {
  refuse(lora_a.defined(), kLayer,
         "freeze_rows: with LoRA the whole table is frozen, and rows move with the factor B that "
         "they share; freeze rows of a layer without LoRA");
  weight.row_policy().freeze_rows(rows);
}

void Embedding::freeze_columns(const std::vector<std::int64_t>& columns) const {
  refuse(lora_a.defined(), kLayer,
         "freeze_columns: with LoRA the whole table is frozen already; lora_b.leaf() freezes "
         "columns of the factor");
  weight.row_policy().freeze_columns(columns);
}

void Embedding::unfreeze_rows() const { weight.row_policy().unfreeze_rows(); }

void Embedding::unfreeze_columns() const { weight.row_policy().unfreeze_columns(); }

// Another vocabulary ------------------------------------------------------------------------------

void Embedding::remap(const std::vector<std::int64_t>& sources) const {
  remap_to("remap", sources);
}
void Embedding::resize(std::int64_t num_embeddings) const {
  remap_to("resize", sources_of_size(kLayer, num_embeddings, weight.size(0)));
}
void Embedding::prune(const std::vector<std::int64_t>& rows) const {
  remap_to("prune", sources_to_keep(kLayer, rows));
}

void Embedding::remap_to(const char* operation, const std::vector<std::int64_t>& sources) const {
  const auto padding =
      checked_sources(kLayer, operation, sources, weight.size(0), options_->padding_idx);
  EmbeddingOptions plain = *options_;
  plain.padding_idx = std::nullopt;
  plain.dtype = weight.dtype();
  weight.row_policy().remap_rows(sources, drawn(plain, new_rows(sources), weight.size(1)));
  if (lora_a.defined()) {  // new words begin as their rows of the table
    lora_a.row_policy().remap_rows(sources, zeros({new_rows(sources), lora_a.size(1)}, lora_a.dtype()));
  }
  options_->padding_idx = padding;
}

// Describing --------------------------------------------------------------------------------------

std::int64_t Embedding::mult_adds(const std::vector<Variable>& inputs,
                                  const std::vector<Variable>& /*outputs*/) const {
  return lora_b.defined() ? inputs.front().numel() * lora_b.numel() : 0;
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
  if (options.lora_rank > 0) text += ", lora_rank=" + std::to_string(options.lora_rank);
  if (options.lora_alpha) text += ", lora_alpha=" + short_number(*options.lora_alpha);
  return text + ")";
}

void Embedding::assign_from(const Module& other) const {
  Module::assign_from(other);
  *options_ = *static_cast<const Embedding&>(other).options_;
}

}  // namespace tapegrad::nn
