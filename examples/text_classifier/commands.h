// The commands that use a trained model. Read next: answers.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text_classifier/columns.h"

namespace text_classifier {

// Prints the report of a trained model on a file. With a threshold, also how many texts were
// answered with at least this probability, and how many of these answers were right.
void evaluate(const std::string& folder, const std::string& file, Reading reading,
              std::optional<double> threshold = std::nullopt);

// Prints the `count` words with the nearest vectors, by angle and by distance, for each of `words`.
void neighbors(const std::string& folder, const std::vector<std::string>& words,
               std::int64_t count);

// The files that export_model() writes; an empty name means that the file is not wanted.
struct ExportedFiles {
  std::string onnx;        // ids (batch, steps) -> logits (batch, classes)
  std::string c;           // C source, for a bag
  std::string vocabulary;  // the word of each id
  std::string settings;    // labels and settings as JSON
};
void export_model(const std::string& folder, const ExportedFiles& files);

}  // namespace text_classifier
