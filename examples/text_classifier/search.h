// Finds how long a model is trained, and its temperature, on texts that are held out.
// Read next: trainer.h.
#pragma once

#include <tapegrad/tensor/io/state_dict.h>

#include <cstdint>
#include <string>
#include <vector>

#include "text_classifier/calibration.h"

namespace text_classifier {

// Parts of the texts, held out in turn. Each has its share of every class.
//
// The parts of many texts are tenths, and only the first is used. Of fewer texts than kManyTexts
// a tenth is too small to decide anything: each of five parts is used. Labels (texts) are the
// positions of the classes. A class with one text is never held out. Empty if there are fewer than
// kFewestTexts.
constexpr std::int64_t kManyTexts = 2000;
constexpr std::int64_t kFewestTexts = 20;
std::vector<std::vector<std::int64_t>> held_out_parts(const std::vector<std::int64_t>& labels,
                                                      std::uint64_t seed);

// The number of epochs with the smallest loss on the held-out texts, summed over all parts. The
// loss is taken at the best temperature of an epoch: a model whose probabilities are only too sure
// is not a worse one, and its temperature is fitted anyway.
//
// The first part trains until the loss has not become smaller for some epochs; the others train as
// many epochs.
class EpochSearch {
 public:
  static constexpr std::int64_t kMostEpochs = 100;

  // 0 parts: there is nothing to search.
  explicit EpochSearch(std::int64_t parts) : parts_(parts) {}

  bool done() const { return part_ >= parts_; }
  std::int64_t part() const { return part_; }  // from 0
  std::int64_t parts() const { return parts_; }

  // After each epoch of a part: the losses on its held-out texts. False: the part has ended.
  bool look_at(const TemperatureCurve& curve);
  void next_part();

  std::int64_t epochs() const;  // at least 1
  double loss() const;          // of this epoch
  double temperature() const;
  std::int64_t texts() const;  // held out in all parts

  // FormatError if a state does not fit.
  tapegrad::StateDict state_dict() const;
  void load_state_dict(const tapegrad::StateDict& state);

 private:
  std::size_t best() const;  // its position in curves_

  std::int64_t parts_;
  std::int64_t part_ = 0;
  std::int64_t seen_ = 0;                 // epochs of this part
  std::vector<TemperatureCurve> curves_;  // of each epoch, added up over the parts
};

// The temperature of a curve, drawn toward 1 if there are few texts: ten texts that are all right
// would give a temperature that makes every answer certain.
double cautious_temperature(const TemperatureCurve& curve);

}  // namespace text_classifier
