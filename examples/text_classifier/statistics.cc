// The formulas of the intervals and tests. Read next: baseline.h.
#include "text_classifier/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace text_classifier {
namespace {

// The probability that a t distribution is above `t` >= 0. With the angle a = atan(t / sqrt(n)),
// the density is proportional to cos(a)^(n - 1), so Simpson's rule over the angle is exact enough.
double upper_tail(double t, double degrees) {
  const double log_scale = std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2) -
                           0.5 * std::log(3.14159265358979323846);
  const double from = std::atan(t / std::sqrt(degrees));
  constexpr int kSteps = 2000;
  const double step = (1.57079632679489661923 - from) / kSteps;
  const auto density = [&](int i) {
    const double cosine = std::cos(from + step * i);
    return cosine <= 0 ? (degrees == 1 ? 1.0 : 0.0) : std::pow(cosine, degrees - 1);
  };
  double sum = density(0) + density(kSteps);
  for (int i = 1; i < kSteps; ++i) sum += (i % 2 == 1 ? 4 : 2) * density(i);
  return std::exp(log_scale) * sum * step / 3;
}

double log_binomial(std::int64_t n, std::int64_t k) {
  const auto real = [](std::int64_t value) { return static_cast<double>(value); };
  return std::lgamma(real(n) + 1) - std::lgamma(real(k) + 1) - std::lgamma(real(n - k) + 1);
}

}  // namespace

double student_t_quantile(double p, double degrees) {
  double low = 0, high = 1e6;
  for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (upper_tail(middle, degrees) > 1 - p ? low : high) = middle;
  }
  return high;
}

Interval t_interval(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double error = std::sqrt(squares / (n - 1) / n);
  const double half = error == 0 ? 0 : student_t_quantile(0.975, n - 1) * error;
  return {mean - half, mean + half};
}

double PairedCounts::difference() const {
  return total() == 0
             ? 0.0
             : static_cast<double>(only_second - only_first) / static_cast<double>(total());
}

double mcnemar_p_value(const PairedCounts& counts) {
  const std::int64_t n = counts.only_first + counts.only_second;
  const std::int64_t fewer = std::min(counts.only_first, counts.only_second);
  double sum = 0;
  for (std::int64_t k = 0; k <= fewer; ++k) {
    sum += std::exp(log_binomial(n, k) - static_cast<double>(n) * std::log(2.0));
  }
  return std::min(1.0, 2 * sum);
}

Interval difference_interval(const PairedCounts& counts) {
  const auto n = static_cast<double>(counts.total()) + 2;
  const double first = (static_cast<double>(counts.only_first) + 0.5) / n;
  const double second = (static_cast<double>(counts.only_second) + 0.5) / n;
  const double difference = second - first;
  const double half =
      examples::kNormal975 * std::sqrt((first + second - difference * difference) / n);
  return {std::max(-1.0, difference - half), std::min(1.0, difference + half)};
}

}  // namespace text_classifier
