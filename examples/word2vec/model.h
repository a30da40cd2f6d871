// The models: a table of vectors, and what predicts words from them. Read next: loss.h.
#pragma once

#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/hierarchical_softmax.h>
#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/ops.h>

#include <cstdint>

#include "word2vec/loss.h"
#include "word2vec/settings.h"

namespace word2vec {

// `input` has the vectors that a run saves. As in word2vec.c, they are drawn from
// [-0.5 / dim, 0.5 / dim), and what predicts words begins as 0.
struct Model : tg::nn::Module {
  tg::nn::Embedding input;

  // `rows`: of the words, and of their n-grams.
  Model(std::int64_t rows, std::int64_t dim, tg::Generator& generator)
      : input(register_module(
            "input", tg::nn::Embedding(rows, dim, {.weight = drawn(rows, dim, generator)}))) {}

  // The sum over all predictions of a batch.
  virtual tg::Variable loss(const Batch& batch) const = 0;

 private:
  static tg::Tensor drawn(std::int64_t rows, std::int64_t dim, tg::Generator& generator) {
    tg::Tensor weight = tg::rand({rows, dim}, tg::float32, generator);
    weight -= 0.5;  // in place: a table may take much of the memory
    weight /= static_cast<double>(dim);
    return weight;
  }
};

// Each word has a second vector, which predicts it.
struct NegativeSampling final : Model {
  tg::nn::Embedding output;
  bool simple;

  NegativeSampling(std::int64_t words, std::int64_t rows, const Settings& settings,
                   tg::Generator& generator)
      : Model(rows, settings.dim, generator),
        output(register_module(
            "output",
            tg::nn::Embedding(words, settings.dim, {.weight = tg::zeros({words, settings.dim})}))),
        simple(settings.simple_loss) {}

  tg::Variable loss(const Batch& batch) const override {
    const auto chosen = simple ? simple_loss : fused_loss;
    return chosen(input.weight, output.weight, batch);
  }
};

// Each node of a binary tree has a vector, and a word is the path to its leaf.
struct HierarchicalSoftmax final : Model {
  tg::nn::HierarchicalSoftmax tree;

  HierarchicalSoftmax(const std::vector<std::int64_t>& counts, std::int64_t rows,
                      const Settings& settings, tg::Generator& generator)
      : Model(rows, settings.dim, generator),
        tree(register_module(
            "tree", tg::nn::HierarchicalSoftmax(counts, settings.dim, {.reduction = "sum"}))) {}

  tg::Variable loss(const Batch& batch) const override {
    return tree(predicting_rows(input.weight, batch), select(predicted_words(batch), 1, 0));
  }
};

}  // namespace word2vec
