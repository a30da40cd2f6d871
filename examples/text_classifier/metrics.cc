// Computes the scores, and writes the tables and metrics.jsonl. Read next:
// label_scores.h.
#include "text_classifier/metrics.h"

#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <ostream>
#include <tuple>
#include <utility>

#include "common/numbers.h"
#include "text_classifier/statistics.h"

namespace text_classifier {
namespace {

using examples::fixed;

// The number of terminal columns: a Chinese or Japanese character takes two.
std::size_t width(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size();) {
    const tapegrad::nn::CodePoint point = tapegrad::nn::decode_utf8(text, i);
    columns += tapegrad::nn::is_cjk(point.value) ? 2 : 1;
    i += point.length;
  }
  return columns;
}

}  // namespace

std::string shortened(std::string_view text, std::size_t columns) {
  if (width(text) <= columns) return std::string(text);
  std::size_t end = 0;
  for (;;) {
    const std::size_t next = end + tapegrad::nn::decode_utf8(text, end).length;
    if (width(text.substr(0, next)) + 1 > columns) break;
    end = next;
  }
  return std::string(text.substr(0, end)) + "~";
}

void print_table(std::ostream& out, const TextTable& table) {
  std::vector<std::size_t> widths(table.front().size(), 0);
  for (const auto& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  for (const auto& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width(row[i]), ' ');
      if (i == 0) {
        out << "  " << row[i] << padding;
      } else {
        out << "  " << padding << row[i];
      }
    }
    out << '\n';
  }
  out << '\n';
}

namespace {

void print_scores(std::ostream& out, const ConfusionMatrix& matrix) {
  TextTable table{{"class", "precision", "recall", "F1", "texts"}};
  const auto classes = static_cast<std::int64_t>(matrix.labels().size());
  for (std::int64_t i = 0; i < classes; ++i) {
    const ClassScore score = matrix.score(i);
    table.push_back({shortened(matrix.labels()[static_cast<std::size_t>(i)], 24),
                     fixed(score.precision, 3), fixed(score.recall, 3), fixed(score.f1, 3),
                     std::to_string(score.texts)});
  }
  const ClassScore mean = matrix.mean_score();
  table.push_back({"mean", fixed(mean.precision, 3), fixed(mean.recall, 3), fixed(mean.f1, 3),
                   std::to_string(mean.texts)});
  print_table(out, table);
}

void print_confusion(std::ostream& out, const ConfusionMatrix& matrix) {
  out << "  confusion matrix: rows are the true class, columns the predicted one\n";
  TextTable table{{""}};
  const auto classes = static_cast<std::int64_t>(matrix.labels().size());
  for (const std::string& label : matrix.labels()) table[0].push_back(shortened(label, 8));
  for (std::int64_t truth = 0; truth < classes; ++truth) {
    table.push_back({shortened(matrix.labels()[static_cast<std::size_t>(truth)], 24)});
    for (std::int64_t predicted = 0; predicted < classes; ++predicted) {
      table.back().push_back(std::to_string(matrix.count(truth, predicted)));
    }
  }
  print_table(out, table);
}

// Takes the place of a confusion matrix that is too wide to read.
void print_largest_confusions(std::ostream& out, const ConfusionMatrix& matrix) {
  constexpr std::size_t kShown = 20;
  const auto classes = static_cast<std::int64_t>(matrix.labels().size());
  std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>> mistakes;
  for (std::int64_t truth = 0; truth < classes; ++truth) {
    for (std::int64_t predicted = 0; predicted < classes; ++predicted) {
      const std::int64_t count = matrix.count(truth, predicted);
      if (truth != predicted && count > 0) mistakes.emplace_back(-count, truth, predicted);
    }
  }
  std::sort(mistakes.begin(), mistakes.end());
  mistakes.resize(std::min(mistakes.size(), kShown));
  out << "  the most frequent mistakes\n";
  TextTable table{{"true class", "predicted", "texts"}};
  for (const auto& [count, truth, predicted] : mistakes) {
    table.push_back({matrix.labels()[static_cast<std::size_t>(truth)],
                     matrix.labels()[static_cast<std::size_t>(predicted)], std::to_string(-count)});
  }
  print_table(out, table);
}

}  // namespace

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

ClassScore score_of(const ClassCounts& counts) {
  return {share(counts.right, counts.predicted), share(counts.right, counts.texts),
          share(2 * counts.right, counts.predicted + counts.texts), counts.texts};
}

ClassScore mean_of(const std::vector<ClassScore>& scores) {
  const auto classes = static_cast<double>(scores.size());
  ClassScore mean;
  for (const ClassScore& score : scores) {
    mean.precision += score.precision / classes;
    mean.recall += score.recall / classes;
    mean.f1 += score.f1 / classes;
    mean.texts += score.texts;
  }
  return mean;
}

ConfusionMatrix::ConfusionMatrix(std::vector<std::string> labels)
    : labels_(std::move(labels)), counts_(labels_.size() * labels_.size(), 0) {}

void ConfusionMatrix::add(std::int64_t truth, std::int64_t predicted) {
  const auto classes = static_cast<std::int64_t>(labels_.size());
  for (const std::int64_t label : {truth, predicted}) {
    if (label < 0 || label >= classes) {
      throw tapegrad::IndexError("confusion matrix: class " + std::to_string(label) +
                                 " is out of range for " + std::to_string(classes) + " classes");
    }
  }
  ++counts_[static_cast<std::size_t>(truth * classes + predicted)];
}

std::int64_t ConfusionMatrix::count(std::int64_t truth, std::int64_t predicted) const {
  const auto classes = static_cast<std::int64_t>(labels_.size());
  return counts_.at(static_cast<std::size_t>(truth * classes + predicted));
}

std::int64_t ConfusionMatrix::total() const {
  std::int64_t sum = 0;
  for (const std::int64_t count : counts_) sum += count;
  return sum;
}

std::int64_t ConfusionMatrix::correct() const {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < labels_.size(); ++i) sum += counts_[i * labels_.size() + i];
  return sum;
}

double ConfusionMatrix::accuracy() const { return share(correct(), total()); }

ClassScore ConfusionMatrix::score(std::int64_t label) const {
  ClassCounts counts{.right = count(label, label)};
  for (std::int64_t other = 0; other < std::ssize(labels_); ++other) {
    counts.predicted += count(other, label);
    counts.texts += count(label, other);
  }
  return score_of(counts);
}

ClassScore ConfusionMatrix::mean_score() const {
  std::vector<ClassScore> scores;
  for (std::int64_t label = 0; label < std::ssize(labels_); ++label) scores.push_back(score(label));
  return mean_of(scores);
}

void print_report(std::ostream& out, const ConfusionMatrix& matrix, std::string_view split,
                  std::optional<double> calibration_error) {
  constexpr std::size_t kWidestMatrix = 20;
  print_scores(out, matrix);
  if (matrix.labels().size() <= kWidestMatrix) {
    print_confusion(out, matrix);
  } else {
    print_largest_confusions(out, matrix);
  }
  if (calibration_error) {
    out << "expected calibration error: " << fixed(*calibration_error, 3) << " (15 bins)\n";
  }
  const Interval interval = wilson_interval(matrix.correct(), matrix.total());
  out << "95 % interval of the accuracy: " << fixed(interval.low, 3) << " to "
      << fixed(interval.high, 3) << " (" << matrix.correct() << " of " << matrix.total()
      << " right)\n";
  out << split << " accuracy " << fixed(matrix.accuracy(), 3) << " (n=" << matrix.total() << ")\n";
}

MetricsLog::MetricsLog(std::string path) : path_(std::move(path)) {
  errno = 0;
  file_.open(path_, std::ios::binary);
  if (!file_) throw tapegrad::IoError(path_ + ": cannot write: " + std::strerror(errno));
}

void MetricsLog::write(const EpochMetrics& metrics) {
  nlohmann::ordered_json line;
  if (metrics.search) line["search"] = *metrics.search;
  line["epoch"] = metrics.epoch;
  line["train_loss"] = metrics.train_loss;
  line["train_accuracy"] = metrics.train_accuracy;
  if (metrics.test_loss) line["test_loss"] = *metrics.test_loss;
  if (metrics.test_accuracy) line["test_accuracy"] = *metrics.test_accuracy;
  if (metrics.held_out_loss) line["held_out_loss"] = *metrics.held_out_loss;
  line["seconds"] = metrics.seconds;
  write_lines(line.dump() + '\n');
}

void MetricsLog::write_lines(const std::string& lines) {
  text_ += lines;
  errno = 0;
  file_ << lines << std::flush;
  if (!file_) throw tapegrad::IoError(path_ + ": cannot write: " + std::strerror(errno));
}

}  // namespace text_classifier
