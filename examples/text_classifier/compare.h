// The command that compares two models on the same texts. Read next: compare.cc.
#pragma once

#include <string>

#include "text_classifier/class_files.h"
#include "text_classifier/settings.h"
#include "text_classifier/statistics.h"

namespace text_classifier {

struct CompareOptions {
  std::string model;  // folder
  std::string other;  // folder of the second model
  Files test;
  ReadingOptions reading;
};

// Prints how often both models, one of them and none was right, their accuracies, the difference
// with its interval, and McNemar's test. Of several labels, all must be right; F1 is printed, too.
// ValueError if only one of the models gives several labels; FormatError with the line of a label
// that one of the models does not know.
void compare(const CompareOptions& options);

}  // namespace text_classifier
