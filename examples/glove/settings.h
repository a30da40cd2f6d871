// The options of a run, with their defaults. Read next: model.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/cooccurrences.h"
#include "common/corpus.h"
#include "common/ppmi.h"

namespace glove {

// GloVe trains vectors; PPMI-SVD computes them from the same counts.
enum class Method { glove, svd };

struct Settings : examples::CorpusSettings {
  std::string output;
  bool binary = false;
  Method method = Method::glove;
  std::int64_t dim = 100;
  std::int64_t seed = 1;

  std::int64_t window = 5;
  examples::DistanceWeight distance = examples::DistanceWeight::inverse;
  std::int64_t memory = 500'000'000;  // bytes for counts
  std::optional<bool> add_contexts = std::nullopt;

  // GloVe
  double x_max = 10;
  double alpha = 0.75;
  std::int64_t epochs = 25;
  double lr = 0.2;
  std::int64_t batch = 256;

  // PPMI-SVD
  examples::PpmiSettings ppmi;
  double eigenvalue_power = 0.5;
  int iterations = 12;

  // Whether a word's vector is the sum of its two vectors, as in GloVe's paper.
  bool adds_contexts() const { return add_contexts.value_or(method == Method::glove); }
};

}  // namespace glove
