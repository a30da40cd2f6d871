// The model: two tables. Read next: training.h.
#pragma once

#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/ops.h>

#include <cstdint>

#include "word2vec/loss.h"

namespace word2vec {

// Each word has two vectors: `input` represents it, and is what a run saves; `output` predicts it.
struct Model : tg::nn::Module {
  tg::nn::Embedding input;
  tg::nn::Embedding output;

  // As in word2vec.c: the inputs are drawn from [-0.5 / dim, 0.5 / dim), the outputs begin as 0.
  Model(std::int64_t words, std::int64_t dim, tg::Generator& generator)
      : input(register_module(
            "input",
            tg::nn::Embedding(words, dim, {.weight = first_inputs(words, dim, generator)}))),
        output(register_module(
            "output", tg::nn::Embedding(words, dim, {.weight = tg::zeros({words, dim})}))) {}

 private:
  static tg::Tensor first_inputs(std::int64_t words, std::int64_t dim, tg::Generator& generator) {
    return (tg::rand({words, dim}, tg::float32, generator) - 0.5) / static_cast<double>(dim);
  }
};

}  // namespace word2vec
