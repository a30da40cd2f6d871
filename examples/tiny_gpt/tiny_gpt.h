// The settings of a small GPT and the program around it. The model is in tiny_gpt.cc. Read next:
// tiny_gpt.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "language_model/program.h"

namespace tiny_gpt {

struct Settings {
  std::int64_t context = 64;  // characters that the model sees
  std::int64_t dim = 128;     // of the vector at each place
  std::int64_t heads = 4;
  std::int64_t layers = 4;
  double dropout = 0;
};

// `dim` is a multiple of `heads`, as Program::check() requires.
std::unique_ptr<language_model::LanguageModel> make_model(std::int64_t vocabulary,
                                                          const Settings& settings);

class Program : public language_model::Program {
 public:
  Settings model_settings;

  const char* name() const override { return "tiny_gpt"; }
  std::vector<language_model::Setting> settings() override;
  void check() const override;
  std::unique_ptr<language_model::LanguageModel> model(
      const language_model::Vocabulary& vocabulary) const override;
  std::unique_ptr<language_model::Batches> batches(
      language_model::Ids ids, const language_model::TrainSettings& train) const override;
  std::int64_t least_tokens(const language_model::TrainSettings& train) const override;
  const char* options_of_least_tokens() const override { return "--context"; }
  std::unique_ptr<language_model::Batches> held_out(
      language_model::Ids ids, const language_model::TrainSettings& train) const override;
};

}  // namespace tiny_gpt
