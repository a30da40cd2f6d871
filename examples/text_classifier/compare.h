// The command that compares two models on the same texts. Read next: explain.h.
#pragma once

#include <string>

#include "text_classifier/columns.h"
#include "text_classifier/statistics.h"

namespace text_classifier {

// Prints how often both models, one of them and none was right, their accuracies, the difference
// with its interval, and McNemar's test. FormatError with the line of a label that one of the
// models does not know.
void compare(const std::string& first, const std::string& second, const std::string& file,
             Reading reading);

}  // namespace text_classifier
