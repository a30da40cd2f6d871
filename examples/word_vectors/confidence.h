// How much a list of neighbors depends on which sentences the text happens to have (Antoniak and
// Mimno 2018, TACL 6): over bootstrap samples of its sentences, vectors are learned again, and the
// neighbors that stay are counted. Read next: confidence.cc.
#pragma once

#include <tapegrad/nn/text/word_vectors.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/cooccurrences.h"
#include "common/corpus.h"

namespace word_vectors {

namespace tg = tapegrad;

struct ConfidenceSettings {
  examples::CorpusSettings text;
  std::int64_t samples = 20;
  std::int64_t dim = 50;
  std::int64_t window = 5;
  std::int64_t seed = 1;
};

// A word of the text, and how often it is among the nearest of another one.
struct WordConfidence {
  std::string word;
  std::int64_t samples = 0;  // in which it is among the nearest
  bool in_whole = false;     // whether it is, in vectors that were learned from the whole text
  std::int64_t count = 0;    // in the text; 0: less than min_count, so it has no vector there
};

struct Confidence {
  std::int64_t samples = 0;           // that were drawn
  std::vector<WordConfidence> words;  // those that are near in most samples first

  WordConfidence of(const std::string& word) const;
  double share(const WordConfidence& word) const {
    return static_cast<double>(word.samples) / static_cast<double>(samples);
  }
};

// A sample of n sentences is n draws with replacement (Efron 1979). Its vectors are those of glove
// --method svd: they take seconds, and the same random start for all samples adds little noise.
class Bootstrap {
 public:
  // Reads the text. Errors as examples::Corpus.
  explicit Bootstrap(const ConfidenceSettings& settings);

  // The vectors of the whole text.
  const tg::nn::WordVectors& vectors();
  // For each of the words: what is among its k nearest by cosine in the samples. ValueError, before
  // the first sample, for a word that the text does not have min_count times. `signal` is the one
  // that stopped it, or 0; then fewer samples were drawn.
  std::vector<Confidence> run(const std::vector<std::string>& words, std::int64_t k, int& signal);

 private:
  void check(const std::vector<std::string>& words) const;
  std::int64_t sentences();
  tg::nn::WordVectors vectors_of(const std::vector<std::int32_t>* times);

  ConfidenceSettings settings_;
  examples::Corpus corpus_;
  std::optional<tg::nn::WordVectors> whole_;  // of the whole text
};

}  // namespace word_vectors
