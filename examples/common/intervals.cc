// The formulas. Read next: text_stream.h.
#include "common/intervals.h"

#include <algorithm>
#include <cmath>

namespace examples {
namespace {

constexpr double kZ = 1.959963984540054;  // 97.5 % of a normal distribution lie below

}  // namespace

Interval wilson_interval(std::int64_t correct, std::int64_t total) {
  if (total == 0) return {};
  const auto n = static_cast<double>(total);
  const double p = static_cast<double>(correct) / n;
  const double scale = 1 + kZ * kZ / n;
  const double center = (p + kZ * kZ / (2 * n)) / scale;
  const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n)) / scale;
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

Interval spearman_interval(double r, std::int64_t n) {
  if (n < 4) return {-1, 1};
  if (std::abs(r) >= 1) return {r, r};
  const double half = kZ * std::sqrt((1 + r * r / 2) / static_cast<double>(n - 3));
  return {std::tanh(std::atanh(r) - half), std::tanh(std::atanh(r) + half)};
}

}  // namespace examples
