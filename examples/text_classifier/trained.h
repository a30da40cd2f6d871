// A trained model with all that is needed to use it, and the folder that keeps it.
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

  // A text as the model reads it (steps), or what vocabulary.encode() makes of one: at most
  // max_length ids, and one of padding for a text without words.
  tg::Tensor ids(std::vector<std::int64_t> encoded) const;
  tg::Tensor ids(std::string_view text) const { return ids(vocabulary.encode(text)); }
};

// model.safetensors, vocabulary.txt and settings.json in `folder`. FormatError or IoError naming
// the file if one is missing, truncated or does not fit the others.
void save(const Trained& trained, const ModelSettings& settings, const std::string& folder);
Trained load(const std::string& folder);

}  // namespace text_classifier
