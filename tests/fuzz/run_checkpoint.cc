// Fuzzes what `train --resume` of the text classifier reads: the file of a checkpoint, the options
// in it, and the states of the search and of the training. An input needs no checksum; it gets the
// right one. Read next: tests/fuzz/optimizer.cc.
#include "text_classifier/checkpoint.h"

#include <iostream>
#include <optional>
#include <utility>

#include <tapegrad/tensor/ops.h>
#include "common/state_parts.h"
#include "fuzz/memory_files.h"
#include "fuzz/safetensors_file.h"
#include "text_classifier/run_options.h"
#include "text_classifier/trainer.h"

namespace tapegrad::test {

using namespace text_classifier;

namespace {

TrainSettings run_settings() {
  TrainSettings settings;
  settings.train = {"/data/train.tsv"};
  settings.epochs = 3;
  settings.batch = 2;
  settings.patience = 2;
  settings.schedule = "cosine";
  return settings;
}

EpochSearch new_search() { return EpochSearch(2, 2); }

// Of six texts. With a search it trains a part of it.
Trainer new_trainer(EpochSearch* search) {
  manual_seed(1);
  const std::vector<std::vector<std::string>> words = {{"who", "a"}};
  const auto vocabulary = nn::Vocabulary::build(words);
  const ModelSettings model{.arch = "bag", .vocabulary = vocabulary.size(), .classes = 2, .dim = 2};
  const std::vector<Tensor> ids = {tensor({2}), tensor({3}), tensor({2, 3}),
                                   tensor({3}), tensor({2}), tensor({1})};
  TrainSettings settings = run_settings();
  if (search != nullptr) {
    settings.epochs = EpochSearch::kMostEpochs;
    settings.patience.reset();
  }
  const LabeledTexts texts(ids, tensor({0, 1, 0, 1, 0, 1}));
  return {{Classifier(model), vocabulary, {"A", "B"}, 5},
          {.train = texts, .held_out = texts},
          std::move(settings),
          search};
}

RunCheckpoint checkpoint_of(const Trainer& trainer, const EpochSearch& search) {
  StateDict state = trainer.state_dict();
  examples::insert_part(state, "search.", search.state_dict());
  return {std::move(state), {{"options", options_text(run_settings())}, {"data", "{}"}}};
}

// Trains until so many batches are done.
void train(Trainer& trainer, int batches) {
  trainer.run(nullptr, [&] { return --batches > 0; });
}

void check_file(const Checkpoint& file) {
  RunCheckpoint checkpoint{file.state, file.metadata};
  checkpoint.texts.erase("checksum");
  write_checkpoint("/memory/out", checkpoint);
  const RunCheckpoint again = read_checkpoint("/memory/out");
  check(same_bits(again.state, checkpoint.state), "the state differs after it was written");
  check(again.texts == checkpoint.texts, "the texts differ after they were written");
}

void check_options(const std::string& text) {
  TrainSettings given;
  given.train = {"/data/train.tsv"};
  const auto settings =
      attempt(text.size(), [&] { return resumed_settings(given, text, "options"); });
  if (!settings) return;
  const std::string written = options_text(*settings);
  check(options_text(resumed_settings(given, written, "options")) == written,
        "the options differ after they were written");
}

// Whether the search accepts the state.
bool check_search(const StateDict& state, EpochSearch& search) {
  const auto fits = attempt(1024, [&] {
    search.load_state_dict(examples::part_of(state, "search."));
    return true;
  });
  if (!fits) return false;
  EpochSearch again = new_search();
  again.load_state_dict(search.state_dict());
  check(same_bits(again.state_dict(), search.state_dict()), "the search differs after loading");
  return true;
}

void check_training(const StateDict& state, EpochSearch& search) {
  EpochSearch* const searching = search.done() ? nullptr : &search;
  Trainer trainer = new_trainer(searching);
  const auto fits = attempt(1024, [&] {
    trainer.load_state_dict(state);
    return true;
  });
  if (!fits) return;
  const StateDict loaded = trainer.state_dict();
  Trainer again = new_trainer(searching);
  again.load_state_dict(loaded);
  check(same_bits(again.state_dict(), loaded), "the training differs after loading");
  try {
    train(trainer, 5);
  } catch (const Error&) {  // a loss or a rate may become one that is refused
  }
  if (!search.done()) return;
  search.epochs();
  search.temperature();
}

}  // namespace

void run(const std::string& input) {
  static MemoryFiles files;
  static std::streambuf* const silent = std::cerr.rdbuf(nullptr);
  static_cast<void>(silent);
  files.clear();
  files["/memory/in"] = input;
  attempt(input.size(), [] { return read_checkpoint("/memory/in"); });
  const auto file = attempt(input.size(), [] { return load_with_metadata("/memory/in"); });
  if (!file) return;
  check_file(*file);
  if (const auto found = file->metadata.find("options"); found != file->metadata.end()) {
    check_options(found->second);
  }
  EpochSearch search = new_search();
  if (check_search(file->state, search)) check_training(file->state, search);
}

std::string mutate(std::string input, Random& random) {
  const ChangeText change = [](const std::string&, std::string value, Random& r) {
    static constexpr std::string_view kTokens[] = {"null",
                                                   "true",
                                                   "-1",
                                                   "1e9",
                                                   "0.5",
                                                   "\"\"",
                                                   "\"--seed\": 1,",
                                                   "\"--epochs\": 0,",
                                                   "\\u0000",
                                                   "{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   ":",
                                                   "\"",
                                                   "\xFF"};
    return mutate_text(std::move(value), r, kTokens);
  };
  return mutate_safetensors(input, random, change);
}

std::vector<std::string> good_inputs() {
  MemoryFiles files;
  std::cerr.rdbuf(nullptr);
  std::vector<std::string> inputs;
  EpochSearch search = new_search();
  const auto add = [&](const Trainer& trainer) {
    write_checkpoint("/memory/out", checkpoint_of(trainer, search));
    inputs.push_back(files["/memory/out"]);
  };
  for (; !search.done(); search.next_run()) {
    Trainer trainer = new_trainer(&search);
    train(trainer, 2);
    if (search.variant() == 1) add(trainer);
    train(trainer, 3);
    if (search.run() == 2) add(trainer);  // in the second epoch
  }
  for (const int batches : {1, 5}) {
    Trainer trainer = new_trainer(nullptr);
    train(trainer, batches);
    add(trainer);
  }
  return inputs;
}

}  // namespace tapegrad::test
