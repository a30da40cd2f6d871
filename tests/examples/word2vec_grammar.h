// A text whose structure is known, for the tests of programs that learn word vectors. Read next:
// word2vec_test.cc.
#pragma once

#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/generator.h>

#include <cstdint>
#include <string>

#include "common/alias_table.h"

namespace example_test {

inline constexpr int kCategories = 12;
inline constexpr int kWordsOfCategory = 8;

// Sentences of a probabilistic grammar: a category is followed by one of three others, and each of
// its words is as likely as the others. `c3w5` is a word of category 3.
inline std::string grammar(int sentences) {
  tapegrad::Generator generator(11);
  const auto below = [&](int n) { return static_cast<int>(examples::draw_below(n, generator)); };
  std::string text;
  for (int s = 0; s < sentences; ++s) {
    int category = below(kCategories);
    for (int i = 0; i < 12; ++i) {
      text += "c" + std::to_string(category) + "w" + std::to_string(below(kWordsOfCategory)) + " ";
      constexpr int kSteps[] = {1, 4, 9};
      category = (category + kSteps[below(3)]) % kCategories;
    }
    text.back() = '\n';
  }
  return text;
}

// How many of the words' nearest neighbors are in their category.
inline double share_of_right_neighbors(const tapegrad::nn::WordVectors& vectors) {
  const tapegrad::Tensor unit = vectors.unit_vectors();
  const tapegrad::Tensor nearest =
      topk(matmul(unit, transpose(unit, 0, 1)), 2, 1).indices;  // the first is the word itself
  int right = 0;
  const auto category = [&](std::int64_t row) {
    const std::string& word = vectors.words()[static_cast<std::size_t>(row)];
    return word.substr(0, word.find('w'));
  };
  for (std::int64_t row = 0; row < vectors.size(); ++row) {
    right += category(row) == category(nearest.item<std::int64_t>({row, 1})) ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(vectors.size());
}

}  // namespace example_test
