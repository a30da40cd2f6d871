// The words of a text as ids. Read next: words.cc.
#pragma once

#include <tapegrad/nn/text/vocabulary.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "language_model/vocabulary.h"

namespace ngram_lm {

namespace tg = tapegrad;

// Tokens are those of nn::tokenize(), lowercase words and punctuation marks, and kLineEnd for each
// end of a line.
class Words final : public language_model::Vocabulary {
 public:
  static constexpr const char* kLineEnd = "</s>";

  // Words that occur less than `min_count` times become one token, `<unk>`.
  static std::unique_ptr<Words> of(std::string_view text, std::int64_t min_count);
  // Reads text(). FormatError, which begins with `name`, if it is none.
  static std::unique_ptr<Words> from_text(std::string_view text, const std::string& name);
  explicit Words(tg::nn::Vocabulary words) : words_(std::move(words)) {}

  std::int64_t size() const override { return words_.size(); }
  // Words of the text that are not in the vocabulary become `<unk>`.
  std::vector<std::int64_t> encode(std::string_view text) const override;
  std::vector<std::int64_t> encode_prompt(std::string_view text) const override;
  // Joins the words with spaces, but without one before a punctuation mark or around a line end.
  std::string decode(std::span<const std::int64_t> ids) const override;
  std::int64_t start() const override { return *words_.find(kLineEnd); }
  std::string text() const override { return words_.text(); }
  const char* unit() const override { return "words"; }

 private:
  tg::nn::Vocabulary words_;
};

}  // namespace ngram_lm
