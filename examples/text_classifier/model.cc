#include "text_classifier/model.h"

#include <iterator>
#include <vector>

namespace text_classifier {
namespace {

constexpr std::int64_t kWidths[] = {3, 4, 5};  // words that a filter of a cnn sees at once

tg::nn::LSTMOptions layers_of(const ModelSettings& settings) {  // of an LSTM or a GRU
  return {.num_layers = settings.layers,
          .batch_first = true,
          .dropout = settings.dropout,
          .bidirectional = settings.bidirectional};
}

tg::nn::ModuleList<tg::nn::Conv1d> convolutions_of(const ModelSettings& settings) {
  tg::nn::ModuleList<tg::nn::Conv1d> result;
  for (const std::int64_t width : kWidths) {
    result.push_back(
        tg::nn::Conv1d(settings.dim, settings.filters, width, {.padding = tg::same_padding}));
  }
  return result;
}

// Numbers that the head gets of a text.
std::int64_t width_of_text(const ModelSettings& settings) {
  if (settings.arch == "bag") return settings.dim;
  if (settings.arch == "cnn") return settings.filters * std::ssize(kWidths);
  return settings.bidirectional ? 2 * settings.hidden : settings.hidden;
}

const ModelSettings& checked(const ModelSettings& settings) {
  if (settings.arch != "bag" && settings.arch != "cnn" && !is_recurrent(settings.arch)) {
    throw tg::ValueError("model: unknown architecture '" + settings.arch +
                         "', needed bag, rnn, lstm, gru or cnn");
  }
  if (settings.pool != "last" && settings.pool != "mean" && settings.pool != "max") {
    throw tg::ValueError("model: unknown pooling '" + settings.pool +
                         "', needed last, mean or max");
  }
  if (!is_deep(settings.arch) && (settings.layers != 1 || settings.bidirectional)) {
    throw tg::ValueError("model: several layers or both directions for '" + settings.arch +
                         "', needed lstm or gru");
  }
  return settings;
}

}  // namespace

bool is_recurrent(const std::string& arch) { return arch == "rnn" || is_deep(arch); }
bool is_deep(const std::string& arch) { return arch == "lstm" || arch == "gru"; }

Classifier::Classifier(const ModelSettings& settings)
    : embedding(register_module("embedding",
                                tg::nn::Embedding(settings.vocabulary, settings.dim,
                                                  {.padding_idx = 0, .sparse = settings.sparse}))),
      arch_(checked(settings).arch),
      pool_(settings.pool),
      dropout_(register_module("dropout", tg::nn::Dropout(settings.dropout))),
      cell_(arch_ == "rnn" ? std::optional(register_module(
                                 "cell", tg::nn::RNNCell(settings.dim, settings.hidden)))
                           : std::nullopt),
      lstm_(arch_ == "lstm"
                ? std::optional(register_module(
                      "lstm", tg::nn::LSTM(settings.dim, settings.hidden, layers_of(settings))))
                : std::nullopt),
      gru_(arch_ == "gru"
               ? std::optional(register_module(
                     "gru", tg::nn::GRU(settings.dim, settings.hidden, layers_of(settings))))
               : std::nullopt),
      convolutions_(arch_ == "cnn"
                        ? std::optional(register_module("convolutions", convolutions_of(settings)))
                        : std::nullopt),
      head_(register_module("head", tg::nn::Linear(width_of_text(settings), settings.classes))) {
  // Small vectors: the mean of many standard normal ones would drown what is learnt of rare words.
  tg::nn::init::uniform_(embedding.weight, -0.1, 0.1);
  tg::select(embedding.weight.leaf().writable_value(), 0, 0).zero_();
}

tg::Variable Classifier::operator()(const tg::Tensor& ids) const {
  const tg::Variable text = arch_ == "bag"                     ? mean_of_words(ids)
                            : arch_ == "cnn"                   ? largest_features(ids)
                            : arch_ == "rnn" && pool_ == "max" ? largest_state(ids)
                                                               : pooled_states(ids);
  return head_(dropout_(text));  // (batch, classes)
}

tg::Variable Classifier::mean_of_words(const tg::Tensor& ids) const {
  const tg::Variable words = embedding(ids);  // (batch, steps, dim); padding is a row of zeros
  const tg::Tensor counts = sum(ids != 0, 1, true).to(tg::float32);  // (batch, 1)
  return sum(words, 1) / clamp(counts, 1);                           // (batch, dim)
}

// The largest value that each element of the state takes while the text is read.
tg::Variable Classifier::largest_state(const tg::Tensor& ids) const {
  const tg::Variable words = dropout_(embedding(ids));     // (batch, steps, dim)
  tg::Variable state = cell_->initial_state(ids.size(0));  // (batch, hidden)
  tg::Variable largest;
  for (std::int64_t t = 0; t < ids.size(1); ++t) {
    state = (*cell_)(select(words, 1, t), state);
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

// The states after the words of a text: the last one, or the mean or the largest values of all. In
// both directions, the last one is that of each at its end.
tg::Variable Classifier::pooled_states(const tg::Tensor& ids) const {
  const tg::Tensor mask = ids != 0;                     // (batch, steps)
  const tg::Variable words = dropout_(embedding(ids));  // (batch, steps, dim)
  if (cell_) {
    tg::Variable state = cell_->initial_state(ids.size(0));  // (batch, hidden)
    std::vector<tg::Variable> states;
    for (std::int64_t t = 0; t < ids.size(1); ++t) {
      state = (*cell_)(select(words, 1, t), state, select(mask, 1, t));
      states.push_back(state);
    }
    if (pool_ == "last" || states.empty()) return state;
    return tg::nn::masked_mean(stack(states, 1), mask);
  }
  const tg::Tensor lengths = sum(mask, 1);  // (batch)
  tg::Variable states, ends;  // (batch, steps, width), (layers * directions, batch, hidden)
  if (lstm_) {
    const tg::nn::LSTMResult result = (*lstm_)(words, {.lengths = lengths});
    states = result.output;
    ends = result.h;
  } else {
    const tg::nn::RNNResult result = (*gru_)(words, {.lengths = lengths});
    states = result.output;
    ends = result.h;
  }
  if (pool_ == "max") return tg::nn::masked_max(states, mask);
  if (pool_ == "mean") return tg::nn::masked_mean(states, mask);
  const bool both = lstm_ ? lstm_->is_bidirectional() : gru_->is_bidirectional();
  if (!both) return select(ends, 0, -1);
  return tg::cat({select(ends, 0, -2), select(ends, 0, -1)}, 1);
}

// The largest value of each filter over a text. A window counts if the word in its middle does, and
// beyond both ends it sees zeros, however much the text is padded; so one word is enough.
tg::Variable Classifier::largest_features(const tg::Tensor& ids) const {
  const tg::Tensor mask = ids != 0;                            // (batch, steps)
  const tg::Variable words = transpose(embedding(ids), 1, 2);  // (batch, dim, steps)
  std::vector<tg::Variable> largest;
  for (const tg::nn::Conv1d& convolution : *convolutions_) {
    const tg::Variable features = relu(convolution(words));  // (batch, filters, steps)
    largest.push_back(tg::nn::masked_max(transpose(features, 1, 2), mask));
  }
  return cat(largest, 1);  // (batch, widths * filters)
}

}  // namespace text_classifier
