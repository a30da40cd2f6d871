// Probabilities that mean something: the temperature by which logits are divided, and how far the
// probabilities of a model are from its accuracies. Read next: calibration.cc.
#pragma once

#include <tapegrad/tensor/tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace text_classifier {

namespace tg = tapegrad;

constexpr double kLowestTemperature = 0.05;
constexpr double kHighestTemperature = 20;

// How the mean cross entropy of texts depends on the temperature T, with logits / T. It is computed
// for a row of temperatures, so that neither logits nor texts need to be kept (Guo and others, "On
// calibration of modern neural networks", 2017, fit one temperature with the smallest loss).
class TemperatureCurve {
 public:
  static constexpr std::size_t kPoints = 49;

  // logits (texts, classes); targets and weights as in targets.h. For several labels, the loss of a
  // text is the sum of the binary cross entropies of all classes.
  void add(const tg::Tensor& logits, const tg::Tensor& targets, const tg::Tensor& weights = {});
  void add(const TemperatureCurve& other);

  std::int64_t texts() const { return texts_; }
  double loss() const;         // the mean cross entropy at temperature 1
  double least_loss() const;   // at temperature()
  double temperature() const;  // with the smallest loss; 1 if there are no texts

  // The sums for each temperature, and the number of texts, for a checkpoint.
  std::vector<double> state() const;
  static TemperatureCurve from_state(const std::vector<double>& state);  // FormatError

 private:
  struct Least {
    double temperature;
    double loss;  // sum over the texts
  };
  Least least() const;

  static constexpr double kMostTexts = 4294967296;  // so that sums stay far below 2^63
  void add_one_label(const tg::Tensor& logits, const tg::Tensor& labels, const tg::Tensor& weights);
  void add_several(const tg::Tensor& logits, const tg::Tensor& targets, const tg::Tensor& weights);

  std::array<double, kPoints> sums_{};
  std::int64_t texts_ = 0;
};

// The expected calibration error (Naeini and others, 2015): texts are put into 15 bins by the
// probability of their predicted class. It is the mean, weighted by the numbers of texts, of the
// difference between the mean probability and the accuracy of a bin. 0 is best; 0.1 means that
// probabilities are wrong by 10 points.
class CalibrationBins {
 public:
  static constexpr std::size_t kBins = 15;

  void add(double probability, bool right);
  double error() const;  // 0 if nothing was added

 private:
  struct Bin {
    std::int64_t texts = 0;
    double excess = 0;  // sum of probability minus 1 for a right answer
  };
  std::array<Bin, kBins> bins_{};
  std::int64_t texts_ = 0;
};

}  // namespace text_classifier
