// Tokens and their ids: what turns a text into the rows of an Embedding.
// Read next: nn/text/word_vectors.h.
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

// It does not change once it is made, so it may be read from several threads; copies share the
// words. A lookup takes the same time whatever the size.
//
// Invariants:
// 1. Id 0 is padding, id 1 stands for unknown words; the other tokens follow by falling count, and
//    of equal counts the one that occurs first comes first.
// 2. word(find(w)) == w for each token w that it holds, and no token occurs twice.
class Vocabulary {
 public:
  static constexpr std::int64_t kPadding = 0;  // `<pad>`
  static constexpr std::int64_t kUnknown = 1;  // `<unk>`

  // Of all tokens that occur at least `min_count` times, and of the words `also`, however rare they
  // are. `texts` holds the words that tokenize() makes; the tokenizer says which runs of them are
  // tokens too. ValueError for a token that is empty, has a line end or is not UTF-8, and for a
  // longest_ngram out of range.
  static Vocabulary build(std::span<const std::vector<std::string>> texts, Tokenizer tokenizer = {},
                          std::int64_t min_count = 1, std::span<const std::string> also = {});

  // The same, with encode() of each of the texts; each token is looked up once, not twice.
  struct Encoded;
  static Encoded build_and_encode(std::span<const std::vector<std::string>> texts,
                                  Tokenizer tokenizer = {}, std::int64_t min_count = 1,
                                  std::span<const std::string> also = {});

  std::int64_t size() const;
  const Tokenizer& tokenizer() const { return tokenizer_; }

  std::string_view word(std::int64_t id) const;  // IndexError for an id out of range
  std::vector<std::string> words() const;        // of all ids, in their order
  std::optional<std::int64_t> find(std::string_view word) const;  // its id

  // The ids of words that tokenize() makes, and then of their runs. An unknown word becomes
  // kUnknown. An unknown run is left out: its words are there already.
  std::vector<std::int64_t> encode(std::span<const std::string> words) const;
  std::vector<std::int64_t> encode(std::string_view text) const { return encode(tokenize(text)); }

  // The file: a head such as `tapegrad vocabulary 1; words-1 ngrams=2; 5000 tokens`, then a token
  // on each line, in the order of their ids. save() leaves the old file or the new one after a
  // crash; IoError if it cannot be written. load() throws IoError for a file that cannot be read,
  // and FormatError with the line for one that is not exactly a vocabulary.
  void save(const std::string& path) const;
  static Vocabulary load(const std::string& path);

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
