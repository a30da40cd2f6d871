// The words of the training texts: the vocabulary, the texts as ids, and the vectors to start from.
// Read next: training_words.cc.
#pragma once

#include <tapegrad/nn/text/vocabulary.h>
#include <tapegrad/nn/text/word_vectors.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text_classifier/corpus.h"
#include "text_classifier/settings.h"

namespace text_classifier {

// The words of each text.
using Tokens = std::vector<std::vector<std::string>>;

struct TrainingWords {
  tg::nn::Vocabulary vocabulary;
  Tokens texts;                                // only if characters are read
  std::vector<std::vector<std::int64_t>> ids;  // of each text
  std::optional<tg::nn::WordVectors> vectors;  // of some words
};

// The first max_length words of each text; the others are not read. N-grams are added later.
Tokens tokens_of(const Corpus& corpus, std::int64_t max_length);

// Requires settings.ngrams. Reads settings.vectors; its errors begin with settings.command.
TrainingWords read_words(Tokens texts, const TrainSettings& settings);

// The word of each id. Padding gets an empty name, so no vector of a file replaces its zeros.
std::vector<std::string> names_of(const tg::nn::Vocabulary& vocabulary);

// The weights of words by the number of texts that contain them: the inverse document frequency,
// log((1 + texts) / (1 + texts with the word)) + 1 (Sparck Jones 1972, smoothed as scikit-learn
// does), to this power. They are divided by a constant, so that their mean square over all words of
// the texts is 1. The rows of character n-grams, which follow, have the weight 1. Undefined if the
// texts have no words.
tg::Tensor word_weights(const TrainingWords& words, double power, std::int64_t buckets);

}  // namespace text_classifier
