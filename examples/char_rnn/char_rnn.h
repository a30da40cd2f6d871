// A recurrent network that reads a text character by character. Read next: char_rnn.cc.
#pragma once

#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/rnn.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "language_model/program.h"

namespace char_rnn {

namespace tg = tapegrad;

struct Settings {
  std::string arch = "lstm";  // or gru
  std::int64_t dim = 64;
  std::int64_t hidden = 256;
  std::int64_t layers = 1;
  double dropout = 0;
  std::int64_t steps = 64;  // of truncated backpropagation
};

// Embedding, LSTM or GRU, and a linear layer that scores the next character.
//
// Its memory is the state of the network after the last step, a tensor without history. So each
// call continues the text of the call before, but gradients flow through the steps of one call
// only: truncated backpropagation through time (Williams and Peng 1990).
struct CharRnn final : language_model::LanguageModel {
  tg::nn::Embedding embedding;
  std::optional<tg::nn::LSTM> lstm;  // one of the two
  std::optional<tg::nn::GRU> gru;
  tg::nn::Dropout dropout;
  tg::nn::Linear head;

  CharRnn(std::int64_t vocabulary, const Settings& settings);

  // (batch, steps) -> (batch, steps, vocabulary)
  tg::Variable logits(const tg::Tensor& ids, language_model::Memory& memory) const override;
  std::int64_t window() const override { return 0; }
};

class Program : public language_model::Program {
 public:
  Settings model_settings;

  const char* name() const override { return "char_rnn"; }
  std::vector<language_model::Setting> settings() override;
  std::unique_ptr<language_model::LanguageModel> model(
      const language_model::Vocabulary& vocabulary) const override;
  std::unique_ptr<language_model::Batches> batches(
      language_model::Ids ids, const language_model::TrainSettings& train) const override;
  std::int64_t least_tokens(const language_model::TrainSettings& train) const override;
  const char* options_of_least_tokens() const override { return "--batch or --steps"; }
  std::unique_ptr<language_model::Batches> held_out(
      language_model::Ids ids, const language_model::TrainSettings& train) const override;
};

}  // namespace char_rnn
