// From files to trained models: chooses the texts and words, trains, cross-validates.
// Read next: trainer.h.
#include "text_classifier/training.h"

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text_classifier/baseline.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/fingerprint.h"
#include "text_classifier/resume.h"
#include "text_classifier/source.h"
#include "text_classifier/statistics.h"
#include "text_classifier/trainer.h"

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
  std::vector<std::vector<std::int64_t>> ids;  // of each text
  std::optional<tg::nn::WordVectors> vectors;  // of some words
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

Words read_words(const Corpus& corpus, const TrainSettings& settings) {
  std::vector<std::vector<std::string>> texts;
  for (const Row& row : corpus.rows) texts.push_back(tg::nn::tokenize(row.text));
  std::optional<tg::nn::WordVectors> vectors;
  std::vector<std::string> more;
  if (settings.all_vectors) {
    vectors = read_vectors(settings.vectors, {.strict = true});
    more = tokens_among(vectors->words());
  }
  auto [vocabulary, ids] = Vocabulary::build_and_encode(texts, {.longest_ngram = settings.ngrams},
                                                        settings.min_count, more);
  if (!settings.vectors.empty() && !vectors) {
    vectors = read_vectors(settings.vectors, {.vocabulary = names_in(vocabulary), .strict = true});
  }
  return {vocabulary, std::move(ids), vectors};
}

void start_from_vectors(Trained& trained, const tg::nn::WordVectors& vectors, bool freeze_known) {
  tg::nn::Embedding& embedding = trained.model.embedding;
  tg::Tensor table = embedding.weight.value().clone();
  const std::vector<std::int64_t> known =
      tg::nn::copy_known_rows(vectors, names_in(trained.vocabulary), table);
  embedding.weight.set_value(table);
  if (freeze_known) embedding.freeze_rows(known);
  const tg::nn::WordVectorsReport& report = vectors.report();
  std::cerr << "vectors: " << known.size() << " of " << trained.vocabulary.size()
            << " words found (" << name(report.format) << ", " << report.entries
            << " vectors read, " << report.duplicates << " duplicates, " << report.skipped
            << " skipped, " << report.not_utf8 << " not UTF-8)\n";
}

// What a run reads --------------------------------------------------------------------------------

std::string fingerprint_of(const Corpus& corpus) {
  Fingerprint sum;
  for (const Row& row : corpus.rows) {
    sum.add(row.text);
    sum.add(row.label);
  }
  return sum.hex();
}

std::string fingerprint_of(const Words& words) {
  Fingerprint sum;
  sum.add(words.vocabulary.text());
  return sum.hex();
}

std::string fingerprint_of(const tg::nn::WordVectors& vectors) {
  Fingerprint sum;
  for (const std::string& word : vectors.words()) sum.add(word);
  const std::span<const float> elements = vectors.vectors().span<float>();
  sum.add({reinterpret_cast<const char*>(elements.data()), elements.size_bytes()});
  return sum.hex();
}

// A whole run -------------------------------------------------------------------------------------

struct Finished {
  Trained trained;
  ModelSettings settings;
  bool ended = true;  // false: a signal stopped it
};

// The texts of a run.
struct Texts {
  Corpus train;
  std::vector<std::string> labels;
  std::optional<Corpus> test = std::nullopt;
};

// Trains one model. If `run` is not null, its folder is created and locked only after all files and
// settings were checked.
Finished train_one(TrainSettings settings, Texts texts, ResumableRun* run,
                   std::vector<DataFingerprint> data = {}) {
  const auto seed = static_cast<std::uint64_t>(settings.seed);
  std::optional<Corpus> held_out;
  if (settings.patience) held_out = hold_out_tenth(texts.train, seed);
  const Words words = read_words(texts.train, settings);
  data.push_back({"words", settings.train, fingerprint_of(words)});
  if (words.vectors) {
    data.push_back({"vectors", settings.vectors, fingerprint_of(*words.vectors)});
  }
  if (run != nullptr) run->check(data);
  if (words.vectors) settings.model.dim = words.vectors->dim();
  settings.epochs = number_of_epochs(settings, texts.train.rows.size());
  settings.model.vocabulary = words.vocabulary.size();
  settings.model.classes = std::ssize(texts.labels);

  tg::manual_seed(seed);
  Trained trained{Classifier(settings.model), words.vocabulary, texts.labels, settings.max_length};
  if (words.vectors) start_from_vectors(trained, *words.vectors, settings.freeze_known);
  if (settings.freeze_embeddings) trained.model.embedding.weight.set_requires_grad(false);

  std::vector<tg::Tensor> ids;
  for (const std::vector<std::int64_t>& encoded : words.ids) ids.push_back(trained.ids(encoded));
  Examples examples{.train = {std::move(ids), tg::tensor(label_ids(texts.train, texts.labels))}};
  if (texts.test) examples.test = examples_of(trained, *texts.test);
  if (held_out) examples.held_out = examples_of(trained, *held_out);

  Trainer trainer(trained, examples, settings);
  if (run != nullptr) {
    check_can_be_saved(trained, settings.model);
    run->begin(trainer);
  }
  std::cerr << texts.train.rows.size() << " texts to train on (" << name(texts.train.format)
            << "), " << (texts.test ? texts.test->rows.size() : 0) << " to test, ";
  if (held_out) std::cerr << held_out->rows.size() << " held out, ";
  std::cerr << texts.labels.size() << " classes, " << words.vocabulary.size() << " words\n"
            << trained.model;
  const bool ended =
      run != nullptr ? run->train(trainer) : trainer.run(nullptr, [] { return true; });
  return {trained, settings.model, ended};
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
    visit(fold.trained, train, part_of(texts.train, tested), tested);
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
  run.save(finished.trained, finished.settings);
  std::cerr << "model saved in " << settings.out << '\n';
  if (const int signal = StopSignals::received()) return signal;
  if (texts.test) {
    const Score result = score(finished.trained, examples_of(finished.trained, *texts.test));
    if (settings.baseline) {
      print_baselines(std::cout, result.matrix, seconds.count(),
                      train_baselines(texts.train, *texts.test, texts.labels),
                      label_ids(*texts.test, texts.labels));
    }
    print_report(std::cout, result.matrix, "test");
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
