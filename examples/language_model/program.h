// What differs between the programs: the kind of token, the batches, and the model. Read next:
// saved_model.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "language_model/batches.h"
#include "language_model/model.h"
#include "language_model/settings.h"
#include "language_model/vocabulary.h"

namespace language_model {

class Program {
 public:
  virtual ~Program() = default;

  virtual const char* name() const = 0;  // also of the model's file: "char_rnn"
  // Settings of the model and its batches, as fields of this object.
  virtual std::vector<Setting> settings() = 0;
  // ValueError for settings that do not fit together.
  virtual void check() const {}

  // Tokens are characters, unless a program overrides these two. The text is UTF-8.
  virtual std::unique_ptr<Vocabulary> vocabulary_of(std::string_view text) const {
    return Characters::of(text);
  }
  virtual std::unique_ptr<Vocabulary> saved_vocabulary(std::string_view text,
                                                       const std::string& name) const {
    return Characters::from_text(text, name);
  }

  // A model with initial weights from the default generator.
  virtual std::unique_ptr<LanguageModel> model(const Vocabulary& vocabulary) const = 0;

  // Batches to train on. The program has checked that there are least_tokens().
  virtual std::unique_ptr<Batches> batches(Ids ids, const TrainSettings& train) const = 0;
  virtual std::int64_t least_tokens(const TrainSettings& train) const = 0;
  // The options with which fewer tokens suffice: "--batch or --steps".
  virtual const char* options_of_least_tokens() const = 0;
  // Batches to test on, in the order of the text; null if there are too few tokens.
  virtual std::unique_ptr<Batches> held_out(Ids ids, const TrainSettings& train) const = 0;
};

}  // namespace language_model
