// A plan, the search for the number of epochs, and the training itself. Read next:
// training_words.h.
#include "text_classifier/one_model.h"

#include <algorithm>
#include <functional>
#include <iomanip>
#include <iostream>
#include <span>
#include <sstream>
#include <string>
#include <utility>

#include "common/fingerprint.h"
#include "text_classifier/class_files.h"
#include "text_classifier/compress.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/initial_model.h"
#include "text_classifier/search.h"
#include "text_classifier/size.h"
#include "text_classifier/trainer.h"
#include "text_classifier/unknown_word.h"

namespace text_classifier {
namespace {

using tg::nn::Vocabulary;

// The plan ----------------------------------------------------------------------------------------

// How a model is trained, and on which texts.
struct Plan {
  TrainSettings settings;  // with the number of epochs, or the most that the search may need
  Texts texts;             // texts.train without those that are held out all the time
  // Of texts.train, held out in turn by a search; none if it holds out texts.dev.
  std::vector<std::vector<std::int64_t>> parts{};
  std::int64_t searched_parts = 0;  // 0: the number of epochs is known

  bool is_searched() const { return searched_parts > 0; }
};

// The variants of a search: all words count the same, or rare ones more. Vectors from a file are
// not weighted.
constexpr double kRareWords[] = {0, 0.5};
std::int64_t variants(const TrainSettings& settings) {
  const bool weighs =
      settings.model.words && settings.vectors.empty() && !settings.freeze_embeddings;
  return weighs ? std::ssize(kRareWords) : 1;
}

Plan plan_of(const TrainSettings& given, const Texts& texts) {
  Plan plan{given, texts};
  TrainSettings& settings = plan.settings;
  const auto seed = static_cast<std::uint64_t>(settings.seed);
  if (searches_epochs(settings)) {
    if (!texts.dev) plan.parts = held_out_parts(strata_of(texts.train, texts.labels), seed);
    plan.searched_parts = texts.dev ? 1 : std::ssize(plan.parts);
  }
  if (settings.patience && !texts.dev) hold_out_tenth(plan.texts, seed, settings.command);
  if (!plan.is_searched()) {
    settings.epochs = number_of_epochs(settings, plan.texts.train.rows.size());
    return plan;
  }
  settings.epochs = EpochSearch::kMostEpochs;
  settings.schedule = "constant";
  settings.lr = searched_rate(settings);
  return plan;
}

// What the saved model is trained on: after a search, all texts.
Corpus texts_to_train_on(const Plan& plan) {
  Corpus all = plan.texts.train;
  if (plan.is_searched() && plan.texts.dev) {
    const std::vector<Row>& more = plan.texts.dev->rows;
    all.rows.insert(all.rows.end(), more.begin(), more.end());
  }
  return all;
}

// The targets and the weights of some texts.
struct Learned {
  tg::Tensor targets;
  tg::Tensor weights;
  std::vector<double> shares;  // of the classes
};
Learned learned_from(const Corpus& corpus, const Plan& plan) {
  const Texts& texts = plan.texts;
  const tg::Tensor targets = targets_of(corpus, texts.labels);
  const tg::Tensor weights =
      weights_of(corpus, texts.labels, texts.class_weights, plan.settings.command);
  return {targets, weights, shares_of(targets, weights, std::ssize(texts.labels))};
}
LabeledTexts held_out_of(const Trained& trained, const Corpus& corpus, const Plan& plan) {
  return examples_of(trained, corpus,
                     weights_of(corpus, plan.texts.labels, plan.texts.class_weights,
                                plan.settings.command + ": held-out texts"));
}

// Parts of the training ---------------------------------------------------------------------------

std::string fingerprint_of(const TrainingWords& words) {
  examples::Fingerprint sum;
  sum.add(words.vocabulary.text());
  return sum.hex();
}

std::string fingerprint_of(const tg::nn::WordVectors& vectors) {
  examples::Fingerprint sum;
  for (const std::string& word : vectors.words()) sum.add(word);
  const std::span<const float> elements = vectors.vectors().span<float>();
  sum.add({reinterpret_cast<const char*>(elements.data()), elements.size_bytes()});
  return sum.hex();
}

bool has_unknown_words(const TrainingWords& words) {
  return std::ranges::any_of(words.ids, [](const std::vector<std::int64_t>& ids) {
    return std::ranges::find(ids, Vocabulary::kUnknown) != ids.end();
  });
}

std::vector<tg::Tensor> ids_of(const Trained& trained, const TrainingWords& words) {
  std::vector<tg::Tensor> ids;
  ids.reserve(words.ids.size());
  const std::vector<std::string> none;
  for (std::size_t i = 0; i < words.ids.size(); ++i) {
    ids.push_back(trained.ids(words.texts.empty() ? none : words.texts[i], words.ids[i]));
  }
  return ids;
}

using GoOn = std::function<bool()>;

// Trains until the end, or until a signal arrives. Returns whether the end was reached. Without a
// run, go_on() is asked after each batch.
bool run_to_end(
    Trainer& trainer, ResumableRun* run, const GoOn& go_on = [] { return true; }) {
  return run != nullptr ? run->train(trainer) : trainer.run(nullptr, go_on);
}

// Finds the number of epochs and the temperature. Returns whether the end was reached.
bool run_search(
    EpochSearch& search, const Plan& plan, ResumableRun* run,
    const GoOn& go_on = [] { return true; }) {
  TrainSettings settings = plan.settings;
  const Texts& texts = plan.texts;
  while (!search.done()) {
    settings.rare_words = kRareWords[search.variant()];
    Corpus train, held_out;
    if (texts.dev) {
      train = texts.train;
      held_out = *texts.dev;
    } else {
      const std::vector<std::int64_t>& part = plan.parts[static_cast<std::size_t>(search.part())];
      held_out = subset_of(texts.train, part);
      train = subset_of(texts.train, others(texts.train.rows.size(), part));
    }
    const Learned learned = learned_from(train, plan);
    const TrainingWords words = read_words(tokens_of(train, settings.max_length), settings);
    const Trained trained = initial_model(settings, words, texts.labels, learned.shares);
    Trainer trainer(trained,
                    {.train = {ids_of(trained, words), learned.targets, learned.weights},
                     .held_out = held_out_of(trained, held_out, plan)},
                    settings, &search);
    if (!run_to_end(trainer, run, go_on)) return false;
    search.next_run();
  }
  return true;
}

// Messages ----------------------------------------------------------------------------------------

void tell_what_is_trained(const Plan& plan, const Trained& trained) {
  const Texts& texts = plan.texts;
  const std::int64_t held_out = texts.dev            ? std::ssize(texts.dev->rows)
                                : plan.parts.empty() ? 0
                                                     : std::ssize(plan.parts.front());
  std::cerr << texts.train.rows.size() << " texts to train on (" << name(texts.train.format)
            << "), " << (texts.test ? texts.test->rows.size() : 0) << " to test, ";
  if (held_out > 0) {
    std::cerr << held_out << (plan.searched_parts > 1 ? " in turn" : "") << " held out, ";
  }
  std::cerr << texts.labels.size() << " classes, " << trained.vocabulary.size() << " words";
  if (const Characters& characters = trained.settings().characters; characters.used()) {
    std::cerr << ", character n-grams of " << characters.shortest << " to " << characters.longest
              << " in " << characters.buckets << " buckets";
  }
  std::cerr << '\n' << trained.model;
}

void tell_what_was_found(const EpochSearch& search) {
  std::ostringstream text;
  text << search.epochs() << (search.epochs() == 1 ? " epoch has" : " epochs have")
       << " the smallest loss on the " << search.texts() << " held-out texts, "
       << std::setprecision(3) << search.loss() << " at temperature " << search.temperature()
       << (search.best_variant() > 0 ? ", with more weight for rare words" : "")
       << "; now trains on all texts\n";
  std::cerr << text.str() << std::flush;
}

// The training of the model that is saved ---------------------------------------------------------

// Trains the initial model. Nothing if a signal stopped the run.
std::optional<Trained> trained_to_end(const Trained& initial, const TrainingWords& words,
                                      const Learned& learned, const Plan& plan, ResumableRun* run) {
  const Texts& texts = plan.texts;
  Examples examples{.train = {ids_of(initial, words), learned.targets, learned.weights}};
  if (texts.test) examples.test = examples_of(initial, *texts.test);
  if (texts.dev && !plan.is_searched()) examples.held_out = held_out_of(initial, *texts.dev, plan);
  Trainer trainer(initial, std::move(examples), plan.settings);
  if (!run_to_end(trainer, run)) return std::nullopt;
  Trained trained = trainer.trained();
  trained.model.multiply_by_weights();
  const bool is_bag = plan.settings.model.arch == "bag";
  if (!is_bag && !has_unknown_words(words) && *plan.settings.epochs > 0) {
    fit_unknown_word(trained, learned.shares);
  }
  return trained;
}

// Throws what is wrong with the settings, before anything is written. Returns the size of the file,
// if it is compressed.
std::optional<std::int64_t> check(const Plan& plan, const Trained& initial, bool is_saved) {
  const TrainSettings& settings = plan.settings;
  Trainer::check(initial, settings, plan.texts.train.rows.size());
  if (is_saved) check_can_be_saved(initial);
  if (settings.size.empty()) return std::nullopt;
  const std::int64_t size = parse_size(settings.size, settings.command + ": --size");
  check_size(initial, size, settings.command + ": --size");
  return size;
}

}  // namespace

// Half of Adam's usual rate, so that neighboring numbers of epochs differ less.
double searched_rate(const TrainSettings& settings) {
  constexpr double kSearchedRate = 0.0025;
  const bool is_adam = settings.optimizer == "adam";
  return settings.lr.value_or(is_adam ? kSearchedRate : learning_rate(settings));
}

double rare_words_of(const EpochSearch& search) { return kRareWords[search.best_variant()]; }

std::optional<EpochSearch> search_alone(const TrainSettings& settings, const Texts& texts,
                                        const std::function<bool()>& go_on) {
  const Plan plan = plan_of(settings, texts);
  EpochSearch search(plan.searched_parts, variants(plan.settings));
  if (!run_search(search, plan, nullptr, go_on)) return std::nullopt;
  return search;
}

std::optional<Trained> train_one(const TrainSettings& given, const Texts& texts, ResumableRun* run,
                                 std::vector<DataFingerprint> data) {
  Plan plan = plan_of(given, texts);
  TrainSettings& settings = plan.settings;
  const Corpus all = texts_to_train_on(plan);
  const Learned learned = learned_from(all, plan);
  const TrainingWords words = read_words(tokens_of(all, settings.max_length), settings);
  data.push_back({"words", name_of(settings.train), fingerprint_of(words)});
  if (words.vectors) {
    data.push_back({"vectors", settings.vectors, fingerprint_of(*words.vectors)});
  }
  if (run != nullptr) run->check(data);
  std::optional<Trained> initial = initial_model(settings, words, texts.labels, learned.shares);
  const std::optional<std::int64_t> size = check(plan, *initial, run != nullptr);
  EpochSearch search(plan.searched_parts, variants(settings));
  if (run != nullptr) run->begin(search);
  if (!settings.quiet) tell_what_is_trained(plan, *initial);
  if (plan.is_searched()) {
    initial.reset();  // frees its memory
    if (!run_search(search, plan, run)) return std::nullopt;
    if (!settings.quiet) tell_what_was_found(search);
    settings.epochs = search.epochs();
    settings.rare_words = rare_words_of(search);
    initial.emplace(initial_model(settings, words, texts.labels, learned.shares));
  }
  std::optional<Trained> trained = trained_to_end(*initial, words, learned, plan, run);
  if (!trained) return std::nullopt;
  if (plan.is_searched()) {
    trained->answering.temperature = search.temperature();
    if (settings.multi_label) trained->answering.thresholds = search.thresholds();
  }
  if (!size) return trained;
  Trained small = compressed(*trained, *size, settings.command + ": --size");
  if (!settings.quiet) std::cerr << "compressed to " << description(small) << '\n';
  return small;
}

}  // namespace text_classifier
