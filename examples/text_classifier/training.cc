#include "text_classifier/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>

#include "text_classifier/progress.h"

namespace text_classifier {
namespace {

std::string bundled(const char* name) {
  return std::string(TAPEGRAD_SOURCE_DIR) + "/examples/text_classifier/data/" + name;
}

// Of texts that are only answered for: by length, so that little is padded.
constexpr tg::nn::DataLoaderOptions kAnswering{.batch_size = 64, .bucket_batches = INT64_MAX};

tg::nn::SequenceDataset examples_of(const Trained& trained, const Corpus& corpus) {
  std::vector<tg::Tensor> texts;
  for (const Row& row : corpus.rows) texts.push_back(trained.ids(row.text));
  return {std::move(texts), tg::tensor(label_ids(corpus, trained.labels))};
}

struct Score {
  double loss = 0;
  ConfusionMatrix matrix;
};

Score score(const Trained& trained, const tg::nn::SequenceDataset& examples) {
  const tg::NoGrad guard;
  trained.model.eval();
  Score result{0, ConfusionMatrix(trained.labels)};
  tg::Generator own(0);  // testing takes nothing from the generator of the training
  for (const auto& [ids, lengths, labels] : tg::nn::DataLoader(examples, kAnswering, own)) {
    const tg::Variable logits = trained.model(ids);
    result.loss +=
        tg::nn::cross_entropy(logits, labels, {.reduction = tg::nn::Reduction::sum}).item<double>();
    const tg::Tensor predicted = argmax(logits.value(), 1);
    for (std::int64_t i = 0; i < labels.size(0); ++i) {
      result.matrix.add(labels.item<std::int64_t>({i}), predicted.item<std::int64_t>({i}));
    }
  }
  result.loss /= static_cast<double>(std::max<std::int64_t>(examples.size(), 1));
  return result;
}

// Settings that did well on a tenth of TREC's training questions, held out.
double learning_rate(const TrainSettings& settings) {
  if (settings.lr) return *settings.lr;
  if (settings.optimizer == "sgd") return 3.0;
  if (settings.model.arch == "bag") return 0.005;
  return settings.model.arch == "attention" ? 0.001 : 0.002;
}

// About 1,700 steps, but 10 passes at least and 100 at most.
std::int64_t number_of_epochs(const TrainSettings& settings, std::size_t texts) {
  const std::int64_t steps =
      (static_cast<std::int64_t>(texts) + settings.batch - 1) / settings.batch;
  return settings.epochs.value_or(
      std::clamp<std::int64_t>(1700 / std::max<std::int64_t>(steps, 1), 10, 100));
}

std::unique_ptr<tg::optim::Optimizer> optimizer_for(const Classifier& model,
                                                    const TrainSettings& settings) {
  if (settings.optimizer == "sgd") {
    return std::make_unique<tg::optim::SGD>(model.parameters(),
                                            tg::optim::SGDOptions{.lr = learning_rate(settings)});
  }
  return std::make_unique<tg::optim::Adam>(model.parameters(),
                                           tg::optim::AdamOptions{.lr = learning_rate(settings)});
}

// What turns the rate, a step for each batch; null: it falls to 0 in a straight line, as run_epoch
// does it.
std::unique_ptr<tg::optim::Schedule> schedule_for(tg::optim::Optimizer& optimizer,
                                                  const TrainSettings& settings,
                                                  std::size_t texts) {
  namespace optim = tg::optim;
  const std::int64_t batches =
      (static_cast<std::int64_t>(texts) + settings.batch - 1) / settings.batch;
  const std::int64_t steps = *settings.epochs * batches;
  if (settings.schedule == "linear" || steps == 0) return nullptr;
  if (settings.schedule == "warm-up") {
    return std::make_unique<optim::LinearLR>(
        optimizer, optim::LinearLROptions{.start_factor = 0.01,
                                          .total_iters = std::max<std::int64_t>(steps / 10, 1)});
  }
  if (settings.schedule == "cosine") {
    return std::make_unique<optim::CosineAnnealingLR>(
        optimizer, optim::CosineAnnealingLROptions{.T_max = steps});
  }
  if (settings.schedule == "one-cycle") {
    return std::make_unique<optim::OneCycleLR>(
        optimizer, optim::OneCycleLROptions{.max_lr = learning_rate(settings),
                                            .total_steps = steps,
                                            .cycle_momentum = settings.optimizer == "adam"});
  }
  return std::make_unique<optim::ConstantLR>(optimizer, optim::ConstantLROptions{.factor = 1});
}

// The words by their ids. Padding has no name: its vector stays 0, whatever a file may hold.
std::vector<std::string> words_of(const Vocabulary& vocabulary) {
  std::vector<std::string> words = {""};
  for (std::int64_t id = Vocabulary::kUnknown; id < vocabulary.size(); ++id) {
    words.emplace_back(vocabulary.word(id));
  }
  return words;
}

// Those of a file with vectors that a text could have as tokens.
std::vector<std::string> tokens_among(const std::vector<std::string>& words) {
  std::vector<std::string> tokens;
  for (const std::string& word : words) {
    if (tokenize(word) == std::vector<std::string>{word}) tokens.push_back(word);
  }
  return tokens;
}

void start_from_vectors(const Trained& trained, const tg::nn::WordVectors& vectors,
                        const TrainSettings& settings) {
  const tg::nn::Embedding& embedding = trained.model.embedding;
  tg::Tensor table = embedding.weight.value().clone();
  const std::vector<std::int64_t> known =
      tg::nn::copy_known_rows(vectors, words_of(trained.vocabulary), table);
  embedding.weight.set_value(table);
  if (settings.freeze_known) embedding.freeze_rows(known);
  const tg::nn::WordVectorsReport& report = vectors.report();
  std::cerr << "vectors: " << known.size() << " of " << trained.vocabulary.size()
            << " words found (" << name(report.format) << ", " << report.entries
            << " vectors read, " << report.duplicates << " duplicates, " << report.skipped
            << " skipped, " << report.not_utf8 << " not UTF-8)\n";
}

// These texts, in the order of the file.
Corpus part_of(const Corpus& corpus, tg::nn::Indices kept) {
  std::ranges::sort(kept);
  Corpus part = corpus;
  part.rows.clear();
  for (const std::int64_t row : kept) {
    part.rows.push_back(corpus.rows[static_cast<std::size_t>(row)]);
  }
  return part;
}

// Some of the texts, in the order of the file. The numbers that draw them are not those that the
// model begins with.
void keep_some(Corpus& corpus, std::int64_t count, std::uint64_t seed) {
  const auto rows = static_cast<std::int64_t>(corpus.rows.size());
  tg::Generator generator(seed);
  corpus = part_of(corpus, tg::to_vector<std::int64_t>(
                               narrow(tg::randperm(rows, generator), 0, 0, std::min(count, rows))));
}

void check_combination(const TrainSettings& settings) {
  const std::string& arch = settings.model.arch;
  if (settings.pool && !has_states(arch)) {
    throw tg::ValueError("train: --pool is about the states at the words, and " + arch +
                         " has none; needed --arch rnn, lstm, gru or attention");
  }
  if (settings.layers && !has_states(arch)) {
    throw tg::ValueError("train: --layers is for networks of several layers, and " + arch +
                         " has one; needed --arch rnn, lstm, gru or attention");
  }
  if (settings.model.bidirectional && !is_recurrent(arch)) {
    throw tg::ValueError("train: --bidirectional is for networks that read backwards too, and " +
                         arch + " does not; needed --arch rnn, lstm or gru");
  }
  if (settings.heads && arch != "attention") {
    throw tg::ValueError("train: --heads divides the states of attention, and " + arch +
                         " has none; needed --arch attention");
  }
  if (arch == "attention" && settings.max_length > kMostPositions) {
    throw tg::ValueError("train: --max-length is " + std::to_string(settings.max_length) +
                         ", needed " + std::to_string(kMostPositions) +
                         " or less: attention tells no more places apart");
  }
  if (settings.filters && arch != "cnn") {
    throw tg::ValueError("train: --filters is about convolutions, and " + arch +
                         " has none; needed --arch cnn");
  }
  if (settings.freeze_known && settings.vectors.empty()) {
    throw tg::ValueError(
        "train: --freeze-known freezes the words that --vectors FILE knows; "
        "needed that file too");
  }
  if (settings.all_vectors && settings.vectors.empty()) {
    throw tg::ValueError(
        "train: --all-vectors takes every word that --vectors FILE holds; needed that file too");
  }
  if (settings.freeze_known && settings.freeze_embeddings) {
    throw tg::ValueError(
        "train: --freeze-embeddings freezes all word vectors, --freeze-known "
        "some of them; needed one of the two");
  }
  if (settings.folds && !settings.test.empty()) {
    throw tg::ValueError(
        "train: --folds tests on parts of the training texts, --test on others; needed one of the "
        "two");
  }
  if (settings.model.sparse && settings.freeze_embeddings) {
    throw tg::ValueError(
        "train: --sparse is about steps of the word vectors, and --freeze-embeddings "
        "takes none; needed one of the two");
  }
}

std::string summary(const EpochMetrics& metrics, std::int64_t epochs) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(4) << "epoch " << metrics.epoch << '/' << epochs
       << "  loss " << metrics.train_loss << "  accuracy " << std::setprecision(3)
       << metrics.train_accuracy;
  if (metrics.test_accuracy) {
    text << "  test loss " << std::setprecision(4) << *metrics.test_loss << "  test accuracy "
         << std::setprecision(3) << *metrics.test_accuracy;
  }
  if (metrics.held_out_loss) {
    text << "  held-out loss " << std::setprecision(4) << *metrics.held_out_loss;
  }
  return text.str();
}

// One pass over the examples.
EpochMetrics run_epoch(const Trained& trained,
                       const tg::nn::DataLoader<tg::nn::SequenceDataset>& loader,
                       tg::optim::Optimizer& optimizer, tg::optim::Schedule* schedule,
                       const TrainSettings& settings, std::int64_t epoch, Progress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  EpochMetrics metrics{.epoch = epoch};
  const std::int64_t count = loader.data().size();
  std::int64_t done = 0;
  std::int64_t correct = 0;
  trained.model.train();
  for (const auto& [ids, lengths, labels] : loader) {
    optimizer.zero_grad();
    const tg::Variable logits = trained.model(ids);
    const tg::Variable loss = tg::nn::cross_entropy(logits, labels);
    if (!std::isfinite(loss.item<double>())) {
      throw tg::ValueError("train: the loss is " + std::to_string(loss.item<double>()) +
                           " in epoch " + std::to_string(epoch) +
                           ", needed a finite one; no model is saved; lower --lr");
    }
    loss.backward();
    tg::optim::clip_grad_norm(trained.model.parameters(), 5.0);
    optimizer.step();

    const std::int64_t size = labels.size(0);
    metrics.train_loss += loss.item<double>() * static_cast<double>(size);
    correct += sum(argmax(logits.value(), 1) == labels).item<std::int64_t>();
    done += size;
    if (schedule != nullptr) {
      schedule->step();
    } else {  // the rate falls to 0 in a straight line over the whole run
      const double passed = static_cast<double>((epoch - 1) * count + done) /
                            static_cast<double>(*settings.epochs * count);
      optimizer.set_lr(learning_rate(settings) * (1 - passed));
    }
    progress.update((epoch - 1) * count + done,
                    "epoch " + std::to_string(epoch) + '/' + std::to_string(*settings.epochs));
  }
  metrics.train_loss /= static_cast<double>(count);
  metrics.train_accuracy = static_cast<double>(correct) / static_cast<double>(count);
  metrics.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return metrics;
}

struct Finished {
  Trained trained;
  ModelSettings settings;
};

// One model, from its vocabulary to its last epoch. The metrics go into the folder `out`, which is
// made once everything is known to be fine; empty: nowhere.
Finished train_one(TrainSettings settings, Corpus corpus, const std::vector<std::string>& labels,
                   const std::optional<Corpus>& test, const std::string& out) {
  const auto seed = static_cast<std::uint64_t>(settings.seed);
  std::optional<Corpus> held_out;
  if (settings.patience) {  // a tenth, drawn by the seed
    const auto rows = static_cast<std::int64_t>(corpus.rows.size());
    if (rows < 2) {
      throw tg::ValueError("train: --patience holds out a tenth of the texts, needed at least 2");
    }
    const std::int64_t held = (rows + 9) / 10;
    tg::Generator generator(seed);
    const auto [rest, tenth] = tg::nn::random_split(tg::nn::TensorDataset(tg::arange(rows)),
                                                    {rows - held, held}, generator);
    held_out = part_of(corpus, tenth.indices());
    corpus = part_of(corpus, rest.indices());
  }
  const Tokenizer tokenizer{.longest_ngram = settings.ngrams};
  std::vector<std::vector<std::string>> texts;
  for (const Row& row : corpus.rows) texts.push_back(tokenize(row.text));
  std::optional<tg::nn::WordVectors> vectors;
  std::vector<std::string> more;
  if (settings.all_vectors) {
    vectors = tg::nn::load_word_vectors(settings.vectors, {.strict = true});
    more = tokens_among(vectors->words());
  }
  const auto [vocabulary, ids] = Vocabulary::number(texts, tokenizer, settings.min_count, more);
  if (!settings.vectors.empty() && !vectors) {
    vectors = tg::nn::load_word_vectors(settings.vectors,
                                        {.vocabulary = words_of(vocabulary), .strict = true});
  }
  if (vectors) settings.model.dim = vectors->dim();
  settings.epochs = number_of_epochs(settings, corpus.rows.size());
  settings.model.vocabulary = vocabulary.size();
  settings.model.classes = static_cast<std::int64_t>(labels.size());

  tg::manual_seed(seed);
  const Trained trained{Classifier(settings.model), vocabulary, labels, settings.max_length};
  if (vectors) start_from_vectors(trained, *vectors, settings);
  if (settings.freeze_embeddings) trained.model.embedding.weight.set_requires_grad(false);

  std::vector<tg::Tensor> sequences;
  for (const std::vector<std::int64_t>& text : ids) sequences.push_back(trained.ids(text));
  const tg::nn::DataLoader examples(
      tg::nn::SequenceDataset(std::move(sequences), tg::tensor(label_ids(corpus, labels))),
      {.batch_size = settings.batch, .shuffle = true, .bucket_batches = 50});
  std::optional<tg::nn::SequenceDataset> tests, held;
  if (test) tests = examples_of(trained, *test);
  if (held_out) held = examples_of(trained, *held_out);

  const std::unique_ptr<tg::optim::Optimizer> optimizer = optimizer_for(trained.model, settings);
  const std::unique_ptr<tg::optim::Schedule> schedule =
      schedule_for(*optimizer, settings, corpus.rows.size());
  std::optional<MetricsLog> log;
  if (!out.empty()) {
    std::filesystem::create_directories(out);
    log.emplace(out + "/metrics.jsonl");
  }

  std::cerr << corpus.rows.size() << " texts to train on (" << name(corpus.format) << "), "
            << (tests ? tests->size() : 0) << " to test, ";
  if (held) std::cerr << held->size() << " held out, ";
  std::cerr << labels.size() << " classes, " << vocabulary.size() << " words\n" << trained.model;

  std::optional<Classifier> best;  // of the epochs so far, by the texts that were held out
  double best_loss = 0;
  std::int64_t best_epoch = 0;
  {
    Progress progress(std::cerr, progress_options_for_stderr());
    progress.start("training", *settings.epochs * examples.data().size());
    for (std::int64_t epoch = 1; epoch <= *settings.epochs; ++epoch) {
      EpochMetrics metrics =
          run_epoch(trained, examples, *optimizer, schedule.get(), settings, epoch, progress);
      if (tests) {
        const Score result = score(trained, *tests);
        metrics.test_loss = result.loss;
        metrics.test_accuracy = result.matrix.accuracy();
      }
      if (held) metrics.held_out_loss = score(trained, *held).loss;
      progress.print(summary(metrics, *settings.epochs));
      if (log) log->write(metrics);
      if (!held) continue;
      if (!best || *metrics.held_out_loss < best_loss) {
        best_loss = *metrics.held_out_loss;
        best_epoch = epoch;
        best.emplace(tg::nn::clone(trained.model));
      } else if (epoch - best_epoch >= *settings.patience) {
        break;
      }
    }
  }
  if (best) {
    std::cerr << "epoch " << best_epoch << " is kept\n";
    trained.model.load_state_dict(best->state_dict());
  }
  trained.model.eval();
  return {trained, settings.model};
}

void cross_validate(const TrainSettings& settings, const Corpus& corpus,
                    const std::vector<std::string>& labels) {
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  const tg::nn::TensorDataset rows(tg::arange(static_cast<std::int64_t>(corpus.rows.size())));
  std::vector<double> accuracies;
  for (const auto& [rest, part] : tg::nn::k_folds(rows, *settings.folds, generator)) {
    const Finished model =
        train_one(settings, part_of(corpus, rest.indices()), labels, std::nullopt, "");
    const Corpus tested = part_of(corpus, part.indices());
    accuracies.push_back(
        score(model.trained, examples_of(model.trained, tested)).matrix.accuracy());
    std::cout << "fold " << accuracies.size() << '/' << *settings.folds << "  accuracy "
              << std::fixed << std::setprecision(3) << accuracies.back()
              << " (n=" << tested.rows.size() << ")\n"
              << std::flush;
  }
  const tg::Tensor all = tg::tensor(accuracies);
  std::cout << "mean accuracy " << mean(all).item<double>() << ", standard deviation "
            << tg::std(all).item<double>() << " (" << accuracies.size()
            << " folds, n=" << corpus.rows.size() << ")\n";
}

}  // namespace

tg::Tensor Trained::ids(std::vector<std::int64_t> ids) const {
  if (ids.empty()) ids.push_back(Vocabulary::kPadding);
  const auto limit = static_cast<std::size_t>(max_length);
  if (ids.size() > limit) ids.resize(limit);
  return tg::tensor(ids);
}

void train(const TrainSettings& given) {
  TrainSettings settings = given;
  if (settings.train.empty()) {
    settings.train = bundled("questions_train.tsv");
    if (settings.test.empty() && !settings.folds) settings.test = bundled("questions_test.tsv");
  }

  if (settings.pool) settings.model.pool = *settings.pool;
  if (settings.layers) settings.model.layers = *settings.layers;
  if (settings.filters) settings.model.filters = *settings.filters;
  if (settings.heads) settings.model.heads = *settings.heads;
  check_combination(settings);

  // Everything is read before anything is written.
  Corpus corpus = read_corpus(settings.train);
  const std::vector<std::string> labels = label_names(corpus);
  if (settings.train_limit) {
    keep_some(corpus, *settings.train_limit, static_cast<std::uint64_t>(settings.seed));
  }
  if (settings.folds) return cross_validate(settings, corpus, labels);
  std::optional<Corpus> test;
  if (!settings.test.empty()) test = read_corpus(settings.test);
  const auto [trained, model] = train_one(settings, corpus, labels, test, settings.out);
  save(trained, model, settings.out);
  std::cerr << "model saved in " << settings.out << '\n';
  if (test) print_report(std::cout, score(trained, examples_of(trained, *test)).matrix, "test");
}

void export_onnx(const std::string& folder, const std::string& file) {
  load(folder).model.onnx().save(file);
  std::cerr << "model written to " << file << '\n';
}

void evaluate(const std::string& folder, const std::string& file) {
  const Trained trained = load(folder);
  print_report(std::cout, score(trained, examples_of(trained, read_corpus(file))).matrix, "test");
}

tg::Tensor probabilities(const Trained& trained, std::vector<tg::Tensor> texts) {
  const tg::NoGrad guard;
  trained.model.eval();
  const std::int64_t count = std::ssize(texts);
  tg::Tensor result = tg::zeros({count, std::ssize(trained.labels)});
  const tg::nn::SequenceDataset numbered(std::move(texts), tg::arange(count));
  tg::Generator own(0);
  for (const auto& [ids, lengths, numbers] : tg::nn::DataLoader(numbered, kAnswering, own)) {
    const tg::Tensor rows = softmax(trained.model(ids).value(), 1);
    for (std::int64_t i = 0; i < numbers.size(0); ++i) {
      select(result, 0, numbers.item<std::int64_t>({i})).copy_(select(rows, 0, i));
    }
  }
  return result;
}

}  // namespace text_classifier
