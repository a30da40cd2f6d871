// A run of the program. Read next: training.cc.
#pragma once

#include "glove/settings.h"

namespace glove {

// Reads the text, counts, learns, saves the vectors, and prints the figures in the last line of
// standard output. Returns the signal that stopped it, or 0. A run that was stopped saves what
// GloVe has learned, if it has begun to train.
int learn(const Settings& settings);

}  // namespace glove
