// The vector of unknown words. Read next: unknown_word.cc.
#pragma once

#include <vector>

#include "text_classifier/trained.h"

namespace text_classifier {

// If every word of the training texts has a row of its own, nothing trains the row of unknown
// words. This trains only that row, until texts of unknown words get the probabilities `shares`,
// those of the classes in the training texts: a word that nobody knows says nothing. It does
// nothing if no word vector is trained. Draws no random number. A bag does not need it: its row is
// 0, and its bias gives the shares.
void fit_unknown_word(Trained& trained, const std::vector<double>& shares);

}  // namespace text_classifier
