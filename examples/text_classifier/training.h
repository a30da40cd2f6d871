// Training. Read next: trainer.h.
#pragma once

#include "text_classifier/settings.h"

namespace text_classifier {

// Trains, reports each epoch on standard error, prints the report on the test file on standard
// output, and writes the model, settings and metrics into settings.out. Files are read, and errors
// in them thrown, before anything is written. With settings.folds it trains as many models, each
// without a part of the texts, tests it on that part, and prints the accuracies, their mean and
// their spread; nothing is written.
void train(const TrainSettings& settings);

}  // namespace text_classifier
