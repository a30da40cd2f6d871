// One model from its vocabulary to its last epoch. Read next: commands.h.
#include "text_classifier/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include "text_classifier/evaluation.h"
#include "text_classifier/progress.h"

namespace text_classifier {
namespace {

using tg::nn::Vocabulary;

// Texts -------------------------------------------------------------------------------------------

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

// The positions of the texts, for what draws some of them.
tg::nn::TensorDataset<1> rows_of(const Corpus& corpus) {
  return tg::nn::TensorDataset(tg::arange(std::ssize(corpus.rows)));
}

// Some of the texts, in the order of the file. They are drawn by a generator of their own, which
// leaves the first weights of the model as they are.
void keep_some(Corpus& corpus, std::int64_t count, std::uint64_t seed) {
  const std::int64_t rows = std::ssize(corpus.rows);
  tg::Generator generator(seed);
  corpus = part_of(corpus, tg::to_vector<std::int64_t>(
                               narrow(tg::randperm(rows, generator), 0, 0, std::min(count, rows))));
}

// Takes a tenth of the texts away, drawn by the seed.
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

// The words by their ids. Padding has no name: its vector stays 0, whatever a file may hold.
std::vector<std::string> names_in(const Vocabulary& vocabulary) {
  std::vector<std::string> words = vocabulary.words();
  words[Vocabulary::kPadding].clear();
  return words;
}

// Those of a file with vectors that a text could have as tokens.
std::vector<std::string> tokens_among(const std::vector<std::string>& words) {
  std::vector<std::string> tokens;
  for (const std::string& word : words) {
    if (tg::nn::tokenize(word) == std::vector<std::string>{word}) tokens.push_back(word);
  }
  return tokens;
}

// What the training texts are made of.
struct Words {
  Vocabulary vocabulary;
  std::vector<std::vector<std::int64_t>> ids;  // of each text
  std::optional<tg::nn::WordVectors> vectors;  // of some of them, to start from
};

Words read_words(const Corpus& corpus, const TrainSettings& settings) {
  std::vector<std::vector<std::string>> texts;
  for (const Row& row : corpus.rows) texts.push_back(tg::nn::tokenize(row.text));
  std::optional<tg::nn::WordVectors> vectors;
  std::vector<std::string> more;
  if (settings.all_vectors) {
    vectors = tg::nn::load_word_vectors(settings.vectors, {.strict = true});
    more = tokens_among(vectors->words());
  }
  auto [vocabulary, ids] = Vocabulary::build_and_encode(texts, {.longest_ngram = settings.ngrams},
                                                        settings.min_count, more);
  if (!settings.vectors.empty() && !vectors) {
    vectors = tg::nn::load_word_vectors(settings.vectors,
                                        {.vocabulary = names_in(vocabulary), .strict = true});
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

// Steps -------------------------------------------------------------------------------------------

std::unique_ptr<tg::optim::Optimizer> optimizer_for(const Classifier& model,
                                                    const TrainSettings& settings) {
  if (settings.optimizer == "sgd") {
    return std::make_unique<tg::optim::SGD>(model.parameters(),
                                            tg::optim::SGDOptions{.lr = learning_rate(settings)});
  }
  return std::make_unique<tg::optim::Adam>(model.parameters(),
                                           tg::optim::AdamOptions{.lr = learning_rate(settings)});
}

// What changes the rate after each batch; null: it falls to 0 in a straight line, as
// Training::run_epoch() does it.
std::unique_ptr<tg::optim::Schedule> schedule_for(tg::optim::Optimizer& optimizer,
                                                  const TrainSettings& settings,
                                                  std::size_t texts) {
  namespace optim = tg::optim;
  const std::int64_t steps = *settings.epochs * steps_of_epoch(settings, texts);
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

// The epoch with the smallest loss on the texts that were held out.
class BestEpoch {
 public:
  // False once `patience` epochs in a row were not better.
  bool look_at(const EpochMetrics& metrics, const Classifier& model, std::int64_t patience) {
    if (model_ && !(*metrics.held_out_loss < loss_)) return metrics.epoch - epoch_ < patience;
    loss_ = *metrics.held_out_loss;
    epoch_ = metrics.epoch;
    model_.emplace(tg::nn::clone(model));
    return true;
  }

  void restore(Classifier& model) const {
    if (!model_) return;
    std::cerr << "epoch " << epoch_ << " is kept\n";
    model.load_state_dict(model_->state_dict());
  }

 private:
  std::optional<Classifier> model_;
  double loss_ = 0;
  std::int64_t epoch_ = 0;
};

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

// Texts as the model reads them; the last two where there are such.
struct Examples {
  tg::nn::SequenceDataset train;
  std::optional<tg::nn::SequenceDataset> test = std::nullopt;
  std::optional<tg::nn::SequenceDataset> held_out = std::nullopt;
};

// A model, and all that moves it through the epochs. What it refers to must outlive it.
class Training {
 public:
  Training(Trained& trained, const Examples& examples, const TrainSettings& settings)
      : trained_(trained),
        examples_(examples),
        settings_(settings),
        loader_(examples.train,
                {.batch_size = settings.batch, .shuffle = true, .bucket_batches = 50}),
        optimizer_(optimizer_for(trained.model, settings)),
        schedule_(
            schedule_for(*optimizer_, settings, static_cast<std::size_t>(examples.train.size()))) {}

  // All epochs, or as many as settings.patience asks for; then the best one is kept.
  void run(std::optional<MetricsLog>& log) {
    BestEpoch best;
    {
      Progress progress(std::cerr, progress_options_for_stderr());
      progress.start("training", *settings_.epochs * examples_.train.size());
      for (std::int64_t epoch = 1; epoch <= *settings_.epochs; ++epoch) {
        EpochMetrics metrics = run_epoch(epoch, progress);
        test(metrics);
        progress.print(summary(metrics, *settings_.epochs));
        if (log) log->write(metrics);
        if (settings_.patience && !best.look_at(metrics, trained_.model, *settings_.patience)) {
          break;
        }
      }
    }
    best.restore(trained_.model);
    trained_.model.eval();
  }

 private:
  // One pass over the examples.
  EpochMetrics run_epoch(std::int64_t epoch, Progress& progress) {
    const auto begin = std::chrono::steady_clock::now();
    EpochMetrics metrics{.epoch = epoch};
    const std::int64_t count = examples_.train.size();
    const std::string title =
        "epoch " + std::to_string(epoch) + '/' + std::to_string(*settings_.epochs);
    std::int64_t done = 0;
    std::int64_t correct = 0;
    trained_.model.train();
    for (const auto& [ids, lengths, labels] : loader_) {
      const auto [loss, logits] = step(ids, labels, epoch);
      metrics.train_loss += loss * static_cast<double>(labels.size(0));
      correct += sum(argmax(logits, 1) == labels).template item<std::int64_t>();
      done += labels.size(0);
      const std::int64_t passed = (epoch - 1) * count + done;
      change_rate(static_cast<double>(passed) / static_cast<double>(*settings_.epochs * count));
      progress.update(passed, title);
    }
    metrics.train_loss /= static_cast<double>(count);
    metrics.train_accuracy = static_cast<double>(correct) / static_cast<double>(count);
    metrics.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return metrics;
  }

  void test(EpochMetrics& metrics) {
    if (examples_.test) {
      const Score result = score(trained_, *examples_.test);
      metrics.test_loss = result.loss;
      metrics.test_accuracy = result.matrix.accuracy();
    }
    if (examples_.held_out) metrics.held_out_loss = score(trained_, *examples_.held_out).loss;
  }

  struct Step {
    double loss;
    tg::Tensor logits;
  };

  Step step(const tg::Tensor& ids, const tg::Tensor& labels, std::int64_t epoch) {
    optimizer_->zero_grad();
    const tg::Variable logits = trained_.model(ids);
    const tg::Variable loss = tg::nn::cross_entropy(logits, labels);
    const double value = loss.item<double>();
    if (!std::isfinite(value)) {
      throw tg::ValueError("train: the loss is " + std::to_string(value) + " in epoch " +
                           std::to_string(epoch) +
                           ", needed a finite one; no model is saved; lower --lr");
    }
    loss.backward();
    tg::optim::clip_grad_norm(trained_.model.parameters(), 5.0);
    optimizer_->step();
    return {value, logits.value()};
  }

  // `passed` is the share of the whole run.
  void change_rate(double passed) {
    if (schedule_ != nullptr) {
      schedule_->step();
    } else {
      optimizer_->set_lr(learning_rate(settings_) * (1 - passed));
    }
  }

  Trained& trained_;
  const Examples& examples_;
  const TrainSettings& settings_;
  tg::nn::DataLoader<tg::nn::SequenceDataset> loader_;
  std::unique_ptr<tg::optim::Optimizer> optimizer_;
  std::unique_ptr<tg::optim::Schedule> schedule_;
};

// A whole run -------------------------------------------------------------------------------------

struct Finished {
  Trained trained;
  ModelSettings settings;
};

// One model. The metrics go into the folder `out`, which is made once everything is known to be
// fine; empty: nowhere.
Finished train_one(TrainSettings settings, Corpus corpus, const std::vector<std::string>& labels,
                   const std::optional<Corpus>& test, const std::string& out) {
  const auto seed = static_cast<std::uint64_t>(settings.seed);
  std::optional<Corpus> held_out;
  if (settings.patience) held_out = hold_out_tenth(corpus, seed);
  const Words words = read_words(corpus, settings);
  if (words.vectors) settings.model.dim = words.vectors->dim();
  settings.epochs = number_of_epochs(settings, corpus.rows.size());
  settings.model.vocabulary = words.vocabulary.size();
  settings.model.classes = std::ssize(labels);

  tg::manual_seed(seed);
  Trained trained{Classifier(settings.model), words.vocabulary, labels, settings.max_length};
  if (words.vectors) start_from_vectors(trained, *words.vectors, settings.freeze_known);
  if (settings.freeze_embeddings) trained.model.embedding.weight.set_requires_grad(false);

  std::vector<tg::Tensor> texts;
  for (const std::vector<std::int64_t>& ids : words.ids) texts.push_back(trained.ids(ids));
  Examples examples{.train = {std::move(texts), tg::tensor(label_ids(corpus, labels))}};
  if (test) examples.test = examples_of(trained, *test);
  if (held_out) examples.held_out = examples_of(trained, *held_out);

  Training training(trained, examples, settings);
  std::optional<MetricsLog> log;
  if (!out.empty()) {
    std::filesystem::create_directories(out);
    log.emplace(out + "/metrics.jsonl");
  }
  std::cerr << corpus.rows.size() << " texts to train on (" << name(corpus.format) << "), "
            << (test ? test->rows.size() : 0) << " to test, ";
  if (held_out) std::cerr << held_out->rows.size() << " held out, ";
  std::cerr << labels.size() << " classes, " << words.vocabulary.size() << " words\n"
            << trained.model;
  training.run(log);
  return {trained, settings.model};
}

void cross_validate(const TrainSettings& settings, const Corpus& corpus,
                    const std::vector<std::string>& labels) {
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  std::vector<double> accuracies;
  for (const auto& [rest, part] : tg::nn::k_folds(rows_of(corpus), *settings.folds, generator)) {
    auto [trained, model] =
        train_one(settings, part_of(corpus, rest.indices()), labels, std::nullopt, "");
    const Corpus tested = part_of(corpus, part.indices());
    accuracies.push_back(score(trained, examples_of(trained, tested)).matrix.accuracy());
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

void train(const TrainSettings& given) {
  const TrainSettings settings = checked(given);
  // Everything is read before anything is written.
  Corpus corpus = read_corpus(settings.train);
  const std::vector<std::string> labels = label_names(corpus);
  if (settings.train_limit) {
    keep_some(corpus, *settings.train_limit, static_cast<std::uint64_t>(settings.seed));
  }
  if (settings.folds) return cross_validate(settings, corpus, labels);
  std::optional<Corpus> test;
  if (!settings.test.empty()) test = read_corpus(settings.test);
  auto [trained, model] = train_one(settings, corpus, labels, test, settings.out);
  save(trained, model, settings.out);
  std::cerr << "model saved in " << settings.out << '\n';
  if (test) print_report(std::cout, score(trained, examples_of(trained, *test)).matrix, "test");
}

}  // namespace text_classifier
