// The features, the two solvers, and one classifier for each class against the rest. Read next:
// resume.h.
#include "text_classifier/baseline.h"

#include <tapegrad/nn/text/tokenizer.h>
#include <tapegrad/nn/text/vocabulary.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <ostream>
#include <random>

#include "text_classifier/statistics.h"

namespace text_classifier {
namespace {

using tapegrad::nn::Vocabulary;

constexpr int kMostPasses = 200;

double dot(const std::vector<float>& w, const SparseVector& x) {
  double sum = 0;
  for (const auto& [index, value] : x) {
    sum += static_cast<double>(w[static_cast<std::size_t>(index)]) * static_cast<double>(value);
  }
  return sum;
}

void add(std::vector<float>& w, double scale, const SparseVector& x) {
  for (const auto& [index, value] : x) {
    w[static_cast<std::size_t>(index)] += static_cast<float>(scale) * value;
  }
}

double square_of(const SparseVector& x) {
  double sum = 0;
  for (const auto& entry : x) {
    sum += static_cast<double>(entry.second) * static_cast<double>(entry.second);
  }
  return sum;
}

// Calls step(text, bound) for each text in random order, until a pass in which no step returned
// more than the tolerance. `bound` is the largest result of the pass before. If a step returns a
// negative number, its text is left out (shrinking) until the others are done.
template <class Step>
void descend(std::size_t texts, double tolerance, const Step& step) {
  std::vector<std::size_t> order(texts);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::mt19937 random(1);
  std::size_t active = texts;
  double bound = 1e300;
  for (int pass = 0; pass < kMostPasses; ++pass) {
    for (std::size_t i = active; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    double largest = 0;
    for (std::size_t i = 0; i < active;) {
      const double result = step(order[i], bound);
      largest = std::max(largest, result);
      if (result >= 0) {
        ++i;
      } else {
        std::swap(order[i], order[--active]);
      }
    }
    bound = largest;
    if (largest >= tolerance) continue;
    if (active == texts) return;
    active = texts;
    bound = 1e300;
  }
}

double sigmoid(double t) { return 1 / (1 + std::exp(-t)); }

}  // namespace

// Each text has a dual variable a = C * sigmoid(t); w is the sum of a * y * x. A step finds the t
// where the derivative of the dual for this text is 0: q * (a - old a) + y * (w x) + t = 0.
std::vector<float> logistic_regression(std::span<const SparseVector> texts,
                                       std::span<const signed char> y, std::int64_t features,
                                       double c) {
  std::vector<float> w(static_cast<std::size_t>(features), 0.0F);
  std::vector<double> squares, t(texts.size(), -5.0);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    squares.push_back(square_of(texts[i]));
    add(w, c * sigmoid(t[i]) * y[i], texts[i]);
  }
  descend(texts.size(), 1e-3, [&](std::size_t i, double) {
    const double margin = y[i] * dot(w, texts[i]);
    const double before = c * sigmoid(t[i]);
    // The solution is between these two, because 0 < a < C.
    double low = -margin - squares[i] * (c - before), high = -margin + squares[i] * before;
    double now = std::clamp(t[i], low, high);
    for (int round = 0; round < 50 && high - low > 1e-9; ++round) {
      const double s = sigmoid(now);
      const double value = squares[i] * (c * s - before) + margin + now;
      if (std::abs(value) < 1e-9) break;
      (value > 0 ? high : low) = now;
      const double next = now - value / (squares[i] * c * s * (1 - s) + 1);  // Newton
      now = next > low && next < high ? next : 0.5 * (low + high);
    }
    t[i] = now;
    const double change = c * sigmoid(now) - before;
    add(w, change * y[i], texts[i]);
    return std::abs(change) / c;
  });
  return w;
}

// Each text has a dual variable a >= 0; w is the sum of a * y * x. A step is Newton's for one of
// them (Hsieh and others 2008, algorithm 1 for the squared hinge):
//   G = y * (w x) - 1 + a / (2 C),  a = max(a - G / (x x + 1 / (2 C)), 0).
// The projected gradient is G, or min(G, 0) where a = 0; it is 0 at the minimum. A text with a = 0
// and a G larger than all projected gradients of the last pass is left out (algorithm 3).
std::vector<float> linear_svm(std::span<const SparseVector> texts, std::span<const signed char> y,
                              std::int64_t features, double c) {
  std::vector<float> w(static_cast<std::size_t>(features), 0.0F);
  std::vector<double> squares, a(texts.size(), 0.0);
  for (const SparseVector& text : texts) squares.push_back(square_of(text));
  const double diagonal = 1 / (2 * c);  // of the squared hinge
  descend(texts.size(), 0.1, [&](std::size_t i, double bound) {
    const double gradient = y[i] * dot(w, texts[i]) - 1 + diagonal * a[i];
    const double projected = a[i] == 0 ? std::min(gradient, 0.0) : gradient;
    if (projected == 0) return gradient > bound ? -1.0 : 0.0;
    const double before = a[i];
    a[i] = std::max(before - gradient / (squares[i] + diagonal), 0.0);
    add(w, (a[i] - before) * y[i], texts[i]);
    return std::abs(projected);
  });
  return w;
}

namespace {

// How often each word or pair occurs in each text. The first feature, 1 in every text, is the bias.
struct Counted {
  std::vector<SparseVector> train;
  std::vector<SparseVector> test;
  std::int64_t features = 1;
};

SparseVector counts_of(std::vector<std::int64_t> ids) {
  std::ranges::sort(ids);
  SparseVector counts{{0, 1.0F}};
  for (const std::int64_t id : ids) {
    if (id == Vocabulary::kUnknown || id == Vocabulary::kPadding) continue;
    const auto feature = static_cast<std::int32_t>(id - 1);
    if (counts.back().first == feature) {
      counts.back().second += 1;
    } else {
      counts.emplace_back(feature, 1.0F);
    }
  }
  return counts;
}

Counted count_tokens(const Corpus& train, const Corpus& test) {
  std::vector<std::vector<std::string>> words;
  for (const Row& row : train.rows) words.push_back(tapegrad::nn::tokenize(row.text));
  auto [vocabulary, ids] = Vocabulary::build_and_encode(words, {.longest_ngram = 2});
  Counted counted;
  counted.features = vocabulary.size() - 1;
  for (std::vector<std::int64_t>& text : ids) counted.train.push_back(counts_of(std::move(text)));
  for (const Row& row : test.rows) counted.test.push_back(counts_of(vocabulary.encode(row.text)));
  return counted;
}

void weigh_by_tf_idf(Counted& counted) {
  std::vector<double> texts_with(static_cast<std::size_t>(counted.features), 0);
  for (const SparseVector& text : counted.train) {
    for (const auto& entry : text) ++texts_with[static_cast<std::size_t>(entry.first)];
  }
  const double n = static_cast<double>(counted.train.size());
  const auto weigh = [&](SparseVector& text) {
    for (auto& [feature, value] : text) {
      const double idf =
          std::log((1 + n) / (1 + texts_with[static_cast<std::size_t>(feature)])) + 1;
      value = static_cast<float>((1 + std::log(static_cast<double>(value))) * idf);
    }
    text[0].second = 0;
    const double length = std::sqrt(square_of(text));
    for (auto& entry : text) {
      if (length > 0) entry.second = static_cast<float>(static_cast<double>(entry.second) / length);
    }
    text[0].second = 1;
  };
  for (SparseVector& text : counted.train) weigh(text);
  for (SparseVector& text : counted.test) weigh(text);
}

// The log of how much more frequent a token is in the texts of a class than in the others.
std::vector<float> log_count_ratios(const Counted& counted, std::span<const signed char> y) {
  std::vector<double> inside(static_cast<std::size_t>(counted.features), 1), outside = inside;
  for (std::size_t i = 0; i < y.size(); ++i) {
    for (const auto& entry : counted.train[i]) {
      ++(y[i] > 0 ? inside : outside)[static_cast<std::size_t>(entry.first)];
    }
  }
  const double all_inside = std::accumulate(inside.begin() + 1, inside.end(), 0.0);
  const double all_outside = std::accumulate(outside.begin() + 1, outside.end(), 0.0);
  std::vector<float> ratios;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    ratios.push_back(
        static_cast<float>(std::log((inside[i] / all_inside) / (outside[i] / all_outside))));
  }
  ratios[0] = 1;  // the bias stays as it is
  return ratios;
}

std::vector<SparseVector> scaled(std::span<const SparseVector> texts,
                                 const std::vector<float>& ratios) {
  std::vector<SparseVector> result(texts.begin(), texts.end());
  for (SparseVector& text : result) {
    for (auto& [feature, value] : text) value = ratios[static_cast<std::size_t>(feature)];
  }
  return result;
}

// The scores of one class for each test text.
std::vector<double> nb_svm_scores(const Counted& counted, std::span<const signed char> y) {
  const std::vector<float> ratios = log_count_ratios(counted, y);
  std::vector<float> w = linear_svm(scaled(counted.train, ratios), y, counted.features, 1);
  double size = 0;
  for (std::size_t i = 1; i < w.size(); ++i) size += std::abs(static_cast<double>(w[i]));
  const double mean = size / static_cast<double>(std::max<std::size_t>(w.size() - 1, 1));
  constexpr double kBeta = 0.25;
  for (std::size_t i = 1; i < w.size(); ++i) {
    w[i] = static_cast<float>((1 - kBeta) * mean + kBeta * static_cast<double>(w[i]));
  }
  std::vector<double> scores;
  for (const SparseVector& text : scaled(counted.test, ratios)) scores.push_back(dot(w, text));
  return scores;
}

std::vector<double> logistic_scores(const Counted& counted, std::span<const signed char> y) {
  constexpr double kC = 10;
  const std::vector<float> w = logistic_regression(counted.train, y, counted.features, kC);
  std::vector<double> scores;
  for (const SparseVector& text : counted.test) scores.push_back(dot(w, text));
  return scores;
}

using Scores = std::vector<double> (*)(const Counted&, std::span<const signed char>);

// The class with the largest score. A class without training texts is never predicted; of two
// classes, the second has the negative scores of the first.
std::vector<std::int64_t> predict_with(Scores scores_of, const Counted& counted,
                                       const std::vector<std::int64_t>& truth,
                                       std::size_t classes) {
  std::vector<double> best(counted.test.size(), -1e300);
  std::vector<std::int64_t> predicted(counted.test.size(), 0);
  for (std::size_t label = 0; label < classes; ++label) {
    std::vector<signed char> y;
    for (const std::int64_t own : truth) {
      y.push_back(own == static_cast<std::int64_t>(label) ? 1 : -1);
    }
    if (std::ranges::find(y, 1) == y.end()) continue;
    const std::vector<double> scores = scores_of(counted, y);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] <= best[i]) continue;
      best[i] = scores[i];
      predicted[i] = static_cast<std::int64_t>(label);
    }
    if (classes == 2 && label == 0) {
      for (std::size_t i = 0; i < scores.size(); ++i) predicted[i] = scores[i] > 0 ? 0 : 1;
      break;
    }
  }
  return predicted;
}

}  // namespace

std::vector<Baseline> train_baselines(const Corpus& train, const Corpus& test,
                                      const std::vector<std::string>& labels) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const std::vector<std::int64_t> truth = label_ids(train, labels);
  Clock::time_point begin = Clock::now();
  Counted counted = count_tokens(train, test);
  const double counting = since(begin);
  std::vector<Baseline> baselines;

  begin = Clock::now();
  Baseline nb_svm{"NB-SVM", predict_with(nb_svm_scores, counted, truth, labels.size())};
  nb_svm.seconds = counting + since(begin);

  begin = Clock::now();
  weigh_by_tf_idf(counted);
  Baseline logistic{"TF-IDF, logistic regression",
                    predict_with(logistic_scores, counted, truth, labels.size())};
  logistic.seconds = counting + since(begin);
  return {std::move(logistic), std::move(nb_svm)};
}

namespace {

void print_line(std::ostream& out, const std::string& name, const ConfusionMatrix& matrix,
                double seconds) {
  const Interval interval = wilson_interval(matrix.correct(), matrix.total());
  char line[160];
  std::snprintf(line, sizeof line, "  %-27s  %8.3f  %5.3f to %5.3f  %8.3f  %7.1f\n", name.c_str(),
                matrix.accuracy(), interval.low, interval.high, matrix.mean_score().f1, seconds);
  out << line;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

void print_baselines(std::ostream& out, const ConfusionMatrix& model, double seconds,
                     const std::vector<Baseline>& baselines,
                     const std::vector<std::int64_t>& truth) {
  out << "  test texts                   accuracy  95 % interval   macro F1  seconds\n";
  print_line(out, "this model", model, seconds);
  for (const Baseline& baseline : baselines) {
    ConfusionMatrix matrix(model.labels());
    for (std::size_t i = 0; i < truth.size(); ++i) matrix.add(truth[i], baseline.predicted[i]);
    print_line(out, baseline.name, matrix, baseline.seconds);
  }
  out << '\n';
}

void BaselineFolds::add(const Corpus& train, const Corpus& test,
                        const std::vector<std::string>& labels) {
  const std::vector<std::int64_t> truth = label_ids(test, labels);
  const std::vector<Baseline> baselines = train_baselines(train, test, labels);
  accuracies_.resize(baselines.size());
  names_.clear();
  for (std::size_t b = 0; b < baselines.size(); ++b) {
    names_.push_back(baselines[b].name);
    std::size_t right = 0;
    for (std::size_t i = 0; i < truth.size(); ++i) {
      right += baselines[b].predicted[i] == truth[i] ? 1 : 0;
    }
    accuracies_[b].push_back(static_cast<double>(right) / static_cast<double>(truth.size()));
  }
}

void BaselineFolds::print(std::ostream& out, const std::vector<double>& accuracies_of_model) const {
  for (std::size_t b = 0; b < names_.size(); ++b) {
    std::vector<double> differences;
    for (std::size_t fold = 0; fold < accuracies_of_model.size(); ++fold) {
      differences.push_back(accuracies_of_model[fold] - accuracies_[b][fold]);
    }
    const Interval interval = t_interval(differences);
    char line[160];
    std::snprintf(
        line, sizeof line,
        "%s: mean accuracy %.3f; this model minus it %+.3f, 95 %% interval %+.3f to %+.3f\n",
        names_[b].c_str(), mean_of(accuracies_[b]), mean_of(differences), interval.low,
        interval.high);
    out << line;
  }
}

}  // namespace text_classifier
