// Tokens and their numbers. Read next: metrics.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer.h"
#include "word_index.h"

namespace text_classifier {

// Invariants:
// 1. id 0 is padding, id 1 stands for unknown words, the rest follow by falling count, and among
//    equal counts by first occurrence.
// 2. word(find(w)) == w for each word w it holds, and no word occurs twice.
// It does not change once it is made; copies share the words.
class Vocabulary {
 public:
  static constexpr std::int64_t kPadding = 0;
  static constexpr std::int64_t kUnknown = 1;

  // Of all tokens that occur at least `min_count` times, and of the words `also`, however rare they
  // are. `texts` holds the words that tokenize() makes; `tokenizer` says which runs of them are
  // tokens too.
  static Vocabulary build(std::span<const std::vector<std::string>> texts, Tokenizer tokenizer,
                          std::int64_t min_count = 1, std::span<const std::string> also = {});

  // The same, with what ids() gives for each of the texts: each token is looked up once, not twice.
  struct Numbered;
  static Numbered number(std::span<const std::vector<std::string>> texts, Tokenizer tokenizer,
                         std::int64_t min_count = 1, std::span<const std::string> also = {});

  std::int64_t size() const { return words_->size(); }
  const Tokenizer& tokenizer() const { return tokenizer_; }

  // Throws tapegrad::IndexError.
  std::string_view word(std::int64_t id) const;
  std::optional<std::int64_t> find(std::string_view word) const { return words_->find(word); }

  // Of the words of tokenize() and their runs. An unknown word becomes kUnknown. An unknown n-gram
  // is left out: its words are there already.
  std::vector<std::int64_t> ids(std::span<const std::string> words) const;
  std::vector<std::int64_t> ids(std::string_view text) const { return ids(tokenize(text)); }

  // The file: a head such as `tapegrad vocabulary 1; words-1 ngrams=2; 5000 tokens`, then a token
  // a line, in order of their ids. `load` refuses a file that is not exactly that, with the line.
  void save(const std::string& path) const;
  static Vocabulary load(const std::string& path);

 private:
  Vocabulary(Tokenizer tokenizer, WordIndex words)
      : tokenizer_(tokenizer), words_(std::make_shared<const WordIndex>(std::move(words))) {}

  Tokenizer tokenizer_;
  std::shared_ptr<const WordIndex> words_;
};

struct Vocabulary::Numbered {
  Vocabulary vocabulary;
  std::vector<std::vector<std::int64_t>> ids;
};

}  // namespace text_classifier
