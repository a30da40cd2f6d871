// The settings of a training run: the options of `train`, and the defaults that depend on others.
// Read next: settings.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "common/ranks.h"
#include "text_classifier/columns.h"
#include "text_classifier/corpus.h"
#include "text_classifier/model.h"

namespace text_classifier {

// The options that say how files are read; empty: found out. See Reading.
struct ReadingOptions {
  std::string format;
  std::string text_column;
  std::string label_column;
  std::string header;  // yes or no
  std::string label_separator;
};

// The options as Reading has them.
Reading reading_of(const ReadingOptions& options);

struct TrainSettings {
  std::string command = "train";  // or suspects: what error texts begin with
  Files train;                    // empty: the bundled questions, also for the test
  Files test;                     // empty: none
  Files dev;  // held-out texts; empty: a part of the training texts, where needed
  std::string out = "runs/text_classifier";
  ReadingOptions reading;
  bool multi_label = false;         // a text may have several labels, or none
  std::string weight_column;        // of the weights of the training texts; empty: none
  std::string class_weights;        // `balanced` or a file; empty: none
  std::string duplicates = "keep";  // or remove: see tell_duplicates()
  std::string vectors;              // file with word vectors to start from; empty: none
  bool all_vectors = false;         // also for words that no training text contains
  std::string optimizer = "adam";
  ModelSettings model{.arch = "bag"};
  // Settings of the model, refused if the architecture does not use them. Unset: model's defaults.
  std::optional<std::string> pool;
  std::optional<std::int64_t> layers;
  std::optional<std::int64_t> filters;
  std::optional<std::int64_t> heads;
  std::string chars;                    // lengths of character n-grams, such as 1-5; empty: none
  std::optional<std::int64_t> buckets;  // for them; unset: Characters::kDefaultBuckets
  std::string size;                     // of the model's file, such as 1MB; empty: not compressed
  std::string words = "yes";            // or no: only character n-grams
  std::optional<std::int64_t> epochs;   // unset: depends on the number of texts
  std::int64_t batch = 32;
  std::optional<double> lr;  // unset: depends on model and optimizer
  // linear, constant, warm-up, cosine, one-cycle; unset: linear, but constant if searches_epochs()
  std::optional<std::string> schedule;
  std::optional<std::int64_t> ngrams;  // unset: 2 for a bag, else 1
  std::int64_t min_count = 1;
  std::int64_t max_length = 200;            // longer texts are cut to so many words
  std::optional<std::int64_t> train_limit;  // texts to train on, drawn by the seed; unset: all
  std::optional<std::int64_t> patience;     // stop after so many epochs without a better one
  std::optional<std::int64_t> folds;        // of a cross-validation; unset: none
  std::optional<std::int64_t> autotune;     // seconds to look for options; unset: no limit or none
  std::optional<std::int64_t> trials;       // of this search; unset: no limit, or no search
  bool baseline = false;                    // compare with the classifiers of baseline.h
  bool freeze_embeddings = false;           // train no word vector
  bool freeze_known = false;                // do not train vectors from the file
  bool quiet = false;                       // not an option: training says nothing
  examples::Ranks* ranks = nullptr;         // not an option: null if mpirun has not started several
  double rare_words = 0;  // not an option: the power of a word's weight; see word_weights()
  std::int64_t seed = 0;
  std::int64_t checkpoint_every = 0;        // steps; 0: only when a signal stops the run
  bool resume = false;                      // continue the run in `out` from its checkpoint
  std::set<std::string> given;              // the options on the command line, such as `--batch`
  std::string program = "text_classifier";  // how it was called, for the command that resumes
};

// Fills in the bundled files where none are named, and copies the model's options into `model`.
// Throws ValueError for options that exclude each other, or that the architecture does not use.
TrainSettings checked(TrainSettings settings);

// Whether a run looks for the number of epochs on held-out texts, and then trains on all texts: a
// bag does, unless the options say how long it trains.
bool searches_epochs(const TrainSettings& settings);

// Whether a run looks for other options first.
inline bool is_autotuned(const TrainSettings& settings) {
  return settings.autotune.has_value() || settings.trials.has_value();
}

double learning_rate(const TrainSettings& settings);
std::int64_t steps_of_epoch(const TrainSettings& settings, std::size_t texts);
std::int64_t number_of_epochs(const TrainSettings& settings, std::size_t texts);

}  // namespace text_classifier
