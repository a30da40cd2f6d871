#include "text_classifier/model.h"

namespace text_classifier {

Classifier::Classifier(const ModelSettings& settings)
    : embedding(register_module("embedding",
                                tg::nn::Embedding(settings.vocabulary, settings.dim,
                                                  {.padding_idx = 0, .sparse = settings.sparse}))),
      recurrent_(settings.arch == "rnn"),
      dropout_(register_module("dropout", tg::nn::Dropout(settings.dropout))),
      cell_(recurrent_ ? register_module("cell", tg::nn::RNNCell(settings.dim, settings.hidden))
                       : tg::nn::RNNCell(0, 0)),
      head_(register_module(
          "head", tg::nn::Linear(recurrent_ ? settings.hidden : settings.dim, settings.classes))) {
  if (settings.arch != "bag" && settings.arch != "rnn") {
    throw tg::ValueError("model: unknown architecture '" + settings.arch + "', needed bag or rnn");
  }
  // Small vectors: the mean of many standard normal ones would drown what is learnt of rare words.
  tg::nn::init::uniform_(embedding.weight, -0.1, 0.1);
  tg::select(embedding.weight.leaf().writable_value(), 0, 0).zero_();
}

tg::Variable Classifier::operator()(const tg::Tensor& ids) const {
  const tg::Variable text = recurrent_ ? largest_state(ids) : mean_of_words(ids);
  return head_(dropout_(text));  // (batch, classes)
}

tg::nn::OnnxGraph Classifier::onnx() const {
  if (recurrent_) {
    throw tg::ValueError("export: the model is an rnn, needed a bag (train --arch bag)");
  }
  tg::nn::OnnxGraph graph("text_classifier");
  const tg::nn::OnnxValue ids = graph.input("ids", tg::int64, {"batch", "steps"});
  const tg::nn::OnnxValue words = graph.append(embedding, ids);  // (batch, steps, dim)
  const tg::nn::OnnxValue text = graph.masked_mean(words, graph.not_equal(ids, 0));
  graph.output("logits", graph.append(head_, text), {"batch", head_.weight.size(0)});
  return graph;
}

tg::Variable Classifier::mean_of_words(const tg::Tensor& ids) const {
  const tg::Variable words = embedding(ids);  // (batch, steps, dim); padding is a row of zeros
  const tg::Tensor counts = sum(ids != 0, 1, true).to(tg::float32);  // (batch, 1)
  return sum(words, 1) / clamp(counts, 1);                           // (batch, dim)
}

// The largest value that each element of the state takes while the text is read.
tg::Variable Classifier::largest_state(const tg::Tensor& ids) const {
  const tg::Variable words = dropout_(embedding(ids));    // (batch, steps, dim)
  tg::Variable state = cell_.initial_state(ids.size(0));  // (batch, hidden)
  tg::Variable largest;
  for (std::int64_t t = 0; t < ids.size(1); ++t) {
    state = cell_(select(words, 1, t), state);
    if (t == 0) {
      largest = state;
      continue;
    }
    const tg::Tensor ended = select(ids, 1, t) == 0;  // (batch)
    const tg::Variable counted =
        any(ended).item<bool>() ? masked_fill(state, unsqueeze(ended, 1), -1) : state;
    largest = maximum(largest, counted);
  }
  return largest.defined() ? largest : state;
}

}  // namespace text_classifier
