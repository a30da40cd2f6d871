// From files to trained models: chooses the texts and words, trains, cross-validates.
// Read next: trainer.h.
#include "text_classifier/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/fingerprint.h"
#include "text_classifier/baseline.h"
#include "text_classifier/compress.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/resume.h"
#include "text_classifier/search.h"
#include "text_classifier/source.h"
#include "text_classifier/statistics.h"
#include "text_classifier/trainer.h"
#include "text_classifier/unknown_word.h"

namespace text_classifier {
namespace {

using tg::nn::Vocabulary;

// Texts -------------------------------------------------------------------------------------------

// The texts with these indices, in the order of the file.
Corpus part_of(const Corpus& corpus, tg::nn::Indices kept) {
  std::ranges::sort(kept);
  Corpus part = corpus;
  part.rows.clear();
  for (const std::int64_t row : kept) {
    part.rows.push_back(corpus.rows[static_cast<std::size_t>(row)]);
  }
  return part;
}

// The indices of the texts as a data set, for the functions that split data sets.
tg::nn::TensorDataset<1> rows_of(const Corpus& corpus) {
  return tg::nn::TensorDataset(tg::arange(std::ssize(corpus.rows)));
}

// Keeps `count` random texts, in the order of the file. A separate generator draws them, so the
// model's initial weights do not depend on it.
void keep_some(Corpus& corpus, std::int64_t count, std::uint64_t seed) {
  const std::int64_t rows = std::ssize(corpus.rows);
  tg::Generator generator(seed);
  corpus = part_of(corpus, tg::to_vector<std::int64_t>(
                               narrow(tg::randperm(rows, generator), 0, 0, std::min(count, rows))));
}

// Removes a random tenth of the texts and returns it.
Corpus hold_out_tenth(Corpus& corpus, std::uint64_t seed) {
  const std::int64_t rows = std::ssize(corpus.rows);
  if (rows < 2) {
    throw tg::ValueError("train: --patience holds out a tenth of the texts, needed at least 2");
  }
  const std::int64_t held = (rows + 9) / 10;
  tg::Generator generator(seed);
  const auto [rest, tenth] = tg::nn::random_split(rows_of(corpus), {rows - held, held}, generator);
  Corpus held_out = part_of(corpus, tenth.indices());
  corpus = part_of(corpus, rest.indices());
  return held_out;
}

// Words -------------------------------------------------------------------------------------------

// The word of each id. Padding gets an empty name, so no vector of a file replaces its zeros.
std::vector<std::string> names_in(const Vocabulary& vocabulary) {
  std::vector<std::string> words = vocabulary.words();
  words[Vocabulary::kPadding].clear();
  return words;
}

// The words that the tokenizer can produce.
std::vector<std::string> tokens_among(const std::vector<std::string>& words) {
  std::vector<std::string> tokens;
  for (const std::string& word : words) {
    if (tg::nn::tokenize(word) == std::vector<std::string>{word}) tokens.push_back(word);
  }
  return tokens;
}

// The vocabulary, the training texts as ids, and the vectors to start from.
struct Words {
  Vocabulary vocabulary;
  std::vector<std::vector<std::string>> texts;  // the tokens of each text, if characters are read
  std::vector<std::vector<std::int64_t>> ids;   // of each text
  std::optional<tg::nn::WordVectors> vectors;   // of some words
};

// The library's errors begin with the name of its function, which users do not know.
tg::nn::WordVectors read_vectors(const std::string& path,
                                 const tg::nn::WordVectorsOptions& options) {
  refuse_pipe(path, "train", ", and give the name of that file");
  try {
    return tg::nn::load_word_vectors(path, options);
  } catch (const tg::IoError& error) {
    constexpr std::string_view kFunction = "load_word_vectors: ";
    const std::string_view text = error.what();
    if (!text.starts_with(kFunction)) throw;
    throw tg::IoError("train: " + std::string(text.substr(kFunction.size())));
  }
}

using Tokens = std::vector<std::vector<std::string>>;

// The words of each text. Words after the first max_length are not read: n-grams are added later.
Tokens tokens_of(const Corpus& corpus, std::int64_t max_length) {
  Tokens texts;
  texts.reserve(corpus.rows.size());
  for (const Row& row : corpus.rows) {
    std::vector<std::string>& words = texts.emplace_back(tg::nn::tokenize(row.text));
    if (std::ssize(words) > max_length) words.resize(static_cast<std::size_t>(max_length));
  }
  return texts;
}

Words read_words(const Tokens& texts, const TrainSettings& settings) {
  std::optional<tg::nn::WordVectors> vectors;
  std::vector<std::string> more;
  if (settings.all_vectors) {
    vectors = read_vectors(settings.vectors, {.strict = true});
    more = tokens_among(vectors->words());
  }
  Tokens kept;
  if (settings.model.characters.used()) kept = texts;
  if (!settings.model.words) {
    std::vector<std::vector<std::int64_t>> none(texts.size());
    return {Vocabulary::build({}), std::move(kept), std::move(none), std::nullopt};
  }
  auto [vocabulary, ids] = Vocabulary::build_and_encode(texts, {.longest_ngram = *settings.ngrams},
                                                        settings.min_count, more);
  if (!settings.vectors.empty() && !vectors) {
    vectors = read_vectors(settings.vectors, {.vocabulary = names_in(vocabulary), .strict = true});
  }
  return {vocabulary, std::move(kept), std::move(ids), vectors};
}

void start_from_vectors(Trained& trained, const tg::nn::WordVectors& vectors, bool freeze_known) {
  tg::nn::Embedding& embedding = trained.model.embedding;
  tg::Tensor table = embedding.weight.value().clone();
  std::vector<std::string> names = names_in(trained.vocabulary);
  names.resize(static_cast<std::size_t>(table.size(0)));  // buckets have no names
  const std::vector<std::int64_t> known = tg::nn::copy_known_rows(vectors, names, table);
  embedding.weight.set_value(table);
  if (freeze_known) embedding.freeze_rows(known);
  const tg::nn::WordVectorsReport& report = vectors.report();
  std::cerr << "vectors: " << known.size() << " of " << trained.vocabulary.size()
            << " words found (" << name(report.format) << ", " << report.entries
            << " vectors read, " << report.duplicates << " duplicates, " << report.skipped
            << " skipped, " << report.not_utf8 << " not UTF-8)\n";
}

// The weights of words by the number of texts that contain them: the inverse document frequency,
// log((1 + texts) / (1 + texts with the word)) + 1, to this power. They are divided by a constant,
// so that their mean square over all words of the texts is 1. The rows of character n-grams, which
// follow, have the weight 1.
tg::Tensor word_weights(const Words& words, double power, std::int64_t buckets) {
  const auto size = static_cast<std::size_t>(words.vocabulary.size());
  std::vector<std::int64_t> texts_with(size, 0), last(size, -1);
  for (std::size_t i = 0; i < words.ids.size(); ++i) {
    for (const std::int64_t id : words.ids[i]) {
      const auto word = static_cast<std::size_t>(id);
      if (last[word] != static_cast<std::int64_t>(i)) ++texts_with[word];
      last[word] = static_cast<std::int64_t>(i);
    }
  }
  const auto texts = static_cast<double>(words.ids.size());
  std::vector<double> weights(size);
  for (std::size_t word = 0; word < size; ++word) {
    const double frequency = (1 + texts) / (1 + static_cast<double>(texts_with[word]));
    weights[word] = std::pow(std::log(frequency) + 1, power);
  }
  double sum = 0, count = 0;
  for (const std::vector<std::int64_t>& ids : words.ids) {
    for (const std::int64_t id : ids) {
      const double weight = weights[static_cast<std::size_t>(id)];
      sum += weight * weight;
      ++count;
    }
  }
  if (count == 0) return {};
  const tg::Tensor of_words = tg::tensor(weights).to(tg::float32) / std::sqrt(sum / count);
  return tg::cat({of_words, tg::ones({buckets})}, 0);
}

// The share of each class.
std::vector<double> shares_of(const std::vector<std::int64_t>& labels, std::size_t classes) {
  std::vector<double> shares(classes, 0);
  for (const std::int64_t label : labels) ++shares[static_cast<std::size_t>(label)];
  for (double& share : shares) share /= static_cast<double>(labels.size());
  return shares;
}

// A bag's answer for a text without known words is its bias. It is not trained, but the logarithm
// of the shares of the classes: such a text gets these shares, and the words learn the rest.
void fix_bias(Trained& trained, const std::vector<std::int64_t>& labels) {
  std::vector<double> bias = shares_of(labels, trained.labels.size());
  constexpr double kSmall = 0.1;  // texts of a class that has none
  for (double& share : bias) share = std::log(share + kSmall / static_cast<double>(labels.size()));
  for (tg::NamedParameter parameter : trained.model.parameters()) {
    if (parameter.name != "head.bias") continue;
    parameter.set_value(tg::tensor(bias).to(tg::float32));
    parameter.set_requires_grad(false);
  }
}

bool has_unknown_words(const Words& words) {
  return std::ranges::any_of(words.ids, [](const std::vector<std::int64_t>& ids) {
    return std::ranges::find(ids, Vocabulary::kUnknown) != ids.end();
  });
}

// What a run reads --------------------------------------------------------------------------------

std::string fingerprint_of(const Corpus& corpus) {
  examples::Fingerprint sum;
  for (const Row& row : corpus.rows) {
    sum.add(row.text);
    sum.add(row.label);
  }
  return sum.hex();
}

std::string fingerprint_of(const Words& words) {
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

// A whole run -------------------------------------------------------------------------------------

struct Finished {
  std::optional<Trained> trained;
  ModelSettings settings;
  bool ended = true;  // false: a signal stopped it
};

// The texts of a run.
struct Texts {
  Corpus train;
  std::vector<std::string> labels;
  std::optional<Corpus> test = std::nullopt;
  std::optional<Corpus> dev = std::nullopt;  // held out
};

// A model that is trained once: on all texts, or on those that are not held out. It keeps
// references to itself, so it cannot be moved.
class Training {
 public:
  // Requires settings.epochs.
  Training(const TrainSettings& settings, const Words& words, const Corpus& texts,
           const std::vector<std::string>& labels)
      : settings_(with_sizes(settings, words, labels.size())),
        labels_(label_ids(texts, labels)),
        fits_unknown_(settings.model.arch != "bag" && !has_unknown_words(words)),
        trained(make_model(settings_, words, labels)),
        examples_{.train = {ids_of(trained, words), tg::tensor(labels_)}} {
    if (settings_.model.arch == "bag") fix_bias(trained, labels_);
  }
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  void hold_out(const Corpus& texts) { examples_.held_out = examples_of(trained, texts); }
  void test_on(const Corpus& texts) { examples_.test = examples_of(trained, texts); }
  void start(EpochSearch* search) { trainer_.emplace(trained, examples_, settings_, search); }

  // Returns whether the end was reached.
  bool run(ResumableRun* run) {
    const bool ended =
        run != nullptr ? run->train(*trainer_) : trainer_->run(nullptr, [] { return true; });
    trainer_.reset();  // its optimizer finishes the steps of rare words
    trained.model.fold_word_weights();
    if (ended && fits_unknown_ && *settings_.epochs > 0) {
      fit_unknown_word(trained, shares_of(labels_, trained.labels.size()));
    }
    return ended;
  }

  const TrainSettings& settings() const { return settings_; }

 private:
  static TrainSettings with_sizes(TrainSettings settings, const Words& words, std::size_t classes) {
    if (words.vectors) settings.model.dim = words.vectors->dim();
    settings.model.vocabulary = words.vocabulary.size();
    settings.model.classes = static_cast<std::int64_t>(classes);
    return settings;
  }
  static Trained make_model(const TrainSettings& settings, const Words& words,
                            const std::vector<std::string>& labels) {
    tg::manual_seed(static_cast<std::uint64_t>(settings.seed));
    Trained trained{
        Classifier(settings.model), words.vocabulary,    labels, settings.max_length, {},
        settings.model.characters,  settings.model.words};
    if (words.vectors) start_from_vectors(trained, *words.vectors, settings.freeze_known);
    if (settings.freeze_embeddings) trained.model.embedding.weight.set_requires_grad(false);
    if (settings.rare_words > 0) {
      trained.model.weigh_words(
          word_weights(words, settings.rare_words, settings.model.characters.buckets));
    }
    return trained;
  }

  static std::vector<tg::Tensor> ids_of(const Trained& trained, const Words& words) {
    std::vector<tg::Tensor> ids;
    ids.reserve(words.ids.size());
    const std::vector<std::string> none;
    for (std::size_t i = 0; i < words.ids.size(); ++i) {
      ids.push_back(trained.ids(words.texts.empty() ? none : words.texts[i], words.ids[i]));
    }
    return ids;
  }

  TrainSettings settings_;
  std::vector<std::int64_t> labels_;
  bool fits_unknown_;

 public:
  Trained trained;

 private:
  Examples examples_;
  std::optional<Trainer> trainer_;
};

// The variants of a search: all words count the same, or rare ones more. Vectors from a file are
// not weighted.
constexpr double kRareWords[] = {0, 0.5};
std::int64_t variants(const TrainSettings& settings) {
  const bool weighs =
      settings.model.words && settings.vectors.empty() && !settings.freeze_embeddings;
  return weighs ? std::ssize(kRareWords) : 1;
}

// Adam's rate if the number of epochs is searched: half of the usual one, so that neighboring
// numbers differ less.
constexpr double kSearchedRate = 0.0025;

// Rows that are not in `held_out`.
tg::nn::Indices others(std::size_t rows, const std::vector<std::int64_t>& held_out) {
  std::vector<bool> is_held_out(rows, false);
  for (const std::int64_t row : held_out) is_held_out[static_cast<std::size_t>(row)] = true;
  tg::nn::Indices rest;
  for (std::size_t row = 0; row < rows; ++row) {
    if (!is_held_out[row]) rest.push_back(static_cast<std::int64_t>(row));
  }
  return rest;
}

// Finds the number of epochs and the temperature. Returns whether the end was reached.
bool run_search(EpochSearch& search, TrainSettings settings, const Texts& texts,
                const std::vector<std::vector<std::int64_t>>& parts, ResumableRun* run) {
  while (!search.done()) {
    settings.rare_words = kRareWords[search.variant()];
    Corpus train = texts.train;
    Corpus held_out;
    if (texts.dev) {
      held_out = *texts.dev;
    } else {
      const std::vector<std::int64_t>& part = parts[static_cast<std::size_t>(search.part())];
      held_out = part_of(texts.train, part);
      train = part_of(texts.train, others(texts.train.rows.size(), part));
    }
    Training training(settings, read_words(tokens_of(train, settings.max_length), settings), train,
                      texts.labels);
    training.hold_out(held_out);
    training.start(&search);
    if (!training.run(run)) return false;
    search.next_run();
  }
  return true;
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

// Trains one model. If `run` is not null, its folder is created and locked only after all files and
// settings were checked.
Finished train_one(TrainSettings settings, Texts texts, ResumableRun* run,
                   std::vector<DataFingerprint> data = {}) {
  const auto seed = static_cast<std::uint64_t>(settings.seed);
  const bool searches = searches_epochs(settings);
  std::vector<std::vector<std::int64_t>> parts;
  if (searches && !texts.dev) parts = held_out_parts(label_ids(texts.train, texts.labels), seed);
  EpochSearch search(searches ? (texts.dev ? 1 : std::ssize(parts)) : 0, variants(settings));
  if (settings.patience && !texts.dev) texts.dev = hold_out_tenth(texts.train, seed);

  // What the saved model is trained on, and, before that, the parts of a search.
  Corpus all = texts.train;
  const bool is_searched = search.parts() > 0;
  if (is_searched && texts.dev) {
    all.rows.insert(all.rows.end(), texts.dev->rows.begin(), texts.dev->rows.end());
  }
  const Words words = read_words(tokens_of(all, settings.max_length), settings);
  data.push_back({"words", settings.train, fingerprint_of(words)});
  if (words.vectors) {
    data.push_back({"vectors", settings.vectors, fingerprint_of(*words.vectors)});
  }
  if (run != nullptr) run->check(data);
  settings.epochs =
      is_searched ? EpochSearch::kMostEpochs : number_of_epochs(settings, texts.train.rows.size());
  if (is_searched) {
    settings.schedule = "constant";
    if (settings.optimizer == "adam") settings.lr = settings.lr.value_or(kSearchedRate);
  }

  std::optional<Training> training;
  const auto make = [&] {
    training.emplace(settings, words, all, texts.labels);
    if (texts.test) training->test_on(*texts.test);
    if (texts.dev && !is_searched) training->hold_out(*texts.dev);
    training->start(nullptr);
  };
  make();  // all errors in the settings are found here
  std::optional<std::int64_t> size;
  if (!settings.size.empty()) {
    size = parse_size(settings.size, "train: --size");
    check_size(training->trained, training->settings().model, *size, "train: --size");
  }
  if (run != nullptr) {
    check_can_be_saved(training->trained, training->settings().model);
    run->begin(search);
  }
  const std::int64_t held_out = texts.dev       ? std::ssize(texts.dev->rows)
                                : parts.empty() ? 0
                                                : std::ssize(parts.front());
  std::cerr << texts.train.rows.size() << " texts to train on (" << name(texts.train.format)
            << "), " << (texts.test ? texts.test->rows.size() : 0) << " to test, ";
  if (held_out > 0) {
    std::cerr << held_out << (search.parts() > 1 ? " in turn" : "") << " held out, ";
  }
  std::cerr << texts.labels.size() << " classes, " << words.vocabulary.size() << " words";
  if (const Characters& characters = training->trained.characters; characters.used()) {
    std::cerr << ", character n-grams of " << characters.shortest << " to " << characters.longest
              << " in " << characters.buckets << " buckets";
  }
  std::cerr << '\n' << training->trained.model;
  if (is_searched) {
    training.reset();
    if (!run_search(search, settings, texts, parts, run)) return {std::nullopt, {}, false};
    tell_what_was_found(search);
    settings.epochs = search.epochs();
    settings.rare_words = kRareWords[search.best_variant()];
    make();
  }
  const bool ended = training->run(run);
  if (is_searched) training->trained.answering.temperature = search.temperature();
  if (size && ended) {
    auto [small, model] =
        compressed(training->trained, training->settings().model, *size, "train: --size");
    std::cerr << "compressed to " << description(model) << '\n';
    return {small, model, ended};
  }
  return {training->trained, training->settings().model, ended};
}

// Trains settings.folds models, and calls visit(model, its training texts, the others, the indices
// of the others) for each.
template <class Visit>
void for_each_fold(const TrainSettings& settings, const Texts& texts, const Visit& visit) {
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  for (const auto& [rest, part] :
       tg::nn::k_folds(rows_of(texts.train), *settings.folds, generator)) {
    const Corpus train = part_of(texts.train, rest.indices());
    tg::nn::Indices tested = part.indices();
    std::ranges::sort(tested);  // the order of part_of()
    Finished fold = train_one(settings, {train, texts.labels}, nullptr);
    visit(*fold.trained, train, part_of(texts.train, tested), tested);
  }
}

void print_mean_accuracy(const std::vector<double>& accuracies, std::size_t texts) {
  const tg::Tensor all = tg::tensor(accuracies);
  const Interval interval = t_interval(accuracies);
  std::cout << "mean accuracy " << mean(all).item<double>() << ", 95 % interval "
            << std::max(interval.low, 0.0) << " to " << std::min(interval.high, 1.0)
            << ", standard deviation " << tg::std(all).item<double>() << " (" << accuracies.size()
            << " folds, n=" << texts << ")\n";
}

void cross_validate(const TrainSettings& settings, const Texts& texts) {
  std::vector<double> accuracies;
  BaselineFolds baselines;
  for_each_fold(
      settings, texts,
      [&](Trained& trained, const Corpus& rest, const Corpus& tested, const auto&) {
        accuracies.push_back(score(trained, examples_of(trained, tested)).matrix.accuracy());
        if (settings.baseline) baselines.add(rest, tested, texts.labels);
        std::cout << "fold " << accuracies.size() << '/' << *settings.folds << "  accuracy "
                  << std::fixed << std::setprecision(3) << accuracies.back()
                  << " (n=" << tested.rows.size() << ")\n"
                  << std::flush;
      });
  baselines.print(std::cout, accuracies);
  print_mean_accuracy(accuracies, texts.train.rows.size());
}

void tell_what_was_read(const Corpus& corpus) {
  std::cerr << corpus.path << ": " << description(corpus) << '\n';
}

int train_and_save(const TrainSettings& settings, const Texts& texts, ResumableRun& run,
                   const std::vector<DataFingerprint>& data) {
  const auto begin = std::chrono::steady_clock::now();
  Finished finished = train_one(settings, texts, &run, data);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (!finished.ended) return StopSignals::received();
  Trained& trained = *finished.trained;
  run.save(trained, finished.settings);
  std::cerr << "model saved in " << settings.out << '\n';
  if (const int signal = StopSignals::received()) return signal;
  if (texts.test) {
    const Score result = score(trained, examples_of(trained, *texts.test));
    if (settings.baseline) {
      print_baselines(std::cout, result.matrix, seconds.count(),
                      train_baselines(texts.train, *texts.test, texts.labels),
                      label_ids(*texts.test, texts.labels));
    }
    print_report(std::cout, result.matrix, "test", result.calibration.error());
  }
  return 0;
}

// The training texts, checked and cut to settings.train_limit.
Texts read_training_texts(const TrainSettings& settings, const Reading& reading,
                          std::vector<DataFingerprint>* data) {
  Texts texts{.train = read_corpus(settings.train, "train", reading), .labels = {}};
  check_trainable(texts.train, reading);
  texts.labels = label_names(texts.train);
  tell_what_was_read(texts.train);
  if (data != nullptr) {
    data->push_back({"training texts", settings.train, fingerprint_of(texts.train)});
  }
  if (settings.train_limit) {
    keep_some(texts.train, *settings.train_limit, static_cast<std::uint64_t>(settings.seed));
  }
  return texts;
}

}  // namespace

int train(const TrainSettings& given) {
  std::optional<ResumableRun> run;
  if (!given.folds) run.emplace(given);
  const TrainSettings settings = checked(run ? run->settings() : given);
  // All files are read before anything is written.
  Reading reading = reading_of(settings);
  std::vector<DataFingerprint> data;
  Texts texts = read_training_texts(settings, reading, &data);
  if (settings.folds) {
    cross_validate(settings, texts);
    return 0;
  }
  if (!settings.test.empty()) {
    reading.labels = texts.labels;
    texts.test = read_corpus(settings.test, "train", reading);
    tell_what_was_read(*texts.test);
    data.push_back({"test texts", settings.test, fingerprint_of(*texts.test)});
  }
  if (!settings.dev.empty()) {
    reading.labels = texts.labels;
    texts.dev = read_corpus(settings.dev, "train", reading);
    label_ids(*texts.dev, texts.labels);  // throws for an unknown label
    tell_what_was_read(*texts.dev);
    data.push_back({"held-out texts", settings.dev, fingerprint_of(*texts.dev)});
  }
  return train_and_save(settings, texts, *run, data);
}

CrossValidated cross_validated(const TrainSettings& given) {
  const TrainSettings settings = checked(given);
  const Texts texts = read_training_texts(settings, reading_of(settings), nullptr);
  tg::Tensor all = tg::zeros({texts.train.rows.size(), texts.labels.size()});
  for_each_fold(
      settings, texts,
      [&](Trained& trained, const Corpus&, const Corpus& tested, const tg::nn::Indices& indices) {
        std::vector<tg::Tensor> ids;
        for (const Row& row : tested.rows) ids.push_back(trained.ids(row.text));
        const tg::Tensor p = probabilities(trained, ids);
        for (std::size_t i = 0; i < indices.size(); ++i) {
          select(all, 0, indices[i]).copy_(select(p, 0, static_cast<std::int64_t>(i)));
        }
      });
  return {texts.train, texts.labels, all};
}

}  // namespace text_classifier
