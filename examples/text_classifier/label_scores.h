// The scores of answers with several labels. Read next: label_scores.cc.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text_classifier/metrics.h"

namespace text_classifier {

// Counts of labels that were answered and of labels that texts have.
class LabelScores {
 public:
  explicit LabelScores(std::vector<std::string> labels);

  // Of one text, an entry for each label.
  void add(const std::vector<bool>& truth, const std::vector<bool>& answered);

  std::int64_t total() const { return texts_; }
  std::int64_t exact() const { return exact_; }  // texts with exactly the right labels
  double exact_share() const;
  ClassScore score(std::int64_t label) const;
  ClassScore mean_score() const;   // mean_of() the labels
  ClassScore micro_score() const;  // of the counts added up over the labels
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  std::vector<std::string> labels_;
  std::vector<ClassCounts> counts_;
  std::int64_t texts_ = 0;
  std::int64_t exact_ = 0;
};

// Prints the scores of each label with its threshold, the share of exactly right texts with its
// interval, and as the last line `test micro F1 0.886, macro F1 0.811 (n=500)`.
void print_report(std::ostream& out, const LabelScores& scores,
                  const std::vector<double>& thresholds, std::string_view split,
                  double calibration_error);

}  // namespace text_classifier
