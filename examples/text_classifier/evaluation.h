// The predictions of a trained model, and how good they are. Read next: evaluation.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text_classifier/calibration.h"
#include "text_classifier/corpus.h"
#include "text_classifier/label_scores.h"
#include "text_classifier/metrics.h"
#include "text_classifier/targets.h"
#include "text_classifier/thresholds.h"
#include "text_classifier/trained.h"

namespace text_classifier {

// The texts as ids, and their targets_of() and weights. Throws FormatError with the line of a label
// that is not in trained.labels.
LabeledTexts examples_of(const Trained& trained, const Corpus& corpus, tg::Tensor weights = {});

// How good the answers of a model are. Weights do not count.
struct Score {
  double loss = 0;                                   // the mean loss; see loss_of()
  ConfusionMatrix matrix;                            // of a model whose texts have one label
  std::optional<LabelScores> labels = std::nullopt;  // of one whose texts may have several
  CalibrationBins calibration{};                     // of the answer, or of each label

  // The share of the texts whose label, or all of whose labels, are right.
  double accuracy() const { return labels ? labels->exact_share() : matrix.accuracy(); }
};

// Both leave the model in eval mode, and draw nothing from the default generator.
Score score(const Trained& trained, const LabeledTexts& examples);
void print_report(std::ostream& out, const Score& score, const Trained& trained,
                  std::string_view split);

// What held-out texts say about a model at temperature 1: how the weighted loss depends on the
// temperature, and for several labels the counts that give the thresholds.
struct HeldOut {
  TemperatureCurve curve;
  ThresholdCounts counts{};
};
HeldOut held_out_answers(const Trained& trained, const LabeledTexts& examples);

// The probability of each class for each text, (texts, classes) float32, contiguous. The texts come
// from trained.ids(). Several threads may call it, if the model is in eval mode, as after load().
tg::Tensor probabilities(const Trained& trained, const std::vector<tg::Tensor>& texts);

// Whether a label with this probability is an answer, if a text may have several.
inline bool is_answered(const Trained& trained, std::size_t label, double probability) {
  return probability >= trained.answering.thresholds[label];
}

}  // namespace text_classifier
