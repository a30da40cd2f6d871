// Makes a trained bag small: leaves out the words that say little, and stores the rows of the
// others in a CompressedTable. Read next: compress.cc, then export_c.h.
#pragma once

#include <cstdint>
#include <string>

#include "text_classifier/trained.h"

namespace text_classifier {

// Parses a size such as `100kB`, `1MB` or `50000` (bytes; 1 kB = 1000 bytes). ValueError, which
// begins with `option`, for anything else.
std::int64_t parse_size(const std::string& text, const std::string& option);

struct Small {
  Trained trained;
  ModelSettings settings;
};

// Returns a model that save() writes into a file of at most `size` bytes. ValueError, which begins
// with `operation`, if the model is not a bag, is compressed already, or if the size is too small
// for its labels and a few words of each.
Small compressed(const Trained& trained, const ModelSettings& settings, std::int64_t size,
                 const std::string& operation);

// ValueError if compressed() would refuse this, whatever the weights are.
void check_size(const Trained& trained, const ModelSettings& settings, std::int64_t size,
                const std::string& operation);

// `1234 rows of 6 int8 codes`.
std::string description(const ModelSettings& settings);

// Loads a model, compresses it and saves it into another folder; prints both sizes. An empty size
// means a tenth of the file.
void compress_folder(const std::string& folder, const std::string& out, const std::string& size);

}  // namespace text_classifier
