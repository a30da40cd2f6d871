// From files to trained models: chooses the texts and words, trains, cross-validates.
// Read next: trainer.h.
#include "text_classifier/training.h"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text_classifier/compress.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/fingerprint.h"
#include "text_classifier/resume.h"
#include "text_classifier/source.h"
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
  std::vector<std::vector<std::string>> texts;  // the tokens of each text
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

Words read_words(const Corpus& corpus, const TrainSettings& settings) {
  std::vector<std::vector<std::string>> texts;
  for (const Row& row : corpus.rows) texts.push_back(tg::nn::tokenize(row.text));
  std::optional<tg::nn::WordVectors> vectors;
  std::vector<std::string> more;
  if (settings.all_vectors) {
    vectors = read_vectors(settings.vectors, {.strict = true});
    more = tokens_among(vectors->words());
  }
  if (!settings.model.words) {
    std::vector<std::vector<std::int64_t>> none(texts.size());
    return {Vocabulary::build({}), std::move(texts), std::move(none), std::nullopt};
  }
  auto [vocabulary, ids] = Vocabulary::build_and_encode(texts, {.longest_ngram = settings.ngrams},
                                                        settings.min_count, more);
  if (!settings.vectors.empty() && !vectors) {
    vectors = read_vectors(settings.vectors, {.vocabulary = names_in(vocabulary), .strict = true});
  }
  return {vocabulary, std::move(texts), std::move(ids), vectors};
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
  Trained trained{Classifier(settings.model), words.vocabulary,          texts.labels,
                  settings.max_length,        settings.model.characters, settings.model.words};
  if (words.vectors) start_from_vectors(trained, *words.vectors, settings.freeze_known);
  if (settings.freeze_embeddings) trained.model.embedding.weight.set_requires_grad(false);

  std::vector<tg::Tensor> ids;
  for (std::size_t i = 0; i < words.ids.size(); ++i) {
    ids.push_back(trained.ids(words.texts[i], words.ids[i]));
  }
  Examples examples{.train = {std::move(ids), tg::tensor(label_ids(texts.train, texts.labels))}};
  if (texts.test) examples.test = examples_of(trained, *texts.test);
  if (held_out) examples.held_out = examples_of(trained, *held_out);

  std::optional<std::int64_t> size;
  if (!settings.size.empty()) {
    size = parse_size(settings.size, "train: --size");
    check_size(trained, settings.model, *size, "train: --size");
  }

  Trainer trainer(trained, examples, settings);
  if (run != nullptr) {
    check_can_be_saved(trained, settings.model);
    run->begin(trainer);
  }
  std::cerr << texts.train.rows.size() << " texts to train on (" << name(texts.train.format)
            << "), " << (texts.test ? texts.test->rows.size() : 0) << " to test, ";
  if (held_out) std::cerr << held_out->rows.size() << " held out, ";
  std::cerr << texts.labels.size() << " classes, " << words.vocabulary.size() << " words";
  if (const Characters& characters = trained.characters; characters.used()) {
    std::cerr << ", character n-grams of " << characters.shortest << " to " << characters.longest
              << " in " << characters.buckets << " buckets";
  }
  std::cerr << '\n' << trained.model;
  const bool ended =
      run != nullptr ? run->train(trainer) : trainer.run(nullptr, [] { return true; });
  if (size && ended) {
    auto [small, model] = compressed(trained, settings.model, *size, "train: --size");
    std::cerr << "compressed to " << description(model) << '\n';
    return {small, model, ended};
  }
  return {trained, settings.model, ended};
}

void cross_validate(const TrainSettings& settings, const Texts& texts) {
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  std::vector<double> accuracies;
  for (const auto& [rest, part] :
       tg::nn::k_folds(rows_of(texts.train), *settings.folds, generator)) {
    Finished fold =
        train_one(settings, {part_of(texts.train, rest.indices()), texts.labels}, nullptr);
    const Corpus tested = part_of(texts.train, part.indices());
    accuracies.push_back(score(fold.trained, examples_of(fold.trained, tested)).matrix.accuracy());
    std::cout << "fold " << accuracies.size() << '/' << *settings.folds << "  accuracy "
              << std::fixed << std::setprecision(3) << accuracies.back()
              << " (n=" << tested.rows.size() << ")\n"
              << std::flush;
  }
  const tg::Tensor all = tg::tensor(accuracies);
  std::cout << "mean accuracy " << mean(all).item<double>() << ", standard deviation "
            << tg::std(all).item<double>() << " (" << accuracies.size()
            << " folds, n=" << texts.train.rows.size() << ")\n";
}

void tell_what_was_read(const Corpus& corpus) {
  std::cerr << corpus.path << ": " << description(corpus) << '\n';
}

int train_and_save(const TrainSettings& settings, const Texts& texts, ResumableRun& run,
                   const std::vector<DataFingerprint>& data) {
  Finished finished = train_one(settings, texts, &run, data);
  if (!finished.ended) return StopSignals::received();
  run.save(finished.trained, finished.settings);
  std::cerr << "model saved in " << settings.out << '\n';
  if (const int signal = StopSignals::received()) return signal;
  if (texts.test) {
    const Score result = score(finished.trained, examples_of(finished.trained, *texts.test));
    print_report(std::cout, result.matrix, "test");
  }
  return 0;
}

}  // namespace

int train(const TrainSettings& given) {
  std::optional<ResumableRun> run;
  if (!given.folds) run.emplace(given);
  const TrainSettings settings = checked(run ? run->settings() : given);
  // All files are read before anything is written.
  Reading reading = reading_of(settings);
  Texts texts{.train = read_corpus(settings.train, "train", reading), .labels = {}};
  check_trainable(texts.train, reading);
  texts.labels = label_names(texts.train);
  tell_what_was_read(texts.train);
  std::vector<DataFingerprint> data{
      {"training texts", settings.train, fingerprint_of(texts.train)}};
  if (settings.train_limit) {
    keep_some(texts.train, *settings.train_limit, static_cast<std::uint64_t>(settings.seed));
  }
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

}  // namespace text_classifier
