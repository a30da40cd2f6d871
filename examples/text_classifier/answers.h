// The command that classifies texts: arguments, or the lines of a stream. Read next: answers.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace text_classifier {

struct PredictOptions {
  std::string model;                // folder
  std::vector<std::string> texts;   // empty: the lines of `file`
  std::string file;                 // empty or `-`: standard input
  std::int64_t top = 1;             // labels for each text
  bool all = false;                 // all labels
  bool json = false;                // one JSON object for each text
  std::optional<double> threshold;  // abstain if no label is as probable
};

// Prints one line for each text or line of input, also for a blank one: `LABEL  0.987  text`. With
// `top`, more labels and probabilities follow the first, by decreasing probability. The label is
// `(unsure)` if its probability is less than the threshold. A model with several labels prints all
// that have at least their threshold, or options.threshold, and `(none)` if there is none. A line
// that is not a text is answered with `(error)` and the reason.
//
// Answers are written before the next line is waited for. ValueError at the end if there was a line
// with an error; IoError if the input cannot be read.
void predict(const PredictOptions& options);

}  // namespace text_classifier
