// EmbeddingBag: how its table is created, and its calls of embedding_bag(). Read next:
// nn/pooling.h.
#include <tapegrad/nn/embedding_bag.h>

#include <tapegrad/nn/embedding_options.h>

namespace tapegrad::nn {
namespace {

constexpr const char* kEmbeddingBag = "EmbeddingBag";

EmbeddingBagOptions checked_bag_options(const EmbeddingBagOptions& given, std::int64_t rows,
                                        std::int64_t width) {
  EmbeddingBagOptions options = checked_table_options(kEmbeddingBag, given, rows, width);
  refuse(options.mode == BagMode::max && options.frequency_scale != FrequencyScale::none,
         kEmbeddingBag,
         "mode max has no frequency_scale, because its gradient goes to single columns; use sum or "
         "mean");
  return options;
}

Tensor initial_bag_table(const EmbeddingBagOptions& options, std::int64_t rows,
                         std::int64_t width) {
  Tensor table = first_table(options, rows, width);
  if (options.weight.defined()) return table;
  normal_(table, 0, 1, options.generator);
  if (options.padding_idx) select(table, 0, *options.padding_idx).zero_();
  return table;
}

}  // namespace

// Takes checked options.
EmbeddingBag::EmbeddingBag(EmbeddingBagOptions options, std::int64_t rows, std::int64_t width)
    : weight(register_parameter("weight", initial_bag_table(options, rows, width),
                                !options.freeze.value_or(false))),
      options_(std::move(options)) {
  options_->weight = Tensor();
  options_->generator = {};
  weight.row_policy().set_sparse(options_->sparse);
  if (options_->padding_idx) weight.row_policy().set_padding_row(options_->padding_idx);
}

EmbeddingBag::EmbeddingBag(std::int64_t num_embeddings, std::int64_t embedding_dim,
                           EmbeddingBagOptions options)
    : EmbeddingBag(checked_bag_options(options, num_embeddings, embedding_dim), num_embeddings,
                   embedding_dim) {}

EmbeddingBag EmbeddingBag::from_pretrained(const Tensor& vectors, EmbeddingBagOptions options) {
  options = pretrained_options(kEmbeddingBag, vectors, std::move(options));
  return EmbeddingBag(vectors.size(0), vectors.size(1), std::move(options));
}

Variable EmbeddingBag::operator()(const Tensor& ids, const Tensor& offsets,
                                  const Variable& per_sample_weights) const {
  return hooked([this](const Tensor& in, const Tensor& starts,
                       const Variable& factors) { return run(in, starts, factors); },
                ids, offsets, per_sample_weights);
}

Variable EmbeddingBag::run(const Tensor& ids, const Tensor& offsets,
                           const Variable& per_sample_weights) const {
  return embedding_bag(weight, ids, offsets,
                       {.mode = options_->mode,
                        .include_last_offset = options_->include_last_offset && offsets.defined(),
                        .per_sample_weights = per_sample_weights,
                        .padding_idx = options_->padding_idx,
                        .max_norm = options_->max_norm,
                        .norm_type = options_->norm_type,
                        .frequency_scale = options_->frequency_scale});
}

Variable EmbeddingBag::operator()(const Tensor& ids, const Tensor& offsets) const {
  return (*this)(ids, offsets, Variable());
}

Variable EmbeddingBag::operator()(const Tensor& ids) const { return (*this)(ids, Tensor()); }

void EmbeddingBag::freeze_rows(const std::vector<std::int64_t>& rows) {
  weight.row_policy().freeze_rows(rows);
}

void EmbeddingBag::freeze_columns(const std::vector<std::int64_t>& columns) {
  weight.row_policy().freeze_columns(columns);
}

void EmbeddingBag::unfreeze_rows() { weight.row_policy().unfreeze_rows(); }

void EmbeddingBag::unfreeze_columns() { weight.row_policy().unfreeze_columns(); }

void EmbeddingBag::remap(const std::vector<std::int64_t>& sources, GeneratorRef generator) {
  remap_to("remap", sources, generator);
}
void EmbeddingBag::resize(std::int64_t num_embeddings, GeneratorRef generator) {
  remap_to("resize", sources_of_size(kEmbeddingBag, num_embeddings, weight.size(0)), generator);
}
void EmbeddingBag::prune(const std::vector<std::int64_t>& rows) {
  remap_to("prune", sources_to_keep(kEmbeddingBag, rows), {});
}

void EmbeddingBag::remap_to(const char* operation, const std::vector<std::int64_t>& sources,
                            GeneratorRef generator) {
  const auto padding =
      checked_sources(kEmbeddingBag, operation, sources, weight.size(0), options_->padding_idx);
  weight.row_policy().remap_rows(
      sources,
      normal_(empty({new_rows(sources), weight.size(1)}, weight.dtype()), 0, 1, generator));
  options_->padding_idx = padding;
}

std::int64_t EmbeddingBag::mult_adds(const std::vector<Variable>& inputs,
                                     const std::vector<Variable>& /*outputs*/) const {
  return inputs[2].defined() ? inputs[2].numel() * embedding_dim() : 0;
}

std::string EmbeddingBag::description() const {
  constexpr const char* kModes[] = {"sum", "mean", "max"};
  return "EmbeddingBag(" + std::to_string(num_embeddings()) + ", " +
         std::to_string(embedding_dim()) +
         ", mode=" + kModes[static_cast<std::size_t>(options_->mode)] + described_table(*options_) +
         (options_->include_last_offset ? ", include_last_offset=true)" : ")");
}

void EmbeddingBag::assign_from(const Module& other) {
  Module::assign_from(other);
  *options_ = *static_cast<const EmbeddingBag&>(other).options_;
}

}  // namespace tapegrad::nn
