// The training loop, and what a run prints. Read next: training.cc.
#pragma once

#include <cstdint>

#include "word2vec/model.h"
#include "word2vec/settings.h"

namespace word2vec {

// Reads the text, trains, saves the vectors, and prints the figures in the last line of standard
// output. Returns the signal that stopped it, or 0. A run that was stopped saves what it has
// learned, if it has begun to train.
int train(const Settings& settings);

}  // namespace word2vec
