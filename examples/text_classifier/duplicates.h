// Texts that occur more than once: in the training and the test file, or with different labels.
// Read next: duplicates.cc.
#pragma once

#include <iosfwd>

#include "text_classifier/splits.h"

namespace text_classifier {

// Tells, in one line for each kind and with an example, how many texts of texts.test and texts.dev
// the training texts hold too, and how many training texts occur with other labels. Texts are the
// same if they differ only in spaces and in the case of the letters A to Z.
//
// With `remove`, it removes the training texts that texts.test or texts.dev holds, and those that
// occur with different labels, all of them. FormatError if no text or only one label is left.
void tell_duplicates(std::ostream& out, Texts& texts, bool remove);

}  // namespace text_classifier
