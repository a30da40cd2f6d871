// Functions that Embedding, EmbeddingBag and LoraEmbedding share: checks of options, initial
// tables, the sources of remap(), and descriptions.
//
// Internal. Read next: nn/embedding_options.cc.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/ops/embedding_bag.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {

struct EmbeddingRegularizer;

inline void refuse(bool wrong, const char* layer, const std::string& text) {
  if (wrong) throw ValueError(std::string(layer) + ": " + text);
}

// A number without needless zeros: 1.5, 0.0001, inf.
inline std::string short_number(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

// `Options` is EmbeddingOptions or EmbeddingBagOptions. Returns them with a padding_idx that counts
// from the front.
template <class Options>
Options checked_table_options(const char* layer, Options options, std::int64_t rows,
                              std::int64_t width) {
  refuse(rows < 0 || width < 0, layer,
         "negative size in (" + std::to_string(rows) + ", " + std::to_string(width) + ")");
  if (options.padding_idx) {
    options.padding_idx = checked_padding(layer, options.padding_idx, rows);
  }
  refuse(options.max_norm && !(*options.max_norm > 0), layer,
         "max_norm is " + short_number(options.max_norm.value_or(0)) + ", needed a number > 0");
  refuse(!(options.norm_type > 0), layer,
         "norm_type is " + short_number(options.norm_type) +
             ", needed a number > 0, or infinity for the largest element");
  const Tensor& weight = options.weight;
  if (weight.defined() &&
      (weight.shape() != Shape{rows, width} || !is_floating_point(weight.dtype()))) {
    throw ShapeError(std::string(layer) + ": weight is " + name(weight.dtype()) + " " +
                     to_string(weight.sizes()) + ", needed floating-point (" +
                     std::to_string(rows) + ", " + std::to_string(width) + ")");
  }
  return options;
}

// A copy of the given weight, or an uninitialized table that the caller fills. The options must be
// checked.
template <class Options>
Tensor first_table(const Options& options, std::int64_t rows, std::int64_t width) {
  if (!options.weight.defined()) return empty({rows, width}, options.dtype.value_or(float32));
  return options.weight.to(options.dtype.value_or(options.weight.dtype())).clone();
}

// The options of from_pretrained().
template <class Options>
Options pretrained_options(const char* layer, const Tensor& vectors, Options options) {
  if (vectors.dim() != 2 || !is_floating_point(vectors.dtype())) {
    throw ShapeError(std::string(layer) + "::from_pretrained: got " + name(vectors.dtype()) + " " +
                     to_string(vectors.sizes()) + ", needed floating-point (rows, width)");
  }
  refuse(options.weight.defined(), layer,
         "from_pretrained takes the vectors as its first argument; do not set the option weight");
  options.weight = vectors;
  options.freeze = options.freeze.value_or(true);
  return options;
}

// For remap(): row sources[i] of the old table becomes row i of the new one; -1 stands for a new
// row.
//
// Throws unless all sources are rows of the table and the padding row is among them; returns the
// new position of that row.
std::optional<std::int64_t> checked_sources(const char* layer, const char* operation,
                                            std::span<const std::int64_t> sources,
                                            std::int64_t rows,
                                            std::optional<std::int64_t> padding_idx);
// The sources for a table of `size` rows that keeps the first of the old table's `rows` rows.
std::vector<std::int64_t> sources_of_size(const char* layer, std::int64_t size, std::int64_t rows);
std::int64_t new_rows(std::span<const std::int64_t> sources);  // how many are -1
// The sources for a table of these rows are the rows themselves. IndexError for a negative row.
const std::vector<std::int64_t>& sources_to_keep(const char* layer,
                                                 const std::vector<std::int64_t>& rows);

// l1 * sum |w| + l2 * sum w^2
Variable regularization_loss(const EmbeddingRegularizer& factors, const Variable& table);

// The options as a layer prints them. As in PyTorch, options with their default value are left out.
template <class Options>
std::string described_table(const Options& options) {
  std::string text;
  if (options.padding_idx) text += ", padding_idx=" + std::to_string(*options.padding_idx);
  if (options.max_norm) text += ", max_norm=" + short_number(*options.max_norm);
  if (options.norm_type != 2) text += ", norm_type=" + short_number(options.norm_type);
  if (options.frequency_scale != FrequencyScale::none) {
    text += options.frequency_scale == FrequencyScale::inverse ? ", frequency_scale=inverse"
                                                               : ", frequency_scale=inverse_sqrt";
  }
  if (options.sparse) text += ", sparse=true";
  return text;
}

}  // namespace tapegrad::nn
