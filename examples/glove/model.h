// The tables that GloVe learns. Read next: loss.h.
#pragma once

#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <cstdint>

#include "glove/loss.h"

namespace glove {

// Each word has a vector and a bias as a word, and another of each as a context. As in the program
// of GloVe's authors, all are drawn from [-0.5 / dim, 0.5 / dim).
struct Model : tg::nn::Module {
  tg::nn::Embedding word, context;            // (words, dim)
  tg::nn::Embedding word_bias, context_bias;  // (words, 1)

  Model(std::int64_t words, std::int64_t dim, tg::Generator& generator)
      : word(register_module("word", drawn(words, dim, dim, generator))),
        context(register_module("context", drawn(words, dim, dim, generator))),
        word_bias(register_module("word_bias", drawn(words, 1, dim, generator))),
        context_bias(register_module("context_bias", drawn(words, 1, dim, generator))) {}

  Tables tables() const {
    return {word.weight, context.weight, word_bias.weight, context_bias.weight};
  }

 private:
  static tg::nn::Embedding drawn(std::int64_t words, std::int64_t width, std::int64_t dim,
                                 tg::Generator& generator) {
    return {words,
            width,
            {.weight = (tg::rand({words, width}, tg::float32, generator) - 0.5) /
                       static_cast<double>(dim)}};
  }
};

}  // namespace glove
