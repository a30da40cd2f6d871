// The settings of a saved model as JSON. Read next: saved_settings.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text_classifier/model.h"

namespace text_classifier {

// The format that is written. Format 1, which older versions wrote, can describe a bag, and an rnn
// with max pooling, one layer and one direction. Format 2 has all options. Format 3 also has
// `length_unit`, `temperature`, bags with the pool `sqrt`, characters and compressed tables, which
// older versions would ignore. Format 4 has `thresholds`, and is written only for models with
// several labels, so that older versions read the others.
constexpr int kNewestFormat = 4;
constexpr int kFormatOfOneLabel = 3;

struct SavedSettings {
  int format = kNewestFormat;
  ModelSettings model;  // without vocabulary and classes
  std::int64_t max_length = 0;
  Answering answering{.length_unit = LengthUnit::kTokens};  // of a file that does not say it
  std::vector<std::string> labels;
};

std::string settings_text(const ModelSettings& model, std::int64_t max_length,
                          const std::vector<std::string>& labels, const Answering& answering = {});

// The text is not trusted: a FormatError, which begins with `name`, says which setting is missing,
// of a wrong type, out of range, or given twice.
SavedSettings parse_settings(std::string_view text, const std::string& name);

}  // namespace text_classifier
