// The options of a run, with their defaults. Read next: subwords.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/characters.h"
#include "common/corpus.h"
#include "common/ranks.h"

namespace word2vec {

using examples::Sentence;
using examples::Words;

// Skip-gram: each word in the window predicts the word in its middle. CBOW: their mean does.
enum class Architecture { skipgram, cbow };

// What a prediction costs: the word is told from a few others that are drawn at random, or found by
// a path down a tree of all words.
enum class Loss { negative_sampling, hierarchical_softmax };

// Whether each pair of words has negatives of its own, or all pairs with the same middle share
// them.
enum class Negatives { per_pair, shared };

struct Settings : examples::CorpusSettings {
  Settings() { held_out = 0.01; }

  std::string output;

  Architecture arch = Architecture::skipgram;
  Loss loss = Loss::negative_sampling;
  Negatives negatives = Negatives::per_pair;
  std::int64_t dim = 100;
  std::int64_t window = 5;
  std::int64_t negative = 5;  // 0 with hierarchical softmax
  double sample = 1e-3;
  bool sum_gradient = false;        // word2vec.c's CBOW
  examples::Characters subwords{};  // n-grams of characters; by default none

  std::int64_t epochs = 5;
  std::optional<double> lr = std::nullopt;
  std::int64_t batch = 32;
  bool simple_loss = false;  // instead of the fused one
  std::int64_t seed = 1;
  std::int64_t threads = 1;
  bool racy = false;         // threads train on different batches, and do not wait for each other
  std::string checkpoint{};  // empty: none
  bool resume = false;

  bool binary = false;

  examples::Ranks* ranks = nullptr;  // not an option: null if mpirun has not started several

  // fastText takes this one for the mean over n-grams, too.
  bool gradient_of_sum() const { return sum_gradient || subwords.used(); }

  std::string more_words{};  // a file; empty: none

  // 0.025 as in word2vec.c, 0.05 with n-grams as in fastText. The corrected gradient of CBOW is
  // smaller by the number of words in the window, so it takes 0.075, as its authors do.
  double rate() const {
    if (subwords.used()) return lr.value_or(0.05);
    return lr.value_or(arch == Architecture::cbow && !sum_gradient ? 0.075 : 0.025);
  }
};

}  // namespace word2vec
