// The confusion matrix, the scores computed from it, and the metrics of each epoch. Read next:
// metrics.cc.
#pragma once

#include <cstdint>
#include <fstream>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace text_classifier {

// Precision: the share of the texts predicted as this class that belong to it. Recall: the share of
// the texts of this class that were predicted as it. F1 is their harmonic mean. 0 / 0 counts as 0.
struct ClassScore {
  double precision = 0;
  double recall = 0;
  double f1 = 0;
  std::int64_t texts = 0;  // the number of texts of the class
};

// Texts that were predicted as a class, that belong to it, and that do both.
struct ClassCounts {
  std::int64_t right = 0, predicted = 0, texts = 0;
};

double share(std::int64_t part, std::int64_t whole);  // 0 / 0 is 0
ClassScore score_of(const ClassCounts& counts);
// The means over the classes, each with the same weight (macro), and the number of all texts.
ClassScore mean_of(const std::vector<ClassScore>& scores);

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
  ClassScore mean_score() const;  // mean_of() the classes
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  std::vector<std::string> labels_;
  std::vector<std::int64_t> counts_;  // (classes, classes), true class first
};

// Prints the scores of each class, the confusion matrix, the calibration error if it is known, the
// interval of the accuracy, and as the last line `test accuracy 0.886 (n=500)`; `split` is the
// first word of this line.
void print_report(std::ostream& out, const ConfusionMatrix& matrix, std::string_view split,
                  std::optional<double> calibration_error = std::nullopt);

// Rows of cells; print_table() aligns the first column left, the others right.
using TextTable = std::vector<std::vector<std::string>>;
void print_table(std::ostream& out, const TextTable& table);
// The text, cut to so many columns of a terminal.
std::string shortened(std::string_view text, std::size_t columns);

struct EpochMetrics {
  std::int64_t epoch = 0;
  double train_loss = 0;
  double train_accuracy = 0;
  std::optional<double> test_loss = std::nullopt;
  std::optional<double> test_accuracy = std::nullopt;
  double seconds = 0;
  std::optional<double> held_out_loss = std::nullopt;
  std::optional<std::int64_t> search = std::nullopt;  // the run of a search, from 1
};

// metrics.jsonl: one line with a JSON object for each epoch, written when the epoch ends.
class MetricsLog {
 public:
  // Replaces the file. The constructor and write() throw tapegrad::IoError.
  explicit MetricsLog(std::string path);
  void write(const EpochMetrics& metrics);
  void write_lines(const std::string& lines);  // of a run that is resumed

  const std::string& text() const { return text_; }  // all lines so far

 private:
  std::string path_;
  std::string text_;
  std::ofstream file_;
};

}  // namespace text_classifier
