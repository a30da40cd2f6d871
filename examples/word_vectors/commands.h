// The commands that print. Each reads what it needs, then prints to standard output. Read next:
// commands.cc.
#pragma once

#include <tapegrad/nn/text/similarity.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "word_vectors/confidence.h"

namespace word_vectors {

// What all commands read.
struct Source {
  std::string path;
  std::optional<std::int64_t> max_words = std::nullopt;
};

struct NeighborsSettings {
  Source source;  // an empty path: neighbors in vectors of the text of `confidence`
  std::vector<std::string> words;
  std::int64_t k = 10;
  tg::nn::WordMetric metric = tg::nn::WordMetric::cosine;
  std::optional<ConfidenceSettings> confidence = std::nullopt;
};

// The words nearest to each word; with `confidence`, also how often they stay. Returns the signal
// that stopped it, or 0. ValueError for a word without a vector.
int neighbors(const NeighborsSettings& settings);

// "a is to b as c is to ...": the k best answers.
void analogy(const Source& source, const std::vector<std::string>& abc, std::int64_t k);

// Cosine and Euclidean distance of each pair of these words.
void distance(const Source& source, const std::vector<std::string>& words);

struct EvalSettings {
  Source source;
  std::vector<std::string> similarity;  // files in the format of WordSim-353
  std::vector<std::string> analogies;   // files in the format of questions-words.txt
  bool fold_case = true;
  std::optional<std::int64_t> most_frequent = std::nullopt;
};

// Scores with 95 % intervals.
void eval(const EvalSettings& settings);

}  // namespace word_vectors
