// Parts with the shares of the classes, and the epoch with the smallest loss. Read next:
// calibration.h.
#include "text_classifier/search.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace text_classifier {

std::vector<std::vector<std::int64_t>> held_out_parts(const std::vector<std::int64_t>& labels,
                                                      std::uint64_t seed) {
  const std::int64_t texts = std::ssize(labels);
  if (texts < kFewestTexts) return {};
  const std::size_t parts = texts < kManyTexts ? 5 : 10;
  tg::Generator generator(seed);
  std::map<std::int64_t, std::vector<std::int64_t>> of_class;
  for (const std::int64_t text : tg::to_vector<std::int64_t>(tg::randperm(texts, generator))) {
    of_class[labels[static_cast<std::size_t>(text)]].push_back(text);
  }
  std::vector<std::vector<std::int64_t>> result(parts);
  std::size_t next = 0;  // goes on from class to class, so that the parts have the same sizes
  for (const auto& [label, members] : of_class) {
    if (members.size() == 1) continue;
    for (const std::int64_t text : members) result[next++ % parts].push_back(text);
  }
  if (texts >= kManyTexts) result.resize(1);
  std::erase_if(result, [](const auto& part) { return part.empty(); });
  return result;
}

bool EpochSearch::look_at(const TemperatureCurve& curve, const ThresholdCounts& counts) {
  Curves& curves = curves_.at(static_cast<std::size_t>(variant()));
  std::vector<ThresholdCounts>& all_counts = counts_[static_cast<std::size_t>(variant())];
  ++seen_;
  if (part() > 0) {
    curves.at(static_cast<std::size_t>(seen_ - 1)).add(curve);
    all_counts.at(static_cast<std::size_t>(seen_ - 1)).add(counts);
    return seen_ < std::ssize(curves);
  }
  curves.push_back(curve);
  all_counts.push_back(counts);
  const auto least = static_cast<std::int64_t>(best_of(curves)) + 1;
  // A rule of thumb, without a source: a loss that took many epochs to become small may take more
  // to become smaller.
  const std::int64_t patience = 3 + least / 3;
  return seen_ < std::min(least + patience, kMostEpochs);
}

void EpochSearch::next_run() {
  ++run_;
  seen_ = 0;
}

std::size_t EpochSearch::best_of(const Curves& curves) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < curves.size(); ++i) {
    if (curves[i].least_loss() < curves[best].least_loss()) best = i;
  }
  return best;
}

std::int64_t EpochSearch::best_variant() const {
  std::size_t best = 0;
  for (std::size_t i = 1; i < curves_.size(); ++i) {
    if (curves_[i].empty()) continue;
    const double loss = curves_[i][best_of(curves_[i])].least_loss();
    if (loss < curves_[best][best_of(curves_[best])].least_loss()) best = i;
  }
  return static_cast<std::int64_t>(best);
}

const TemperatureCurve& EpochSearch::best() const {
  static const TemperatureCurve none;
  const Curves& curves = curves_[static_cast<std::size_t>(best_variant())];
  return curves.empty() ? none : curves[best_of(curves)];
}

std::int64_t EpochSearch::epochs() const {
  return static_cast<std::int64_t>(best_of(curves_[static_cast<std::size_t>(best_variant())])) + 1;
}
double EpochSearch::loss() const { return best().least_loss(); }
double EpochSearch::temperature() const { return cautious_temperature(best()); }
std::vector<double> EpochSearch::thresholds() const {
  const auto& counts = counts_[static_cast<std::size_t>(best_variant())];
  if (counts.empty()) return {};
  return counts[static_cast<std::size_t>(epochs() - 1)].thresholds(temperature());
}
std::int64_t EpochSearch::texts() const { return best().texts(); }

tg::StateDict EpochSearch::state_dict() const {
  std::vector<double> numbers;
  std::vector<std::int64_t> epochs, counts;
  for (const auto& of_variant : counts_) {
    for (const ThresholdCounts& of_epoch : of_variant) {
      counts.insert(counts.end(), of_epoch.state().begin(), of_epoch.state().end());
    }
  }
  for (const Curves& curves : curves_) {
    epochs.push_back(std::ssize(curves));
    for (const TemperatureCurve& curve : curves) {
      const std::vector<double> state = curve.state();
      numbers.insert(numbers.end(), state.begin(), state.end());
    }
  }
  return {{"run", tg::tensor(run_)},
          {"seen", tg::tensor(seen_)},
          {"epochs", tg::tensor(epochs)},
          {"curves", tg::tensor(numbers)},
          {"counts", tg::tensor(counts)}};
}

// FormatError if no search comes to this run with these epochs.
void EpochSearch::require_reachable(std::int64_t run, std::int64_t seen,
                                    const std::vector<Curves>& curves) const {
  const std::int64_t variant = parts_ > 0 ? run / parts_ : 0;
  const bool is_first_part = parts_ > 0 && run % parts_ == 0;
  const auto require = [&](bool fine, const std::string& what, std::int64_t value) {
    if (fine) return;
    throw tg::FormatError("search." + what + " is " + std::to_string(value) +
                          ", which no search has in its run " + std::to_string(run));
  };
  require(seen >= 0 && seen < kMostEpochs && (run < runs() || seen == 0), "seen", seen);
  for (std::int64_t i = 0; i < std::ssize(curves); ++i) {
    const std::int64_t epochs = std::ssize(curves[static_cast<std::size_t>(i)]);
    const bool tried = i < variant || (i == variant && parts_ > 0 && !is_first_part);
    const std::int64_t fewest = i == variant ? seen + 1 : 1;  // the last of a run ends it
    require(tried ? epochs >= fewest && epochs <= kMostEpochs
                  : epochs == (i == variant && run < runs() ? seen : 0),
            "epochs", epochs);
  }
}

void EpochSearch::load_state_dict(const tg::StateDict& state) {
  const auto run = state.at("run").item<std::int64_t>();
  const auto seen = state.at("seen").item<std::int64_t>();
  const auto epochs = tg::to_vector<std::int64_t>(state.at("epochs"));
  const auto numbers = tg::to_vector<double>(state.at("curves"));
  if (run < 0 || run > runs() || epochs.size() != curves_.size()) {
    throw tg::FormatError("search.run is " + std::to_string(run) + " with " +
                          std::to_string(epochs.size()) + " variants, needed at most " +
                          std::to_string(runs()) + " with " + std::to_string(curves_.size()));
  }
  const auto counts = tg::to_vector<std::int64_t>(state.at("counts"));
  std::int64_t all_epochs = 0;  // require_reachable() refuses more than kMostEpochs
  for (const std::int64_t count : epochs) {
    all_epochs += std::clamp<std::int64_t>(count, 0, kMostEpochs);
  }
  const std::size_t size_of_counts =
      counts.size() / static_cast<std::size_t>(std::max<std::int64_t>(all_epochs, 1));
  std::size_t next = 0;
  std::vector<std::vector<ThresholdCounts>> all_counts;
  constexpr std::size_t kSize = TemperatureCurve::kPoints + 1;
  std::vector<Curves> all;
  std::size_t begin = 0;
  for (const std::int64_t count : epochs) {
    Curves& curves = all.emplace_back();
    auto& of_variant = all_counts.emplace_back();
    for (std::int64_t i = 0; i < count; ++i, begin += kSize) {
      const std::size_t from = std::min(begin, numbers.size());
      const std::size_t to = std::min(begin + kSize, numbers.size());
      const auto at = [&](std::size_t place) {
        return numbers.begin() + static_cast<std::ptrdiff_t>(place);
      };
      curves.push_back(TemperatureCurve::from_state({at(from), at(to)}));
      const auto first = counts.begin() + static_cast<std::ptrdiff_t>(next);
      next = std::min(next + size_of_counts, counts.size());
      of_variant.push_back(
          ThresholdCounts::from_state({first, counts.begin() + static_cast<std::ptrdiff_t>(next)}));
    }
  }
  require_reachable(run, seen, all);
  run_ = run;
  seen_ = seen;
  curves_ = std::move(all);
  counts_ = std::move(all_counts);
}

double cautious_temperature(const TemperatureCurve& curve) {
  // As if 20 texts more had the best temperature 1. The mean of the logarithms is that of a normal
  // distribution whose prior has its mean at 0 and the weight of these texts; 20 is a rule of
  // thumb.
  constexpr double kTextsOfPrior = 20;
  const auto texts = static_cast<double>(curve.texts());
  return std::exp(std::log(curve.temperature()) * texts / (texts + kTextsOfPrior));
}

}  // namespace text_classifier
