// A random search around the best settings so far. Read next: one_model.h.
#include "text_classifier/autotune.h"

#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "common/numbers.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/one_model.h"
#include "text_classifier/search.h"
#include "text_classifier/targets.h"

namespace text_classifier {
namespace {

using examples::fixed;
using examples::processor_seconds;

// What can be varied. Common choices; the defaults are among them.
constexpr std::int64_t kDims[] = {16, 32, 64, 128, 256};
constexpr std::int64_t kNgrams[] = {1, 2, 3};
constexpr std::int64_t kMinCounts[] = {1, 2, 3, 5};
constexpr const char* kChars[] = {"", "2-4", "3-5", "1-5"};
constexpr std::int64_t kBuckets[] = {16384, 65536, 262144};
constexpr double kLowestRate = 0.0005, kHighestRate = 0.02;

class Draws {
 public:
  explicit Draws(std::int64_t seed) : generator_(static_cast<std::uint64_t>(seed)) {}

  double uniform() { return tg::rand({1}, tg::float64, generator_).item<double>({0}); }
  bool half() { return uniform() < 0.5; }
  template <class Values>
  auto one_of(const Values& values) {
    const auto count = std::size(values);
    const auto place = static_cast<std::size_t>(uniform() * static_cast<double>(count));
    return values[std::min(place, count - 1)];
  }
  // Between both in equal ratios, with two digits.
  double rate() {
    const double rate = kLowestRate * std::pow(kHighestRate / kLowestRate, uniform());
    const double digit = std::pow(10, std::floor(std::log10(rate)) - 1);
    return std::round(rate / digit) * digit;
  }

 private:
  tg::Generator generator_;
};

// The settings with some options changed. Each option takes its draws whether it may change or not,
// so that one that is given does not change the draws of the others.
TrainSettings varied(const TrainSettings& best, Draws& draws) {
  TrainSettings settings = best;
  const auto change = [&](const char* option, bool possible, const auto& set) {
    const bool wanted = draws.half();
    TrainSettings changed = settings;
    set(changed);
    if (wanted && possible && !best.given.contains(option)) settings = std::move(changed);
  };
  const bool words = best.words != "no", no_vectors = best.vectors.empty();
  change("--dim", no_vectors, [&](TrainSettings& to) { to.model.dim = draws.one_of(kDims); });
  change("--ngrams", words, [&](TrainSettings& to) { to.ngrams = draws.one_of(kNgrams); });
  change("--lr", true, [&](TrainSettings& to) { to.lr = draws.rate(); });
  change("--min-count", words, [&](TrainSettings& to) { to.min_count = draws.one_of(kMinCounts); });
  change("--chars", words, [&](TrainSettings& to) { to.chars = draws.one_of(kChars); });
  change("--buckets", true, [&](TrainSettings& to) { to.buckets = draws.one_of(kBuckets); });
  if (settings.chars.empty()) settings.buckets.reset();
  return settings;
}

std::string options_of(const TrainSettings& settings) {
  const TrainSettings all = checked(settings);
  std::ostringstream text;
  text << "--dim " << all.model.dim;
  if (all.words != "no") text << " --ngrams " << *all.ngrams << " --min-count " << all.min_count;
  text << " --lr " << searched_rate(all);
  if (!all.chars.empty()) {
    text << " --chars " << all.chars << " --buckets " << all.model.characters.buckets;
  }
  return text.str();
}

// The loss of the compressed model that is trained on the texts that are not held out.
double loss_when_compressed(TrainSettings settings, const Texts& texts, const EpochSearch& search) {
  settings.epochs = search.epochs();
  settings.schedule = "constant";
  settings.lr = searched_rate(settings);
  settings.rare_words = rare_words_of(search);
  Texts split{.train = texts.train,
              .labels = texts.labels,
              .dev = texts.dev,
              .class_weights = texts.class_weights};
  if (!texts.dev) {
    const auto parts = held_out_parts(strata_of(texts.train, texts.labels),
                                      static_cast<std::uint64_t>(settings.seed));
    split.dev = subset_of(texts.train, parts.front());
    split.train = subset_of(texts.train, others(texts.train.rows.size(), parts.front()));
  }
  const Trained small = *train_one(settings, split);
  return held_out_answers(small, examples_of(small, *split.dev)).curve.least_loss();
}

class Autotune {
 public:
  Autotune(const TrainSettings& given, const Texts& texts)
      : given_(given), texts_(texts), begin_(processor_seconds()) {}

  TrainSettings run() {
    Draws draws(given_.seed);
    while (!is_over()) {
      const TrainSettings settings = trials_ == 0 ? given_ : varied(best_, draws);
      const std::optional<double> loss = loss_of_trial(settings);
      if (!loss) break;
      ++trials_;
      if (trials_ == 1) first_loss_ = *loss;
      if (trials_ > 1 && !(*loss < least_)) continue;
      least_ = *loss;
      best_ = settings;
      if (!std::isfinite(least_)) continue;
      std::cerr << "autotune: trial " << trials_ << ": held-out loss " << shown(least_) << ", "
                << options_of(settings) << '\n';
    }
    tell();
    return best_;
  }

 private:
  double seconds() const { return processor_seconds() - begin_; }
  bool is_out_of_time() const {
    return given_.autotune && seconds() >= static_cast<double>(*given_.autotune);
  }
  bool is_over() const { return (given_.trials && trials_ >= *given_.trials) || is_out_of_time(); }
  static std::string shown(double loss) { return std::isfinite(loss) ? fixed(loss, 4) : "none"; }

  // Nothing if the time is over before its end. Infinite if the model cannot be made.
  std::optional<double> loss_of_trial(const TrainSettings& settings) {
    TrainSettings all = checked(settings);
    all.quiet = true;
    const std::optional<EpochSearch> search =
        search_alone(all, texts_, [&] { return !is_out_of_time(); });
    if (!search) return std::nullopt;
    if (all.size.empty()) return search->loss();
    try {
      return loss_when_compressed(all, texts_, *search);
    } catch (const tg::ValueError& error) {  // too large for this size
      problem_ = error.what();
      return INFINITY;
    }
  }

  void tell() const {
    if (trials_ == 0) {
      std::cerr << "autotune: " << *given_.autotune
                << " seconds were over before the first trial ended; trains with the given "
                   "options; give it more\n";
      return;
    }
    if (!std::isfinite(least_)) throw tg::ValueError(problem_);
    std::cerr << "autotune: " << trials_ << (trials_ == 1 ? " trial" : " trials") << " in "
              << fixed(seconds(), 1) << " s of processor time; chose " << options_of(best_)
              << " (held-out loss " << shown(least_) << ", as given " << shown(first_loss_)
              << ")\n";
  }

  const TrainSettings& given_;
  const Texts& texts_;
  double begin_;
  TrainSettings best_ = given_;
  double least_ = INFINITY;
  double first_loss_ = INFINITY;
  std::int64_t trials_ = 0;
  std::string problem_;
};

}  // namespace

TrainSettings autotuned(const TrainSettings& given, const Texts& texts) {
  if (!texts.dev && held_out_parts(strata_of(texts.train, texts.labels), 0).empty()) {
    throw tg::ValueError(given.command + ": --autotune holds some of the texts out, and " +
                         std::to_string(texts.train.rows.size()) +
                         " are too few; needed 20 or more, or --dev FILE");
  }
  return Autotune(given, texts).run();
}

}  // namespace text_classifier
