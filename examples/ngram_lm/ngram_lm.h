// Bengio's neural n-gram model. Read next: ngram_lm.cc.
#pragma once

#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "language_model/program.h"

namespace ngram_lm {

namespace tg = tapegrad;

struct Settings {
  std::int64_t context = 4;  // words that predict the next one
  std::int64_t dim = 64;
  std::int64_t hidden = 128;
  bool tie = false;
  std::int64_t min_count = 2;
};

// The vectors of the last `context` words, side by side, are x; tanh(H x + d) are the hidden units,
// and a linear layer of these scores every word of the vocabulary (Bengio and others 2003, "A
// neural probabilistic language model", equation 1 without the direct connections W).
//
// With `tie`, a word's row in that last layer is its own vector (Press and Wolf 2017, arXiv
// 1608.05859), and there are `dim` hidden units.
struct NgramModel final : language_model::LanguageModel {
  std::int64_t context;
  std::int64_t start;  // the id that stands for the words before the first one
  tg::nn::Embedding embedding;
  tg::nn::Linear hidden;
  tg::nn::Linear head;

  NgramModel(std::int64_t vocabulary, std::int64_t start, const Settings& settings);

  // (batch, steps) -> (batch, 1, vocabulary), for the word after the last one
  tg::Variable logits(const tg::Tensor& ids, language_model::Memory& memory) const override;
  std::int64_t window() const override { return context; }
};

class Program : public language_model::Program {
 public:
  Settings model_settings;

  const char* name() const override { return "ngram_lm"; }
  std::vector<language_model::Setting> settings() override;
  std::unique_ptr<language_model::Vocabulary> vocabulary_of(std::string_view text) const override;
  std::unique_ptr<language_model::Vocabulary> saved_vocabulary(
      std::string_view text, const std::string& name) const override;
  std::unique_ptr<language_model::LanguageModel> model(
      const language_model::Vocabulary& vocabulary) const override;
  std::unique_ptr<language_model::Batches> batches(
      language_model::Ids ids, const language_model::TrainSettings& train) const override;
  std::int64_t least_tokens(const language_model::TrainSettings& train) const override;
  const char* options_of_least_tokens() const override { return "--context"; }
  std::unique_ptr<language_model::Batches> held_out(
      language_model::Ids ids, const language_model::TrainSettings& train) const override;
};

}  // namespace ngram_lm
