// Finds how long a model is trained, and its temperature, on texts that are held out. Read next:
// search.cc.
#pragma once

#include <tapegrad/tensor/io/state_dict.h>

#include <cstdint>
#include <string>
#include <vector>

#include "text_classifier/calibration.h"
#include "text_classifier/thresholds.h"

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

// The number of epochs with the smallest loss on the held-out texts, summed over all parts, and
// which of several variants of the training has it. The loss is taken at the best temperature of an
// epoch: a model whose probabilities are only too sure is not a worse one, and its temperature is
// fitted anyway.
//
// All parts train with the first variant, then with the next. The first part trains until the loss
// has not become smaller for some epochs; the others train as many epochs with this variant.
class EpochSearch {
 public:
  static constexpr std::int64_t kMostEpochs = 200;

  // 0 parts: there is nothing to search.
  explicit EpochSearch(std::int64_t parts, std::int64_t variants = 1)
      : parts_(parts),
        curves_(static_cast<std::size_t>(variants)),
        counts_(static_cast<std::size_t>(variants)) {}

  bool done() const { return run_ >= runs(); }
  std::int64_t part() const { return run_ % parts_; }     // from 0
  std::int64_t variant() const { return run_ / parts_; }  // from 0
  std::int64_t parts() const { return parts_; }
  std::int64_t run() const { return run_; }  // of a part with a variant, from 0
  std::int64_t runs() const { return parts_ * std::ssize(curves_); }

  // After each epoch of a run: the losses on its held-out texts. False: the run has ended.
  // For texts with several labels, also the counts that give the thresholds.
  bool look_at(const TemperatureCurve& curve, const ThresholdCounts& counts = {});
  void next_run();

  std::int64_t epochs() const;        // at least 1
  std::int64_t best_variant() const;  // from 0
  double loss() const;                // of these
  double temperature() const;
  std::vector<double> thresholds() const;  // empty without counts
  std::int64_t texts() const;              // held out in all parts

  // FormatError if a state does not fit.
  tapegrad::StateDict state_dict() const;
  void load_state_dict(const tapegrad::StateDict& state);

 private:
  using Curves = std::vector<TemperatureCurve>;  // of each epoch, added up over the parts
  static std::size_t best_of(const Curves& curves);
  void require_reachable(std::int64_t run, std::int64_t seen,
                         const std::vector<Curves>& curves) const;
  const TemperatureCurve& best() const;  // of all

  std::int64_t parts_;
  std::int64_t run_ = 0;
  std::int64_t seen_ = 0;                             // epochs of this run
  std::vector<Curves> curves_;                        // of each variant
  std::vector<std::vector<ThresholdCounts>> counts_;  // the same epochs
};

// The temperature of a curve, drawn toward 1 if there are few texts: ten texts that are all right
// would give a temperature that makes every answer certain.
double cautious_temperature(const TemperatureCurve& curve);

}  // namespace text_classifier
