// Counts in intervals of logits, and the threshold with the largest F1. Read next: evaluation.h.
#include "text_classifier/thresholds.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

namespace text_classifier {
namespace {

constexpr double kLowest = -4, kStep = 0.1;
constexpr std::size_t kBins = ThresholdCounts::kBins;

// The upper end of interval `bin`, where the next one begins.
double end_of(std::size_t bin) { return kLowest + kStep * static_cast<double>(bin); }

std::size_t bin_of(double logit) {
  const double place = std::floor((logit - kLowest) / kStep) + 1;
  if (!(place > 0)) return 0;  // also for a logit that is not a number
  return std::min(static_cast<std::size_t>(std::min(place, 1e6)), kBins - 1);
}

// The logit above which the label is answered. Of equal ones, that nearest to 0.
double best_threshold(std::span<const std::int64_t> without, std::span<const std::int64_t> with) {
  std::int64_t texts = 0;
  for (const std::int64_t count : with) texts += count;
  std::int64_t right = 0, wrong = 0;  // answered, if the threshold is at the end of `bin`
  double best = 0, best_f1 = -1;
  for (std::size_t bin = kBins - 1; bin-- > 0;) {
    right += with[bin + 1];
    wrong += without[bin + 1];
    const double f1 =
        texts == 0 ? 0
                   : 2 * static_cast<double>(right) / static_cast<double>(texts + right + wrong);
    const double logit = end_of(bin);
    if (f1 > best_f1 || (f1 == best_f1 && std::abs(logit) < std::abs(best))) {
      best = logit;
      best_f1 = f1;
    }
  }
  constexpr double kTextsOfPrior = 10;  // a rule of thumb
  const auto count = static_cast<double>(texts);
  return best * count / (count + kTextsOfPrior);
}

}  // namespace

void ThresholdCounts::add(const tg::Tensor& logits, const tg::Tensor& targets) {
  const auto classes = static_cast<std::size_t>(logits.size(1));
  if (counts_.empty()) counts_.resize(classes * 2 * kBins, 0);
  const std::vector<double> all = tg::to_vector<double>(logits.to(tg::float64));
  const std::vector<double> truth = tg::to_vector<double>(targets.to(tg::float64));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t label = i % classes, has = truth[i] > 0 ? 1 : 0;
    ++counts_[(label * 2 + has) * kBins + bin_of(all[i])];
  }
}

void ThresholdCounts::add(const ThresholdCounts& other) {
  if (counts_.empty()) counts_.resize(other.counts_.size(), 0);
  for (std::size_t i = 0; i < other.counts_.size(); ++i) counts_.at(i) += other.counts_[i];
}

std::vector<double> ThresholdCounts::thresholds(double temperature) const {
  std::vector<double> result;
  const std::span<const std::int64_t> all(counts_);
  for (std::size_t begin = 0; begin < all.size(); begin += 2 * kBins) {
    const double logit =
        best_threshold(all.subspan(begin, kBins), all.subspan(begin + kBins, kBins));
    result.push_back(1 / (1 + std::exp(-logit / temperature)));
  }
  return result;
}

ThresholdCounts ThresholdCounts::from_state(std::vector<std::int64_t> state) {
  if (state.size() % (2 * kBins) != 0) {
    throw tg::FormatError("counts of logits have " + std::to_string(state.size()) +
                          " numbers, needed a multiple of " + std::to_string(2 * kBins));
  }
  constexpr std::int64_t kMostTexts = 4294967296;  // so that sums stay far below 2^63
  for (const std::int64_t texts : state) {
    if (texts >= 0 && texts <= kMostTexts) continue;
    throw tg::FormatError("a count of logits is " + std::to_string(texts) +
                          ", needed a number from 0 to 2^32");
  }
  ThresholdCounts counts;
  counts.counts_ = std::move(state);
  return counts;
}

}  // namespace text_classifier
