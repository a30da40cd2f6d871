// The file of a model: weights, settings, vocabulary, and what a run needs to continue, in one
// safetensors file, which is replaced in one step. Read next: saved_model.cc.
#pragma once

#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/io/state_dict.h>

#include <cstdint>
#include <memory>
#include <string>

#include "language_model/program.h"

namespace language_model {

struct SavedModel {
  tg::Metadata settings;     // of Program and TrainSettings, by name
  std::string vocabulary;    // Vocabulary::text()
  std::string text;          // a fingerprint of the text that it was trained on
  std::int64_t batches = 0;  // that it was trained on
  tg::StateDict state;       // names begin with model., optimizer., generator. or memory.
};

// IoError if the file cannot be written; then an older file at `path` is unchanged.
void save_model(const std::string& path, const char* program, const SavedModel& saved);

// The file is not trusted: FormatError, which begins with `path`, if it is damaged or if it is not
// a model of this program.
SavedModel load_model(const std::string& path, const char* program);

// A model that can be sampled from.
struct LoadedModel {
  std::unique_ptr<Vocabulary> vocabulary;
  std::unique_ptr<LanguageModel> model;
};

// Sets the program's settings and creates its model with the saved weights. FormatError, which
// begins with `path`, if the parts do not fit together.
LoadedModel create_model(Program& program, const SavedModel& saved, const std::string& path);

}  // namespace language_model
