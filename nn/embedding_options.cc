// The sources of remap(), resize() and prune(), and the term of the regularizer. Read next:
// nn/lora_embedding.h.
#include <tapegrad/nn/embedding_options.h>

#include <algorithm>

#include <tapegrad/nn/embedding.h>

namespace tapegrad::nn {

std::optional<std::int64_t> checked_sources(const char* layer, const char* operation,
                                            std::span<const std::int64_t> sources,
                                            std::int64_t rows,
                                            std::optional<std::int64_t> padding_idx) {
  const std::string start = std::string(layer) + ": " + operation + ": ";
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i] >= -1 && sources[i] < rows) continue;
    throw IndexError(start + "row " + std::to_string(sources[i]) + " at position " +
                     std::to_string(i) + " out of range for " + std::to_string(rows) +
                     " rows (-1 stands for a new one)");
  }
  if (!padding_idx) return std::nullopt;
  const auto found = std::ranges::find(sources, *padding_idx);
  if (found == sources.end()) {
    throw ValueError(start + "row " + std::to_string(*padding_idx) +
                     ", which is padding_idx, is not among those to keep; keep it");
  }
  return found - sources.begin();
}

std::vector<std::int64_t> sources_of_size(const char* layer, std::int64_t size, std::int64_t rows) {
  if (size < 0) {
    throw ValueError(std::string(layer) + ": resize: negative size " + std::to_string(size));
  }
  std::vector<std::int64_t> sources(static_cast<std::size_t>(size), -1);
  for (std::int64_t i = 0; i < std::min(size, rows); ++i) sources[static_cast<std::size_t>(i)] = i;
  return sources;
}

const std::vector<std::int64_t>& sources_to_keep(const char* layer,
                                                 const std::vector<std::int64_t>& rows) {
  for (const std::int64_t row : rows) {
    if (row < 0) {
      throw IndexError(std::string(layer) + ": prune: row " + std::to_string(row) +
                       " is negative, needed rows to keep");
    }
  }
  return rows;
}

std::int64_t new_rows(std::span<const std::int64_t> sources) {
  return std::ranges::count(sources, -1);
}

Variable regularization_loss(const EmbeddingRegularizer& factors, const Variable& table) {
  Variable loss = zeros({}, table.dtype());
  if (factors.l1 > 0) loss = loss + factors.l1 * sum(abs(table));
  if (factors.l2 > 0) loss = loss + factors.l2 * sum(square(table));
  return loss;
}

}  // namespace tapegrad::nn
