// Builds the table: columns that are too low are filled up from columns that are too high. Read
// next: intervals.h.
#include "common/alias_table.h"

#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace examples {

AliasTable::AliasTable(std::span<const double> weights) : columns_(weights.size()) {
  if (weights.size() > UINT32_MAX) throw tapegrad::ValueError("AliasTable: too many weights");
  double sum = 0;
  for (const double weight : weights) {
    if (!(weight >= 0)) throw tapegrad::ValueError("AliasTable: needed weights >= 0");
    sum += weight;
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    throw tapegrad::ValueError("AliasTable: needed a finite sum of weights > 0");
  }
  std::vector<double> heights;
  std::vector<std::size_t> low;
  std::vector<std::size_t> high;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    heights.push_back(weights[i] / sum * static_cast<double>(weights.size()));
    (heights[i] < 1 ? low : high).push_back(i);
    columns_[i].alias = static_cast<std::uint32_t>(i);  // of columns that are full
  }
  while (!low.empty() && !high.empty()) {
    const std::size_t filled = low.back();
    const std::size_t giver = high.back();
    low.pop_back();
    columns_[filled].alias = static_cast<std::uint32_t>(giver);
    heights[giver] -= 1 - heights[filled];
    if (heights[giver] < 1) {
      high.pop_back();
      low.push_back(giver);
    }
  }
  // A column that is left in either list is full but for rounding, and is its own alias.
  for (std::size_t i = 0; i < weights.size(); ++i) {
    columns_[i].height = static_cast<std::uint32_t>(std::clamp(heights[i], 0.0, 1.0) *
                                                    static_cast<double>(UINT32_MAX));
  }
}

}  // namespace examples
