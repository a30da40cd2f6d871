// How good the answers are, in numbers and tables. Read next: evaluation.h.
#pragma once

#include <cstdint>
#include <fstream>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace text_classifier {

struct Interval {
  double low = 0;
  double high = 1;
};

// The 95 % interval for a share of which `correct` of `total` were seen (Wilson, 1927). Unlike
// the textbook's p +- 1.96 sqrt(p (1 - p) / n) it stays within 0 and 1, and is right for small n.
Interval wilson_interval(std::int64_t correct, std::int64_t total);

// Precision: of the texts given this class, the share that belong to it. Recall: of the texts that
// belong to it, the share that were given it. F1 is their harmonic mean. A share of nothing is 0.
struct ClassScore {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
  std::int64_t texts = 0;  // that belong to the class
};

// Counts of (true class, predicted class).
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::vector<std::string> labels);

  // Throws tapegrad::IndexError.
  void add(std::int64_t truth, std::int64_t predicted);

  std::int64_t count(std::int64_t truth, std::int64_t predicted) const;
  std::int64_t total() const;
  std::int64_t correct() const;
  double accuracy() const;  // 0 if nothing was added
  ClassScore score(std::int64_t label) const;
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  std::vector<std::string> labels_;
  std::vector<std::int64_t> counts_;  // (classes, classes), true class first
};

// Scores per class, the confusion matrix, the interval, and as the last line
// `test accuracy 0.886 (n=500)`, where `split` is the first word.
void print_report(std::ostream& out, const ConfusionMatrix& matrix, std::string_view split);

struct EpochMetrics {
  std::int64_t epoch = 0;
  double train_loss = 0;
  double train_accuracy = 0;
  std::optional<double> test_loss = std::nullopt;
  std::optional<double> test_accuracy = std::nullopt;
  double seconds = 0;
  std::optional<double> held_out_loss = std::nullopt;
};

// metrics.jsonl: a JSON object a line, one for each epoch, written at once.
class MetricsLog {
 public:
  // Replaces the file. Throws tapegrad::IoError, as write does.
  explicit MetricsLog(std::string path);
  void write(const EpochMetrics& metrics);

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace text_classifier
