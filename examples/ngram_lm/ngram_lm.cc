// The model, its settings and its batches.
#include "ngram_lm/ngram_lm.h"

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <utility>

#include "ngram_lm/words.h"

namespace ngram_lm {

using namespace language_model;

namespace {

// Small vectors, so that with tied weights, too, all words are about equally likely at first.
tg::nn::Embedding small_embedding(std::int64_t rows, std::int64_t dim) {
  const auto initializer = [](const tg::Variable& table) { tg::nn::init::normal_(table, 0, 0.1); };
  return tg::nn::Embedding(rows, dim, {.initializer = initializer});
}

}  // namespace

NgramModel::NgramModel(std::int64_t vocabulary, std::int64_t start_id, const Settings& settings)
    : context(settings.context),
      start(start_id),
      embedding(register_module("embedding", small_embedding(vocabulary, settings.dim))),
      hidden(
          register_module("hidden", tg::nn::Linear(settings.context * settings.dim,
                                                   settings.tie ? settings.dim : settings.hidden))),
      head(register_module("head", settings.tie ? embedding.as_linear(true)
                                                : tg::nn::Linear(settings.hidden, vocabulary))) {}

tg::Variable NgramModel::logits(const tg::Tensor& ids, Memory& /*it has none*/) const {
  const std::int64_t missing = context - ids.size(1);
  if (missing < 0) {
    throw tg::ShapeError("NgramModel: " + std::to_string(ids.size(1)) + " words, needed at most " +
                         std::to_string(context));
  }
  const tg::Tensor words =
      missing == 0 ? ids : tg::cat({tg::full({ids.size(0), missing}, start), ids}, 1);
  const tg::Variable x = flatten(embedding(words), 1);  // (batch, context * dim)
  const tg::Variable units = tanh(hidden(x));           // (batch, hidden)
  return unsqueeze(head(units), 1);                     // (batch, 1, vocabulary)
}

std::vector<Setting> Program::settings() {
  Settings& s = model_settings;
  return {
      {"context", &s.context, "Words that predict the next one", 1, 1000},
      {"dim", &s.dim, "Size of the vector of a word", 1, 8192},
      {"hidden", &s.hidden, "Hidden units; with --tie there are --dim", 1, 8192},
      {"tie", &s.tie, "Use the vectors of the words as the weights of the last layer"},
      {"min-count", &s.min_count, "Words that occur less often become one, <unk>", 1, 1e9},
  };
}

std::unique_ptr<Vocabulary> Program::vocabulary_of(std::string_view text) const {
  return Words::of(text, model_settings.min_count);
}

std::unique_ptr<Vocabulary> Program::saved_vocabulary(std::string_view text,
                                                      const std::string& name) const {
  return Words::from_text(text, name);
}

std::unique_ptr<LanguageModel> Program::model(const Vocabulary& vocabulary) const {
  return std::make_unique<NgramModel>(vocabulary.size(), vocabulary.start(), model_settings);
}

std::unique_ptr<Batches> Program::batches(Ids ids, const TrainSettings& train) const {
  return std::make_unique<Windows>(std::move(ids), model_settings.context, 1, train.batch,
                                   Order::random, train.seed);
}

std::int64_t Program::least_tokens(const TrainSettings&) const {
  return model_settings.context + 1;
}

std::unique_ptr<Batches> Program::held_out(Ids ids, const TrainSettings& train) const {
  if (std::ssize(ids) <= model_settings.context) return nullptr;
  return std::make_unique<Windows>(std::move(ids), model_settings.context, 1, train.batch,
                                   Order::of_text, 0);
}

}  // namespace ngram_lm
