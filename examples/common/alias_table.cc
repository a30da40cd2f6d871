// Builds the table: columns that are too low are filled up from columns that are too high. Read
// next: text_stream.h.
#include "common/alias_table.h"

#include <tapegrad/tensor/error.h>

#include <cmath>
#include <cstddef>

namespace examples {

AliasTable::AliasTable(std::span<const double> weights) : columns_(weights.size()) {
  double sum = 0;
  for (const double weight : weights) {
    if (!(weight >= 0)) throw tapegrad::ValueError("AliasTable: needed weights >= 0");
    sum += weight;
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    throw tapegrad::ValueError("AliasTable: needed a finite sum of weights > 0");
  }
  std::vector<std::size_t> low;
  std::vector<std::size_t> high;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    columns_[i].height = weights[i] / sum * static_cast<double>(weights.size());
    (columns_[i].height < 1 ? low : high).push_back(i);
  }
  while (!low.empty() && !high.empty()) {
    const std::size_t filled = low.back();
    const std::size_t giver = high.back();
    low.pop_back();
    columns_[filled].alias = static_cast<std::int64_t>(giver);
    columns_[giver].height -= 1 - columns_[filled].height;
    if (columns_[giver].height < 1) {
      high.pop_back();
      low.push_back(giver);
    }
  }
  // What is left differs from 1 only by rounding.
  for (const std::vector<std::size_t>& rest : {low, high}) {
    for (const std::size_t i : rest) columns_[i].height = 1;
  }
}

}  // namespace examples
