// Parts with the shares of the classes, and the epoch with the smallest loss. Read next: trainer.h.
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

bool EpochSearch::look_at(const TemperatureCurve& curve) {
  ++seen_;
  if (part_ > 0) {
    curves_.at(static_cast<std::size_t>(seen_ - 1)).add(curve);
    return seen_ < std::ssize(curves_);
  }
  curves_.push_back(curve);
  const auto least = static_cast<std::int64_t>(best()) + 1;
  const std::int64_t patience = 3 + least / 3;
  return seen_ < std::min(least + patience, kMostEpochs);
}

void EpochSearch::next_part() {
  ++part_;
  seen_ = 0;
}

std::size_t EpochSearch::best() const {
  std::size_t best = 0;
  for (std::size_t i = 1; i < curves_.size(); ++i) {
    if (curves_[i].least_loss() < curves_[best].least_loss()) best = i;
  }
  return best;
}

std::int64_t EpochSearch::epochs() const { return static_cast<std::int64_t>(best()) + 1; }
double EpochSearch::loss() const { return curves_.empty() ? 0 : curves_[best()].least_loss(); }
double EpochSearch::temperature() const {
  return curves_.empty() ? 1 : cautious_temperature(curves_[best()]);
}
std::int64_t EpochSearch::texts() const { return curves_.empty() ? 0 : curves_[best()].texts(); }

tg::StateDict EpochSearch::state_dict() const {
  std::vector<double> numbers;
  for (const TemperatureCurve& curve : curves_) {
    const std::vector<double> state = curve.state();
    numbers.insert(numbers.end(), state.begin(), state.end());
  }
  return {
      {"part", tg::tensor(part_)}, {"seen", tg::tensor(seen_)}, {"curves", tg::tensor(numbers)}};
}

void EpochSearch::load_state_dict(const tg::StateDict& state) {
  const auto numbers = tg::to_vector<double>(state.at("curves"));
  constexpr std::size_t kSize = TemperatureCurve::kPoints + 1;
  std::vector<TemperatureCurve> curves;
  for (std::size_t begin = 0; begin < numbers.size(); begin += kSize) {
    const auto from = numbers.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto size = static_cast<std::ptrdiff_t>(std::min(kSize, numbers.size() - begin));
    curves.push_back(TemperatureCurve::from_state({from, from + size}));
  }
  const auto part = state.at("part").item<std::int64_t>();
  const auto seen = state.at("seen").item<std::int64_t>();
  if (part < 0 || part > parts_ || seen < 0 || seen > std::ssize(curves)) {
    throw tg::FormatError("search.part is " + std::to_string(part) + " and search.seen " +
                          std::to_string(seen) + ", needed at most " + std::to_string(parts_) +
                          " parts and " + std::to_string(curves.size()) + " epochs");
  }
  part_ = part;
  seen_ = seen;
  curves_ = std::move(curves);
}

double cautious_temperature(const TemperatureCurve& curve) {
  const auto texts = static_cast<double>(curve.texts());
  return std::exp(std::log(curve.temperature()) * texts / (texts + 20));
}

}  // namespace text_classifier
