// The formulas. Read next: text_stream.h.
#include "common/intervals.h"

#include <algorithm>
#include <cmath>

namespace examples {

Interval wilson_interval(std::int64_t correct, std::int64_t total) {
  if (total == 0) return {};
  const auto n = static_cast<double>(total);
  const double p = static_cast<double>(correct) / n;
  const double scale = 1 + kNormal975 * kNormal975 / n;
  const double center = (p + kNormal975 * kNormal975 / (2 * n)) / scale;
  const double half =
      kNormal975 * std::sqrt(p * (1 - p) / n + kNormal975 * kNormal975 / (4 * n * n)) / scale;
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

Interval spearman_interval(double r, std::int64_t n) {
  if (n < 4) return {-1, 1};
  if (std::abs(r) >= 1) return {r, r};
  const double half = kNormal975 * std::sqrt((1 + r * r / 2) / static_cast<double>(n - 3));
  return {std::tanh(std::atanh(r) - half), std::tanh(std::atanh(r) + half)};
}

}  // namespace examples
