// Vocabulary: tokens and their ids, which are the rows of an Embedding. Read next:
// nn/text/word_index.h.
//
//   std::vector<std::vector<std::string>> texts = {nn::tokenize("Who wrote it?"), ...};
//   nn::Vocabulary vocabulary = nn::Vocabulary::build(texts, {.longest_ngram = 1}, 2);
//   nn::Embedding embedding(vocabulary.size(), 64, {.padding_idx = nn::Vocabulary::kPadding});
//   Variable words = embedding(tensor(vocabulary.encode("Who sang it?")));   // (tokens, 64)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tapegrad/nn/text/tokenizer.h>

namespace tapegrad::nn {

namespace detail {
class WordIndex;
}

// Immutable, so several threads may read it; copies share the words. The time of a lookup does not
// depend on the size.
//
// Invariants:
// 1. Id 0 is padding, and id 1 stands for unknown words. The other tokens follow by decreasing
// count;
//    tokens of equal count are in the order of their first occurrence.
// 2. word(find(w)) == w for each token w that it holds, and no token occurs twice.
class Vocabulary {
 public:
  static constexpr std::int64_t kPadding = 0;  // `<pad>`
  static constexpr std::int64_t kUnknown = 1;  // `<unk>`

  // Returns a vocabulary of all tokens that occur at least `min_count` times, and of the words in
  // `also`, however rare they are. `texts` holds the results of tokenize(); the tokenizer adds
  // n-grams. ValueError for a token that is empty, has a line end or is not UTF-8, and for a
  // longest_ngram out of range.
  static Vocabulary build(std::span<const std::vector<std::string>> texts, Tokenizer tokenizer = {},
                          std::int64_t min_count = 1, std::span<const std::string> also = {});

  // The same, and encode() of each text. It looks up each token once instead of twice.
  struct Encoded;
  static Encoded build_and_encode(std::span<const std::vector<std::string>> texts,
                                  Tokenizer tokenizer = {}, std::int64_t min_count = 1,
                                  std::span<const std::string> also = {});

  std::int64_t size() const;
  const Tokenizer& tokenizer() const& { return tokenizer_; }
  Tokenizer tokenizer() const&& { return tokenizer_; }

  std::string_view word(std::int64_t id) const&;            // IndexError for an id out of range
  std::string_view word(std::int64_t id) const&& = delete;  // would be gone with the temporary
  std::vector<std::string> words() const;                   // all tokens, in the order of their ids
  std::optional<std::int64_t> find(std::string_view word) const;  // its id

  // Returns the ids of the words, which tokenize() has returned, and then of their n-grams. An
  // unknown word becomes kUnknown. An unknown n-gram is left out, because the result already holds
  // its words.
  std::vector<std::int64_t> encode(std::span<const std::string> words) const;
  std::vector<std::int64_t> encode(std::string_view text) const {
    return encode(tokenizer_.words(text));
  }

  // The file has a header such as `tapegrad vocabulary 1; words-2 ngrams=2; 5000 tokens`, then one
  // token on each line, in the order of their ids. save() replaces the file atomically: after a
  // crash it holds either the old or the new content; IoError if it cannot be written. load()
  // throws IoError if the file cannot be read, and FormatError with the line if it is not a valid
  // vocabulary.
  void save(const std::string& path) const;
  static Vocabulary load(const std::string& path);

  // The same as text, for example for the metadata of a safetensors file. The errors of from_text()
  // use `name` as the file name.
  std::string text() const;
  static Vocabulary from_text(std::string_view text, const std::string& name);

 private:
  Vocabulary(Tokenizer tokenizer, std::shared_ptr<const detail::WordIndex> words);

  Tokenizer tokenizer_;
  std::shared_ptr<const detail::WordIndex> words_;
};

struct Vocabulary::Encoded {
  Vocabulary vocabulary;
  std::vector<std::vector<std::int64_t>> ids;  // of each text
};

}  // namespace tapegrad::nn
