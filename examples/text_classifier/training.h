// The commands that train: train, and what suspects needs. Read next: training.cc.
#pragma once

#include "text_classifier/settings.h"
#include "text_classifier/splits.h"

namespace text_classifier {

// Trains, reports each epoch on standard error, prints the report on the test file on standard
// output, and writes the model and the metrics into settings.out. It reads all files, and throws
// the errors in them, before it writes anything. With settings.folds it cross-validates, and writes
// no files. With settings.resume it continues a run that was stopped.
//
// Returns 0, or the number of the signal that stopped the run: a checkpoint is written then, or the
// model if the signal arrived after the last batch.
int train(const TrainSettings& settings);

// The training texts of a run without other files, checked and cut to settings.train_limit.
// Requires checked() settings.
Texts read_training_texts(const TrainSettings& settings);

}  // namespace text_classifier
