// Sums over texts, one for each temperature or bin. Read next: thresholds.h.
#include "text_classifier/calibration.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace text_classifier {
namespace {

// From the lowest to the highest temperature in equal ratios; the one in the middle is 1.
double log_step() {
  return (std::log(kHighestTemperature) - std::log(kLowestTemperature)) /
         static_cast<double>(TemperatureCurve::kPoints - 1);
}
double temperature_of(double point) {
  return std::exp(std::log(kLowestTemperature) + point * log_step());
}
constexpr std::size_t kMiddle = TemperatureCurve::kPoints / 2;

}  // namespace

void TemperatureCurve::add(const tg::Tensor& logits, const tg::Tensor& targets,
                           const tg::Tensor& weights) {
  if (targets.dim() == 2) {
    add_several(logits, targets, weights);
  } else {
    add_one_label(logits, targets, weights);
  }
  texts_ += logits.size(0);
}

void TemperatureCurve::add_one_label(const tg::Tensor& logits, const tg::Tensor& labels,
                                     const tg::Tensor& weights) {
  const std::int64_t texts = logits.size(0), classes = logits.size(1);
  const std::vector<double> all = tg::to_vector<double>(logits.to(tg::float64));
  const std::vector<std::int64_t> truth = tg::to_vector<std::int64_t>(labels);
  const std::vector<double> of_texts =
      weights.defined() ? tg::to_vector<double>(weights.to(tg::float64)) : std::vector<double>();
  for (std::int64_t i = 0; i < texts; ++i) {
    const double* row = all.data() + i * classes;
    const double largest = *std::max_element(row, row + classes);
    const double own = row[truth[static_cast<std::size_t>(i)]];
    const double weight = of_texts.empty() ? 1 : of_texts[static_cast<std::size_t>(i)];
    // Cross entropy at temperature T: -log softmax(z / T)[label]
    //   = log(sum over j of exp((z[j] - m) / T)) - (z[label] - m) / T, with m the largest z[j].
    for (std::size_t point = 0; point < kPoints; ++point) {
      const double scale = point == kMiddle ? 1 : 1 / temperature_of(static_cast<double>(point));
      double sum = 0;
      for (std::int64_t j = 0; j < classes; ++j) sum += std::exp((row[j] - largest) * scale);
      sums_[point] += weight * (std::log(sum) - (own - largest) * scale);
    }
  }
}

void TemperatureCurve::add_several(const tg::Tensor& logits, const tg::Tensor& targets,
                                   const tg::Tensor& weights) {
  const std::vector<double> all = tg::to_vector<double>(logits.to(tg::float64));
  const std::vector<double> truth = tg::to_vector<double>(targets.to(tg::float64));
  const std::vector<double> of_labels =
      weights.defined() ? tg::to_vector<double>(weights.to(tg::float64)) : std::vector<double>();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double weight = of_labels.empty() ? 1 : of_labels[i];
    // -log sigmoid(z) = log(1 + exp(-z)) for a label, and the same with -z for one that is not.
    const double wrong = truth[i] > 0 ? -all[i] : all[i];
    for (std::size_t point = 0; point < kPoints; ++point) {
      const double scale = point == kMiddle ? 1 : 1 / temperature_of(static_cast<double>(point));
      const double z = wrong * scale;
      sums_[point] += weight * (std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))));
    }
  }
}

void TemperatureCurve::add(const TemperatureCurve& other) {
  for (std::size_t point = 0; point < kPoints; ++point) sums_[point] += other.sums_[point];
  texts_ += other.texts_;
}

double TemperatureCurve::loss() const {
  return sums_[kMiddle] / static_cast<double>(std::max<std::int64_t>(texts_, 1));
}

double TemperatureCurve::least_loss() const {
  return least().loss / static_cast<double>(std::max<std::int64_t>(texts_, 1));
}

double TemperatureCurve::temperature() const { return least().temperature; }

// The vertex of the parabola through the smallest sum and its two neighbors. Without one of them,
// as when all texts are right and colder is always better, the point itself.
TemperatureCurve::Least TemperatureCurve::least() const {
  if (texts_ == 0) return {1, 0};
  const auto at = static_cast<std::size_t>(std::ranges::min_element(sums_) - sums_.begin());
  const auto point = static_cast<double>(at);
  if (at == 0 || at + 1 == kPoints) return {temperature_of(point), sums_[at]};
  const double before = sums_[at - 1], own = sums_[at], after = sums_[at + 1];
  const double bend = before - 2 * own + after;
  if (!(bend > 0)) return {temperature_of(point), own};
  const double shift = 0.5 * (before - after) / bend;  // from -0.5 to 0.5
  return {temperature_of(point + shift), own - 0.25 * (before - after) * shift};
}

std::vector<double> TemperatureCurve::state() const {
  std::vector<double> state(sums_.begin(), sums_.end());
  state.push_back(static_cast<double>(texts_));
  return state;
}

TemperatureCurve TemperatureCurve::from_state(const std::vector<double>& state) {
  if (state.size() != kPoints + 1) {
    throw tg::FormatError("a curve of temperatures has " + std::to_string(state.size()) +
                          " numbers, needed " + std::to_string(kPoints + 1));
  }
  const double texts = state.back();
  if (!(texts >= 0 && texts <= kMostTexts && std::trunc(texts) == texts)) {
    throw tg::FormatError("a curve of temperatures has " + std::to_string(texts) +
                          " texts, needed an integer from 0 to 2^32");
  }
  TemperatureCurve curve;
  std::copy_n(state.begin(), kPoints, curve.sums_.begin());
  curve.texts_ = static_cast<std::int64_t>(texts);
  return curve;
}

void CalibrationBins::add(double probability, bool right) {
  const double place = std::clamp(probability, 0.0, 1.0) * static_cast<double>(kBins);
  Bin& bin = bins_[std::min(static_cast<std::size_t>(place), kBins - 1)];
  ++bin.texts;
  bin.excess += probability - (right ? 1 : 0);
  ++texts_;
}

double CalibrationBins::error() const {
  if (texts_ == 0) return 0;
  double sum = 0;
  for (const Bin& bin : bins_) sum += std::abs(bin.excess);
  return sum / static_cast<double>(texts_);
}

}  // namespace text_classifier
