// The commands that use a trained model. Read next: commands.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text_classifier/class_files.h"
#include "text_classifier/settings.h"

namespace text_classifier {

struct EvalOptions {
  std::string model;  // folder
  Files test;
  ReadingOptions reading;
  std::optional<double> threshold;
};

// Prints the report of a trained model on a file. With a threshold, also how many texts were
// answered with at least this probability, and how many of these answers were right; for several
// labels it takes the place of all thresholds.
void evaluate(const EvalOptions& options);

struct NeighborsOptions {
  std::string command = "neighbors";  // as it was typed
  std::string model;                  // folder
  std::vector<std::string> words;
  std::int64_t count = 10;
};

// Prints the `count` words with the nearest vectors, by angle and by distance, for each of `words`.
void neighbors(const NeighborsOptions& options);

// The files that export_model() writes; an empty name means that the file is not wanted.
struct ExportOptions {
  std::string model;       // folder
  std::string onnx;        // ids (batch, steps) -> logits (batch, classes)
  std::string c;           // C source, for a bag
  std::string vocabulary;  // the word of each id
  std::string settings;    // labels and settings as JSON
};
void export_model(const ExportOptions& options);

}  // namespace text_classifier
