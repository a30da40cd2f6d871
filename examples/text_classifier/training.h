// The command that trains a model. Read next: trainer.h.
#pragma once

#include <string>
#include <vector>

#include "text_classifier/corpus.h"
#include "text_classifier/settings.h"

namespace text_classifier {

// Trains, reports each epoch on standard error, prints the report on the test file on standard
// output, and writes the model and the metrics into settings.out. It reads all files, and throws
// the errors in them, before it writes anything. With settings.folds it cross-validates: it trains
// as many models, each without one part of the texts, tests it on this part, and prints the
// accuracies, their mean with its interval and their standard deviation; it writes no files. With
// settings.resume it continues a run that was stopped.
//
// Returns 0, or the number of the signal that stopped the run: a checkpoint is written then, or the
// model if the signal arrived after the last batch.
int train(const TrainSettings& settings);

// What settings.folds models say about the texts, each about the texts that it was not trained on.
struct CrossValidated {
  Corpus corpus;
  std::vector<std::string> labels;
  tg::Tensor probabilities;  // (texts, classes)
};
CrossValidated cross_validated(const TrainSettings& settings);

}  // namespace text_classifier
