// Read next: ../language_model/model.h.
#include "char_rnn/char_rnn.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <utility>

namespace char_rnn {

using namespace language_model;

CharRnn::CharRnn(std::int64_t vocabulary, const Settings& settings)
    : embedding(register_module("embedding", tg::nn::Embedding(vocabulary, settings.dim))),
      dropout(register_module("dropout", tg::nn::Dropout(settings.dropout))),
      head(register_module("head", tg::nn::Linear(settings.hidden, vocabulary))) {
  const std::int64_t layers = settings.layers, dim = settings.dim, hidden = settings.hidden;
  const double between = layers > 1 ? settings.dropout : 0;
  if (settings.arch == "lstm") {
    lstm.emplace(register_module(
        "lstm", tg::nn::LSTM(dim, hidden, {.num_layers = layers, .dropout = between})));
  } else {
    gru.emplace(register_module(
        "gru", tg::nn::GRU(dim, hidden, {.num_layers = layers, .dropout = between})));
  }
}

tg::Variable CharRnn::logits(const tg::Tensor& ids, Memory& memory) const {
  const bool begins = memory.empty();
  if (!begins && memory.size() != (lstm ? 2U : 1U)) {
    throw tg::ValueError("CharRnn: a memory of " + std::to_string(memory.size()) + " tensors");
  }
  const tg::Variable x = embedding(transpose(ids, 0, 1));  // (steps, batch, dim)
  tg::Variable states;                                     // (steps, batch, hidden)
  if (lstm) {
    const auto result = begins ? (*lstm)(x) : (*lstm)(x, {.h = memory[0], .c = memory[1]});
    memory = {result.h.value(), result.c.value()};
    states = result.output;
  } else {
    const auto result = begins ? (*gru)(x) : (*gru)(x, {.h = memory[0]});
    memory = {result.h.value()};
    states = result.output;
  }
  return transpose(head(dropout(states)), 0, 1);
}

std::vector<Setting> Program::settings() {
  Settings& s = model_settings;
  return {
      {"arch", &s.arch, "Kind of recurrent network", 0, 0, {"lstm", "gru"}},
      {"dim", &s.dim, "Size of the vector of a character", 1, 4096},
      {"hidden", &s.hidden, "Size of the state", 1, 8192},
      {"layers", &s.layers, "Recurrent layers", 1, 16},
      {"dropout", &s.dropout, "Share of the states that are set to 0 while training", 0, 0.95},
      {"steps", &s.steps, "Characters through which the gradient flows back", 1, 100'000},
  };
}

std::unique_ptr<LanguageModel> Program::model(const Vocabulary& vocabulary) const {
  return std::make_unique<CharRnn>(vocabulary.size(), model_settings);
}

std::unique_ptr<Batches> Program::batches(Ids ids, const TrainSettings& train) const {
  return std::make_unique<Streams>(std::move(ids), train.batch, model_settings.steps);
}

std::int64_t Program::least_tokens(const TrainSettings& train) const {
  return train.batch * model_settings.steps + 1;
}

// Fewer streams if the text is short.
std::unique_ptr<Batches> Program::held_out(Ids ids, const TrainSettings& train) const {
  const std::int64_t predictions = std::ssize(ids) - 1;
  if (predictions < 1) return nullptr;
  const std::int64_t rows =
      std::clamp<std::int64_t>(predictions / model_settings.steps, 1, train.batch);
  return std::make_unique<Streams>(std::move(ids), rows, model_settings.steps);
}

}  // namespace char_rnn
