// The training loop, and what a run prints and saves. Read next: training.cc.
#pragma once

#include <string>

#include "language_model/program.h"
#include "language_model/settings.h"

namespace language_model {

struct Files {
  std::string input;  // the text
  std::string model;
};

// Trains a model on the text and saves it. Returns the signal that stopped it, or 0; then what it
// has learned so far is saved.
int train(Program& program, const TrainSettings& settings, const Files& files);

// Continues the run that saved files.model, with its settings, on the same text (ValueError for
// another one). A run that was stopped ends as it would have without the stop, up to rounding.
// `epochs`: their new number, or 0 for that of the run.
int resume(Program& program, std::int64_t epochs, const Files& files);

}  // namespace language_model
