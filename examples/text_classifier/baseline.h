// Two classifiers that are quick to train and hard to beat, to compare a model with. Read next:
// baseline.cc.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "text_classifier/corpus.h"
#include "text_classifier/metrics.h"

namespace text_classifier {

// A sparse vector: (index, value), with increasing indices.
using SparseVector = std::vector<std::pair<std::int32_t, float>>;

// Minimizes |w|^2 / 2 + C * sum of the losses of y * (w x), where y is 1 or -1. Both solvers are
// dual coordinate descent: logistic loss (Yu, Huang and Lin 2011), and squared hinge loss (Hsieh
// and others 2008). They stop when no step would change the dual solution by much.
std::vector<float> logistic_regression(std::span<const SparseVector> texts,
                                       std::span<const signed char> y, std::int64_t features,
                                       double c);
std::vector<float> linear_svm(std::span<const SparseVector> texts, std::span<const signed char> y,
                              std::int64_t features, double c);

struct Baseline {
  std::string name;
  std::vector<std::int64_t> predicted;  // the class of each test text
  double seconds = 0;                   // to train and to predict
};

// Words and pairs of words, one classifier for each class against the rest:
//   TF-IDF and logistic regression: (1 + log count) * log inverse document frequency, length 1.
//   NB-SVM (Wang and Manning 2012): whether a text has the token, times its naive Bayes log-count
//   ratio; the weights of the SVM are interpolated with their mean size (beta 0.25).
std::vector<Baseline> train_baselines(const Corpus& train, const Corpus& test,
                                      const std::vector<std::string>& labels);

// A table with the accuracy, its interval, the macro F1 and the seconds of the model and of each
// baseline. `truth` holds the class of each test text.
void print_baselines(std::ostream& out, const ConfusionMatrix& model, double seconds,
                     const std::vector<Baseline>& baselines,
                     const std::vector<std::int64_t>& truth);

// The same for cross-validation: the mean accuracy of each baseline over the folds.
class BaselineFolds {
 public:
  void add(const Corpus& train, const Corpus& test, const std::vector<std::string>& labels);
  // One line for each baseline, with the difference to the model's accuracies in the same folds.
  void print(std::ostream& out, const std::vector<double>& accuracies_of_model) const;

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<double>> accuracies_;  // of each baseline in each fold
};

}  // namespace text_classifier
