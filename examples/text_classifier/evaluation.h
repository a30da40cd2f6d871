// The predictions of a trained model, and how good they are. Read next: evaluation.cc.
#pragma once

#include <tapegrad/nn/data/dataset.h>

#include <string>
#include <vector>

#include "text_classifier/calibration.h"
#include "text_classifier/corpus.h"
#include "text_classifier/metrics.h"
#include "text_classifier/trained.h"

namespace text_classifier {

// The texts as ids, and the positions of their labels in trained.labels. Throws FormatError with
// the line of a label that is not in trained.labels.
tg::nn::SequenceDataset examples_of(const Trained& trained, const Corpus& corpus);

struct Score {
  double loss = 0;  // the mean cross entropy
  ConfusionMatrix matrix;
  CalibrationBins calibration{};
};

// They leave the model in eval mode, and draw nothing from the default generator.
Score score(const Trained& trained, const tg::nn::SequenceDataset& examples);
// How the loss depends on the temperature, whatever that of the model is.
TemperatureCurve temperature_curve(const Trained& trained, const tg::nn::SequenceDataset& examples);
// The probability of each class for each text, (texts, classes) float32, contiguous. The texts come
// from trained.ids(). Several threads may call it, if the model is in eval mode, as after load().
tg::Tensor probabilities(const Trained& trained, const std::vector<tg::Tensor>& texts);

}  // namespace text_classifier
