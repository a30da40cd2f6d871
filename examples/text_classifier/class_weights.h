// How much the texts of each class count: --class-weights. Read next: class_weights.cc.
#pragma once

#include <string>
#include <vector>

#include "text_classifier/corpus.h"

namespace text_classifier {

// What `--class-weights balanced` says in place of a file.
inline constexpr const char* kBalanced = "balanced";

// The weight of each label. `balanced`: texts / (labels * texts of this label), so that every class
// counts the same (King and Zeng 2001); for a corpus with several labels, the texts without this
// label for each one with it. A label that no text has weighs 1. Otherwise `how` is a file with a
// label and its weight on each line, with a tab, a comma, an equals sign or spaces between them;
// labels that it does not name weigh 1. FormatError with its line for a label that `labels` does
// not have, one that comes twice, or a weight that is not a number of 0 or more; IoError, which
// begins with `operation`, if it cannot be read.
std::vector<double> class_weights(const std::string& how, const Corpus& corpus,
                                  const std::vector<std::string>& labels, const char* operation);

}  // namespace text_classifier
