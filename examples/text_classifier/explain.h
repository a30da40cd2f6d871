// The command that says which words speak for a class. Read next: explain.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text_classifier/trained.h"

namespace text_classifier {

// What a word or an n-gram adds to the score of a class. The score is the logit of the class minus
// the mean of the logits of all classes, because a number that all logits share changes no
// probability; for a model with several labels it is the logit itself. The logits are divided by
// the temperature, as for the probabilities.
struct Contribution {
  std::string token;
  double value = 0;
};

struct Explanation {
  std::vector<Contribution> tokens;  // in the order of the text, then the n-grams
  double score = 0;
  double rest = 0;  // the score minus the sum of the contributions; for a bag, the bias
};

// The gradient of the score with respect to each word vector, times this vector. The score of a bag
// is linear in the vectors, so this is exactly what each of them adds. For other architectures it
// is an approximation, and `rest` is what it leaves out.
Explanation explanation_of(const Trained& trained, std::string_view text, std::int64_t label);

// For each class, the words and n-grams that, as the only one in a text, raise its score most above
// that of a text without words. The strongest comes first.
std::vector<std::vector<Contribution>> strongest_tokens(const Trained& trained, std::int64_t count);

struct ExplainOptions {
  std::string model;               // folder
  std::vector<std::string> texts;  // empty: explains the model as a whole
  std::string label;               // empty: the predicted one, or all that are predicted
  std::int64_t count = 10;
};

// Prints the explanation of each text, or the strongest tokens of each class.
void explain(const ExplainOptions& options);

}  // namespace text_classifier
