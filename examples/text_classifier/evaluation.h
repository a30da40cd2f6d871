// A trained model asked for its answers. Read next: settings.h.
#pragma once

#include <tapegrad/nn/data/dataset.h>

#include <string>
#include <vector>

#include "text_classifier/corpus.h"
#include "text_classifier/metrics.h"
#include "text_classifier/trained.h"

namespace text_classifier {

// The texts as the model reads them, and the positions of their labels in trained.labels.
// FormatError with the line of a label that is not among them.
tg::nn::SequenceDataset examples_of(const Trained& trained, const Corpus& corpus);

struct Score {
  double loss = 0;  // the mean cross entropy
  ConfusionMatrix matrix;
};

// These two leave the model in eval mode, and draw nothing from the default generator.
Score score(Trained& trained, const tg::nn::SequenceDataset& examples);
// Probabilities of all classes for each text of trained.ids(), (texts, classes).
tg::Tensor probabilities(Trained& trained, std::vector<tg::Tensor> texts);

}  // namespace text_classifier
