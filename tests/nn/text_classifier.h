// The model that golden/README.md calls text_classifier: a table, a recurrent cell that reads every
// token, and a linear layer on its last state. Read next: training_test.cc.
#pragma once

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/rnn_cell.h>

struct TextClassifier : tapegrad::nn::Module {
  tapegrad::nn::Embedding embedding;
  tapegrad::nn::RNNCell cell;
  tapegrad::nn::Linear head;

  TextClassifier(std::int64_t vocab, std::int64_t dim, std::int64_t hidden, std::int64_t classes)
      : embedding(
            register_module("embedding", tapegrad::nn::Embedding(vocab, dim, {.padding_idx = 0}))),
        cell(register_module("cell", tapegrad::nn::RNNCell(dim, hidden))),
        head(register_module("head", tapegrad::nn::Linear(hidden, classes))) {}

  // (batch, steps) int64 -> (batch, classes)
  tapegrad::Variable operator()(const tapegrad::Tensor& tokens) const {
    const tapegrad::Variable x = embedding(tokens);             // (batch, steps, dim)
    tapegrad::Variable h = cell.initial_state(tokens.size(0));  // (batch, hidden)
    for (std::int64_t t = 0; t < tokens.size(1); ++t) h = cell(select(x, 1, t), h);
    return head(h);
  }
};
