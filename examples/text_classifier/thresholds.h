// How probable a label must be before it is answered, if a text may have several. Read next:
// thresholds.cc.
#pragma once

#include <tapegrad/tensor/tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace text_classifier {

namespace tg = tapegrad;

// How many held-out texts with and without each label have a logit in each of some intervals. From
// them, the threshold of each label is the one with the largest F1 on these texts. They take the
// place of all logits, which would need much more memory, and can be added up.
class ThresholdCounts {
 public:
  // Intervals of 0.1 between the logits -4 and 4, and those below and above.
  static constexpr std::size_t kBins = 82;

  // logits and targets (texts, classes); targets are 0 or 1
  void add(const tg::Tensor& logits, const tg::Tensor& targets);
  void add(const ThresholdCounts& other);

  // Of the probabilities sigmoid(logit / temperature). A label that few texts have gets a threshold
  // near 0.5: its logit is multiplied by texts / (texts + 10). Empty if there are no counts.
  std::vector<double> thresholds(double temperature) const;

  // For a checkpoint.
  const std::vector<std::int64_t>& state() const { return counts_; }
  // FormatError if there are not as many numbers as some classes need, and for a number that is
  // negative or above 2^32.
  static ThresholdCounts from_state(std::vector<std::int64_t> state);

 private:
  // For each class, the texts without and the texts with the label: (classes, 2, kBins).
  std::vector<std::int64_t> counts_;
};

}  // namespace text_classifier
