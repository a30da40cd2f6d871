// Models that are each tested on another fold of the texts. Read next: cross_validation.cc.
#pragma once

#include "text_classifier/settings.h"
#include "text_classifier/splits.h"

namespace text_classifier {

// Trains settings.folds models, each without one fold of texts.train, tests it on this fold, and
// prints the accuracies, their mean with its interval and their standard deviation.
void cross_validate(const TrainSettings& settings, const Texts& texts);

// What these models say about the texts (texts, classes), each about the texts that it was not
// trained on.
tg::Tensor cross_validated_probabilities(const TrainSettings& settings, const Texts& texts);

}  // namespace text_classifier
