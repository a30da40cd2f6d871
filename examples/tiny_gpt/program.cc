// Settings and batches.
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <string>
#include <utility>

#include "tiny_gpt/tiny_gpt.h"

namespace tiny_gpt {

using namespace language_model;

std::vector<Setting> Program::settings() {
  Settings& s = model_settings;
  return {
      {"context", &s.context, "Characters that the model sees at once", 1, 100'000},
      {"dim", &s.dim, "Size of the vector at each place", 1, 8192},
      {"heads", &s.heads, "Heads of the attention; a divisor of --dim", 1, 256},
      {"layers", &s.layers, "Blocks of attention and two linear layers", 1, 64},
      {"dropout", &s.dropout, "Share of the elements that are set to 0 while training", 0, 0.95},
  };
}

void Program::check() const {
  if (model_settings.dim % model_settings.heads == 0) return;
  throw tapegrad::ValueError("--dim " + std::to_string(model_settings.dim) +
                             ": needed a multiple of --heads " +
                             std::to_string(model_settings.heads));
}

std::unique_ptr<LanguageModel> Program::model(const Vocabulary& vocabulary) const {
  return make_model(vocabulary.size(), model_settings);
}

std::unique_ptr<Batches> Program::batches(Ids ids, const TrainSettings& train) const {
  return std::make_unique<Windows>(std::move(ids), 1, model_settings.context, train.batch,
                                   Order::random, train.seed);
}

std::int64_t Program::least_tokens(const TrainSettings&) const {
  return model_settings.context + 1;
}

// A shorter window if the text is short.
std::unique_ptr<Batches> Program::held_out(Ids ids, const TrainSettings& train) const {
  const std::int64_t steps = std::min<std::int64_t>(std::ssize(ids) - 1, model_settings.context);
  if (steps < 1) return nullptr;
  return std::make_unique<Windows>(std::move(ids), 1, steps, train.batch, Order::of_text, 0);
}

}  // namespace tiny_gpt
