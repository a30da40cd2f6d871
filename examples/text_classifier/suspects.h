// The command that finds texts whose label is probably wrong. Read next: suspects.cc.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "text_classifier/corpus.h"
#include "text_classifier/settings.h"
#include "text_classifier/targets.h"

namespace text_classifier {

// A text whose label models that were not trained on it contradict.
struct Suspect {
  std::size_t row = 0;         // in corpus.rows
  double given = 0;            // the probability of its label
  std::int64_t predicted = 0;  // the most probable class
  double probability = 0;      // of that class
};

// The texts whose most probable class is not their label, by increasing probability of the label.
// `probabilities` (texts, classes) come from models that were not trained on the text.
std::vector<Suspect> suspects_among(const std::vector<std::int64_t>& labels,
                                    const tg::Tensor& probabilities);

// A label of a text with several, or one that it does not have, that the models contradict.
struct LabelSuspect {
  std::size_t row = 0;    // in corpus.rows
  std::size_t label = 0;  // its position
  bool given = false;     // whether the text has the label
  double probability = 0;
};

// The labels that are given with a probability below 0.5, or not given with one of 0.5 or more; the
// most contradicted one comes first. targets (texts, classes) as in targets.h.
std::vector<LabelSuspect> suspects_among_labels(const tg::Tensor& targets,
                                                const tg::Tensor& probabilities);

struct SuspectsOptions {
  TrainSettings training;
  std::int64_t count = 20;
  bool json = false;
};

// Cross-validates, with training.folds or 5 folds, and prints the suspects.
void suspects(const SuspectsOptions& options);

}  // namespace text_classifier
