// The state of each part under its name, and the options as metadata. Read next: training.h.
#include "word2vec/checkpoint.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include <cmath>
#include <string>
#include <string_view>

#include "common/numbers.h"

namespace word2vec {
namespace {

std::string text_of(double value) { return examples::fixed(value, 9); }

// Everything that the result depends on, but the text between the words.
tg::Metadata description(const Settings& settings, const Words& words) {
  std::string text;
  std::string counts;
  for (std::size_t i = 0; i < words.words.size(); ++i) {
    text += words.words[i] + '\n';
    counts += std::to_string(words.counts[i]) + ' ';
  }
  return {
      {"format", "tapegrad word2vec checkpoint 1"},
      {"words", text},
      {"counts", counts + "of " + std::to_string(words.total)},
      {"--tokens", settings.tokens == examples::Tokens::words ? "words" : "spaces"},
      {"--held-out", text_of(settings.held_out)},
      {"--arch", settings.arch == Architecture::cbow ? "cbow" : "skipgram"},
      {"--loss", settings.loss == Loss::negative_sampling ? "ns" : "hs"},
      {"--negatives", settings.negatives == Negatives::shared ? "shared" : "per-pair"},
      {"--dim", std::to_string(settings.dim)},
      {"--window", std::to_string(settings.window)},
      {"--negative", std::to_string(settings.negative)},
      {"--subwords", settings.subwords.used() ? std::to_string(settings.subwords.shortest) + "-" +
                                                    std::to_string(settings.subwords.longest)
                                              : "none"},
      {"--buckets", std::to_string(settings.subwords.buckets)},
      {"--sample", text_of(settings.sample)},
      {"--sum-gradient", settings.sum_gradient ? "yes" : "no"},
      {"--simple-loss", settings.simple_loss ? "yes" : "no"},
      {"--epochs", std::to_string(settings.epochs)},
      {"--lr", text_of(settings.rate())},
      {"--batch", std::to_string(settings.batch)},
      {"--seed", std::to_string(settings.seed)}};
}

// FormatError for the first option that differs.
void check_same(const tg::Metadata& saved, const tg::Metadata& wanted) {
  for (const auto& [name, value] : wanted) {
    const auto found = saved.find(name);
    if (found == saved.end()) throw tg::FormatError("it is no checkpoint of word2vec");
    if (found->second == value) continue;
    if (name == "words" || name == "counts") throw tg::FormatError("it is of another text");
    throw tg::FormatError("it has " + name + " " + found->second + ", and this run has " + value);
  }
}

void insert(tg::StateDict& state, const std::string& part, const tg::StateDict& of_part) {
  for (const auto& [name, tensor] : of_part) state.insert(part + "." + name, tensor);
}

tg::StateDict part_of(const tg::StateDict& state, const std::string& part) {
  tg::StateDict result;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(part + ".")) result.insert(name.substr(part.size() + 1), tensor);
  }
  return result;
}

Position position_in(const tg::StateDict& state, const Settings& settings) {
  const tg::Tensor& counts = state.at("position");
  const tg::Tensor& losses = state.at("losses");
  if (counts.dtype() != tg::int64 || counts.shape() != tg::Shape{2} ||
      losses.dtype() != tg::float64 || losses.shape() != tg::Shape{2}) {
    throw tg::FormatError("the position or the losses are damaged");
  }
  Position position{.epoch = counts.item<std::int64_t>({0}),
                    .sentences = counts.item<std::int64_t>({1}),
                    .loss = losses.item<double>({0})};
  if (position.epoch < 0 || position.epoch > settings.epochs || position.sentences < 0) {
    throw tg::FormatError("the position is damaged");
  }
  const double first = losses.item<double>({1});
  if (!std::isnan(first)) position.first_loss = first;
  return position;
}

}  // namespace

void save_checkpoint(const Settings& settings, const Words& words, const Model& model,
                     const tg::Generator& generator, const Batches& batches,
                     const Position& position) {
  tg::StateDict state;
  insert(state, "model", model.state_dict());
  insert(state, "generator", generator.state_dict());
  insert(state, "batches", batches.state_dict());
  state.insert("position", tg::tensor({position.epoch, position.sentences}));
  state.insert("losses",
               tg::tensor({position.loss, position.first_loss.value_or(NAN)}).to(tg::float64));
  tg::save(settings.checkpoint, state, description(settings, words));
}

Position load_checkpoint(const Settings& settings, const Words& words, Model& model,
                         tg::Generator& generator, Batches& batches) {
  const tg::Checkpoint file = tg::load_with_metadata(settings.checkpoint);
  try {
    check_same(file.metadata, description(settings, words));
    const Position position = position_in(file.state, settings);
    model.load_state_dict(part_of(file.state, "model"));
    generator.load_state_dict(part_of(file.state, "generator"));
    batches.load_state_dict(part_of(file.state, "batches"));
    return position;
  } catch (const tg::Error& error) {
    throw tg::FormatError(settings.checkpoint + ": cannot resume: " + error.what());
  }
}

}  // namespace word2vec
