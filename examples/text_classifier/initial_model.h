// A model before its training. Read next: initial_model.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text_classifier/trained.h"
#include "text_classifier/training_words.h"

namespace text_classifier {

// A model for these words and classes. Its weights are random, by settings.seed, which also becomes
// the seed of the default generator; known words start from words.vectors. `classes` are the
// classes of the training texts.
Trained initial_model(const TrainSettings& settings, const TrainingWords& words,
                      const std::vector<std::string>& labels,
                      const std::vector<std::int64_t>& classes);

// The share of each class, from the classes of the texts.
std::vector<double> shares_of(const std::vector<std::int64_t>& classes, std::size_t count);

}  // namespace text_classifier
