// Training, testing, and what is kept of a model in its folder. Read next: main.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text_classifier/corpus.h"
#include "text_classifier/metrics.h"
#include "text_classifier/model.h"
#include "text_classifier/vocabulary.h"

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

// A trained model with all that is needed to use it.
struct Trained {
  Classifier model;
  Vocabulary vocabulary;
  std::vector<std::string> labels;
  std::int64_t max_length;

  // A text (steps) as the model reads it, given as it is or as what vocabulary.ids() makes of it:
  // at most max_length ids, and one of padding for a text without words.
  tg::Tensor ids(std::vector<std::int64_t> ids) const;
  tg::Tensor ids(std::string_view text) const { return ids(vocabulary.ids(text)); }
};

// Trains, reports each epoch on standard error, prints the report on the test file on standard
// output, and writes the model, settings and metrics into settings.out. Files are read, and errors
// in them thrown, before anything is written.
void train(const TrainSettings& settings);

// With settings.folds, train() trains as many models, each without a part of the texts, tests it on
// that, and prints the accuracies, their mean and their spread; nothing is written.

// Prints the report of a trained model on a file.
void evaluate(const std::string& folder, const std::string& file);

// model.safetensors, vocabulary.txt and settings.json in `folder`. FormatError or IoError naming
// the file if one is missing, truncated or does not fit the others.
void save(const Trained& trained, const ModelSettings& settings, const std::string& folder);
Trained load(const std::string& folder);

// Writes the model as an ONNX file: ids (batch, steps) -> logits (batch, classes).
void export_onnx(const std::string& folder, const std::string& file);

// Probabilities of all classes, (texts, classes).
tg::Tensor probabilities(const Trained& trained, std::vector<tg::Tensor> texts);

}  // namespace text_classifier
