// A model before its training. Read next: initial_model.cc.
#pragma once

#include <string>
#include <vector>

#include "text_classifier/trained.h"
#include "text_classifier/training_words.h"

namespace text_classifier {

// A model for these words and classes. Its weights are random, by settings.seed, which also becomes
// the seed of the default generator; known words start from words.vectors. `shares` are those of
// the classes in the training texts, see shares_of().
Trained initial_model(const TrainSettings& settings, const TrainingWords& words,
                      const std::vector<std::string>& labels, const std::vector<double>& shares);

}  // namespace text_classifier
