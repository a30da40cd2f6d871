// The loss of GloVe. Read next: loss.cc.
#pragma once

#include <tapegrad/autograd/variable.h>

#include <cstdint>

namespace glove {

namespace tg = tapegrad;

// Elements of the matrix of counts X.
struct Batch {
  tg::Tensor words;       // (elements) int64: rows of X
  tg::Tensor contexts;    // (elements) int64: columns of X
  tg::Tensor log_counts;  // (elements) float32: log X
  tg::Tensor weights;     // (elements) float32: f(X)

  std::int64_t size() const { return words.numel(); }
};

// What is learned: w and b of the words, w~ and b~ of the contexts.
struct Tables {
  const tg::Variable& word;          // (words, dim)
  const tg::Variable& context;       // (words, dim)
  const tg::Variable& word_bias;     // (words, 1)
  const tg::Variable& context_bias;  // (words, 1)
};

// 1/2 the sum over the elements of f(X) (w . w~ + b + b~ - log X)^2 (Pennington, Socher and Manning
// 2014, equation 8). The gradients of the tables are row-sparse.
tg::Variable weighted_squares(const Tables& tables, const Batch& batch);

}  // namespace glove
