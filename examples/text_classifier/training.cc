// Reads the files of a run, trains, and saves. Read next: corpus.h.
#include "text_classifier/training.h"

#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "common/fingerprint.h"
#include "common/numbers.h"
#include "text_classifier/baseline.h"
#include "text_classifier/cross_validation.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/one_model.h"

namespace text_classifier {
namespace {

std::string fingerprint_of(const Corpus& corpus) {
  examples::Fingerprint sum;
  for (const Row& row : corpus.rows) {
    sum.add(row.text);
    sum.add(row.label);
  }
  return sum.hex();
}

// Reads the files of a run, and keeps what a resumed run compares.
class TextReader {
 public:
  explicit TextReader(const TrainSettings& settings)
      : settings_(settings), reading_(reading_of(settings.reading)) {}

  Texts training_texts() {
    Texts texts{.train = read("training texts", settings_.train), .labels = {}};
    check_trainable(texts.train, reading_);
    texts.labels = label_names(texts.train);
    reading_.labels = texts.labels;
    tell_what_was_read(texts.train);
    if (settings_.train_limit) {
      texts.train =
          some_of(texts.train, *settings_.train_limit, static_cast<std::uint64_t>(settings_.seed));
    }
    return texts;
  }
  // Texts of the same labels; nothing if no file is named.
  std::optional<Corpus> more_texts(const std::string& what, const std::string& path) {
    if (path.empty()) return std::nullopt;
    Corpus corpus = read(what, path);
    label_ids(corpus, reading_.labels);  // throws for an unknown label
    tell_what_was_read(corpus);
    return corpus;
  }
  const std::vector<DataFingerprint>& data() const { return data_; }

 private:
  Corpus read(const std::string& what, const std::string& path) {
    Corpus corpus = read_corpus(path, settings_.command.c_str(), reading_);
    data_.push_back({what, path, fingerprint_of(corpus)});
    return corpus;
  }
  static void tell_what_was_read(const Corpus& corpus) {
    std::cerr << corpus.path << ": " << description(corpus) << '\n';
  }

  const TrainSettings& settings_;
  Reading reading_;
  std::vector<DataFingerprint> data_;
};

int train_and_save(const TrainSettings& settings, const Texts& texts, ResumableRun& run,
                   const std::vector<DataFingerprint>& data) {
  const double begin = examples::steady_seconds();
  std::optional<Trained> trained = train_one(settings, texts, &run, data);
  const double seconds = examples::steady_seconds() - begin;
  if (!trained) return StopSignals::received();
  run.save(*trained);
  std::cerr << "model saved in " << settings.out << '\n';
  if (const int signal = StopSignals::received()) return signal;
  if (!texts.test) return 0;
  const Score result = score(*trained, examples_of(*trained, *texts.test));
  if (settings.baseline) {
    print_baselines(std::cout, result.matrix, seconds,
                    train_baselines(texts.train, *texts.test, texts.labels),
                    label_ids(*texts.test, texts.labels));
  }
  print_report(std::cout, result.matrix, "test", result.calibration.error());
  return 0;
}

}  // namespace

int train(const TrainSettings& given) {
  std::optional<ResumableRun> run;
  if (!given.folds) run.emplace(given);
  const TrainSettings settings = checked(run ? run->settings() : given);
  // All files are read before anything is written.
  TextReader reader(settings);
  Texts texts = reader.training_texts();
  if (settings.folds) {
    cross_validate(settings, texts);
    return 0;
  }
  texts.test = reader.more_texts("test texts", settings.test);
  texts.dev = reader.more_texts("held-out texts", settings.dev);
  return train_and_save(settings, texts, *run, reader.data());
}

Texts read_training_texts(const TrainSettings& settings) {
  return TextReader(settings).training_texts();
}

}  // namespace text_classifier
