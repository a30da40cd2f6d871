// Reads the files of a run, trains, and saves. Read next: corpus.h.
#include "text_classifier/training.h"

#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "common/fingerprint.h"
#include "common/numbers.h"
#include "text_classifier/autotune.h"
#include "text_classifier/baseline.h"
#include "text_classifier/class_files.h"
#include "text_classifier/class_weights.h"
#include "text_classifier/cross_validation.h"
#include "text_classifier/duplicates.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/one_model.h"

namespace text_classifier {
namespace {

std::string fingerprint_of(const Corpus& corpus) {
  examples::Fingerprint sum;
  for (const Row& row : corpus.rows) {
    sum.add(row.text);
    sum.add(row.label);
    if (row.weight != 1) sum.add({reinterpret_cast<const char*>(&row.weight), sizeof row.weight});
  }
  return sum.hex();
}

// Reads the files of a run, and keeps what a resumed run compares.
class TextReader {
 public:
  explicit TextReader(const TrainSettings& settings)
      : settings_(settings), reading_(reading_of(settings.reading)) {
    reading_.multi_label = settings.multi_label;
    reading_.weight_column = settings.weight_column;
  }

  Texts all_texts() {
    Texts texts = training_texts();
    texts.test = more_texts("test texts", settings_.test);
    texts.dev = more_texts("held-out texts", settings_.dev);
    tell_duplicates(std::cerr, texts, settings_.duplicates == "remove");
    if (settings_.train_limit) {
      texts.train =
          some_of(texts.train, *settings_.train_limit, static_cast<std::uint64_t>(settings_.seed));
    }
    read_class_weights(texts);
    return texts;
  }
  const std::vector<DataFingerprint>& data() const { return data_; }

 private:
  Texts training_texts() {
    reading_.needs_weights = true;
    Texts texts{.train = read("training texts", settings_.train), .labels = {}};
    reading_.needs_weights = false;
    check_trainable(texts.train, reading_);
    texts.labels = label_names(texts.train);
    reading_.labels = texts.labels;
    tell_what_was_read(texts.train);
    return texts;
  }
  // Texts of the same labels; nothing if no file is named.
  std::optional<Corpus> more_texts(const std::string& what, const Files& files) {
    if (files.empty()) return std::nullopt;
    Corpus corpus = read(what, files);
    label_sets(corpus, reading_.labels);  // throws for an unknown label
    tell_what_was_read(corpus);
    return corpus;
  }
  Corpus read(const std::string& what, const Files& files) {
    Corpus corpus = read_corpus(files, settings_.command.c_str(), reading_);
    data_.push_back({what, corpus.path, fingerprint_of(corpus)});
    return corpus;
  }
  void read_class_weights(Texts& texts) {
    const std::string& how = settings_.class_weights;
    if (how.empty()) return;
    texts.class_weights = class_weights(how, texts.train, texts.labels, settings_.command.c_str());
    examples::Fingerprint sum;
    for (const double weight : texts.class_weights) {
      sum.add({reinterpret_cast<const char*>(&weight), sizeof weight});
    }
    data_.push_back({"class weights", how, sum.hex()});
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
  if (!trained) return run.signal();
  run.save(*trained);
  std::cerr << "model saved in " << settings.out << '\n';
  if (run.signal() != 0) return run.signal();
  if (settings.ranks != nullptr && !settings.ranks->is_first()) return 0;
  if (!texts.test) return 0;
  const Score result = score(*trained, examples_of(*trained, *texts.test));
  if (settings.baseline) {
    print_baselines(std::cout, result.matrix, seconds,
                    train_baselines(texts.train, *texts.test, texts.labels),
                    label_ids(*texts.test, texts.labels));
  }
  print_report(std::cout, result, *trained, "test");
  return 0;
}

// What several ranks cannot do.
void check_for_ranks(const TrainSettings& settings) {
  if (settings.ranks == nullptr) return;
  for (const char* name : {"--folds", "--autotune", "--trials"}) {
    if (settings.given.count(name) == 0) continue;
    throw tg::ValueError(std::string("train: ") + name + ": not with several processes; needed " +
                         "one, without mpirun");
  }
  for (const auto* files : {&settings.train, &settings.test, &settings.dev}) {
    for (const std::string& name : *files) {
      const std::optional<ClassFile> file = class_file_of(name);
      if ((file ? file->path : name) != "-") continue;
      throw tg::ValueError(
          "train: standard input (-): several processes cannot share it; needed a file");
    }
  }
}

}  // namespace

int train(const TrainSettings& given) {
  check_for_ranks(given);
  std::optional<ResumableRun> run;
  if (!given.folds) run.emplace(given);
  TrainSettings settings = checked(run ? run->settings() : given);
  // All files are read before anything is written.
  TextReader reader(settings);
  const Texts texts = reader.all_texts();
  if (settings.folds) {
    cross_validate(settings, texts);
    return 0;
  }
  if (is_autotuned(settings) && !run->is_resumed()) {
    run->use(autotuned(run->settings(), texts));
    settings = checked(run->settings());
  }
  return train_and_save(settings, texts, *run, reader.data());
}

Texts read_training_texts(const TrainSettings& settings) {
  return TextReader(settings).all_texts();
}

}  // namespace text_classifier
