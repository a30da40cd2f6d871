// What a training run is told: the options of `train`, and the defaults that depend on each other.
// Read next: training.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "text_classifier/model.h"

namespace text_classifier {

struct TrainSettings {
  std::string train;  // file; empty: the bundled questions, for both
  std::string test;   // file; empty: none
  std::string out = "runs/text_classifier";
  std::string vectors;       // file with word vectors to start from; empty: none
  bool all_vectors = false;  // also of words that no training text has
  std::string optimizer = "adam";
  ModelSettings model;
  // These go into the model; refused where the architecture has no use for them. Unset: as there.
  std::optional<std::string> pool;
  std::optional<std::int64_t> layers;
  std::optional<std::int64_t> filters;
  std::optional<std::int64_t> heads;
  std::optional<std::int64_t> epochs;  // unset: enough for the size of the data
  std::int64_t batch = 32;
  std::optional<double> lr;         // unset: what suits the model
  std::string schedule = "linear";  // linear, constant, warm-up, cosine, one-cycle
  std::int64_t ngrams = 1;
  std::int64_t min_count = 1;
  std::int64_t max_length = 200;            // tokens of a text that are read
  std::optional<std::int64_t> train_limit;  // texts to learn from, drawn by the seed; unset: all
  std::optional<std::int64_t> patience;     // epochs without a better one; unset: all are run
  std::optional<std::int64_t> folds;        // cross-validation; unset: none
  bool freeze_embeddings = false;           // all word vectors
  bool freeze_known = false;                // those that came from the file
  std::int64_t seed = 0;
};

// As given, with the bundled files where none are named, and the model's options in the model.
// ValueError for options that exclude each other, or that the architecture has no use for.
TrainSettings checked(TrainSettings settings);

double learning_rate(const TrainSettings& settings);
std::int64_t steps_of_epoch(const TrainSettings& settings, std::size_t texts);
std::int64_t number_of_epochs(const TrainSettings& settings, std::size_t texts);

}  // namespace text_classifier
