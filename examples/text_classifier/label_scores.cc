// Counts, and the table of the scores. Read next: unknown_word.h.
#include "text_classifier/label_scores.h"

#include <ostream>
#include <utility>

#include "common/numbers.h"
#include "text_classifier/statistics.h"

namespace text_classifier {

using examples::fixed;

namespace {

std::vector<std::string> row_of(const std::string& name, const ClassScore& score,
                                const std::string& threshold) {
  return {name,      fixed(score.precision, 3),  fixed(score.recall, 3), fixed(score.f1, 3),
          threshold, std::to_string(score.texts)};
}

}  // namespace

LabelScores::LabelScores(std::vector<std::string> labels)
    : labels_(std::move(labels)), counts_(labels_.size()) {}

void LabelScores::add(const std::vector<bool>& truth, const std::vector<bool>& answered) {
  for (std::size_t k = 0; k < counts_.size(); ++k) {
    counts_[k].right += truth[k] && answered[k] ? 1 : 0;
    counts_[k].predicted += answered[k] ? 1 : 0;
    counts_[k].texts += truth[k] ? 1 : 0;
  }
  ++texts_;
  exact_ += truth == answered ? 1 : 0;
}

double LabelScores::exact_share() const { return share(exact_, texts_); }

ClassScore LabelScores::score(std::int64_t label) const {
  return score_of(counts_.at(static_cast<std::size_t>(label)));
}

ClassScore LabelScores::mean_score() const {
  std::vector<ClassScore> scores;
  for (const ClassCounts& counts : counts_) scores.push_back(score_of(counts));
  return mean_of(scores);
}

ClassScore LabelScores::micro_score() const {
  ClassCounts all;
  for (const ClassCounts& counts : counts_) {
    all.right += counts.right;
    all.predicted += counts.predicted;
    all.texts += counts.texts;
  }
  return score_of(all);
}

void print_report(std::ostream& out, const LabelScores& scores,
                  const std::vector<double>& thresholds, std::string_view split,
                  double calibration_error) {
  TextTable table{{"label", "precision", "recall", "F1", "threshold", "texts"}};
  for (std::size_t k = 0; k < scores.labels().size(); ++k) {
    table.push_back(row_of(shortened(scores.labels()[k], 24),
                           scores.score(static_cast<std::int64_t>(k)), fixed(thresholds[k], 3)));
  }
  table.push_back(row_of("mean (macro)", scores.mean_score(), ""));
  table.push_back(row_of("all together (micro)", scores.micro_score(), ""));
  print_table(out, table);
  out << "expected calibration error: " << fixed(calibration_error, 3)
      << " (15 bins, each label of each text)\n";
  const Interval interval = wilson_interval(scores.exact(), scores.total());
  out << "exactly the right labels: " << fixed(scores.exact_share(), 3) << ", 95 % interval "
      << fixed(interval.low, 3) << " to " << fixed(interval.high, 3) << " (" << scores.exact()
      << " of " << scores.total() << " texts)\n";
  out << split << " micro F1 " << fixed(scores.micro_score().f1, 3) << ", macro F1 "
      << fixed(scores.mean_score().f1, 3) << " (n=" << scores.total() << ")\n";
}

}  // namespace text_classifier
