// The words of a text as ids. Read next: words.cc.
#pragma once

#include <tapegrad/nn/text/vocabulary.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "language_model/vocabulary.h"

namespace ngram_lm {

// Tokens are those of nn::tokenize(), lowercase words and punctuation marks, and kLineEnd after each
// line.
class Words final : public language_model::Vocabulary {
 public:
  static constexpr const char* kLineEnd = "</s>";

  // Words that occur less than `min_count` times all become one, `<unk>`.
  static std::unique_ptr<Words> of(std::string_view text, std::int64_t min_count);
  // Reads text(). FormatError, which begins with `name`, if it is none.
  static std::unique_ptr<Words> from_text(std::string_view text, const std::string& name);

  std::int64_t size() const override { return words_.size(); }
  // Unknown words become `<unk>` where the vocabulary was built with a min_count above 1; otherwise
  // they are a ValueError. A last line without an end gets none.
  std::vector<std::int64_t> encode(std::string_view text, const std::string& name) const override;
  // Joined by spaces, but none before , . ; : ? ! ) ' and a line end.
  std::string decode(std::span<const std::int64_t> ids) const override;
  std::int64_t start() const override { return *words_.find(kLineEnd); }
  std::string text() const override { return words_.text(); }
  const char* unit() const override { return "words"; }

  explicit Words(tapegrad::nn::Vocabulary words) : words_(std::move(words)) {}

 private:
  tapegrad::nn::Vocabulary words_;
};

}  // namespace ngram_lm
