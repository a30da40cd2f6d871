// A trained model with its vocabulary and labels, and the folder in which it is saved.
// Read next: metrics.h.
#pragma once

#include <tapegrad/nn/text/vocabulary.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text_classifier/model.h"

namespace text_classifier {

struct Trained {
  Classifier model;
  tg::nn::Vocabulary vocabulary;
  std::vector<std::string> labels;
  std::int64_t max_length;

  // The ids of a text (steps), or of what vocabulary.encode() returned for it: at most max_length,
  // and one id of padding for a text without words.
  tg::Tensor ids(std::vector<std::int64_t> encoded) const;
  tg::Tensor ids(std::string_view text) const { return ids(vocabulary.encode(text)); }
};

// The folder holds model.safetensors, vocabulary.txt and settings.json. If a file is missing,
// truncated or does not fit the others, load() throws FormatError or IoError with its name.
void save(const Trained& trained, const ModelSettings& settings, const std::string& folder);
Trained load(const std::string& folder);

}  // namespace text_classifier
