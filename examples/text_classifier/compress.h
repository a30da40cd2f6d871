// Makes a trained bag small: leaves out the words that say little, and stores the rows of the
// others in a CompressedTable. Read next: compress.cc.
#pragma once

#include <cstdint>
#include <string>

#include "text_classifier/trained.h"

namespace text_classifier {

// Returns a model that save() writes into a file of at most `size` bytes. ValueError, which begins
// with `operation`, if the model is not a bag, is compressed already, or if the size is too small
// for its labels and a few words of each.
Trained compressed(const Trained& trained, std::int64_t size, const std::string& operation);

// ValueError if compressed() would refuse this, whatever the weights are.
void check_size(const Trained& trained, std::int64_t size, const std::string& operation);

// Of a compressed model: `1234 rows of 6 int8 codes`.
std::string description(const Trained& trained);

struct CompressOptions {
  std::string model;  // folder
  std::string out;    // another folder
  std::string size;   // such as 100kB; empty: a tenth of the file
};

// Loads a model, compresses it and saves it into another folder; prints both sizes.
void compress(const CompressOptions& options);

}  // namespace text_classifier
