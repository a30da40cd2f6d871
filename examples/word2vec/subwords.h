// The rows of a word: its own, and those of its n-grams of characters, if the run has any. Read
// next: subwords.cc.
#pragma once

#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/tensor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "word2vec/settings.h"

namespace word2vec {

namespace tg = tapegrad;

// The table has a row for each word, and then settings.subwords.buckets rows, which n-grams share
// by their hash. The vector of a word is the mean of its rows; a word that is not in the text has
// only those of its n-grams (Bojanowski and others 2017, arXiv 1607.04606).
class Subwords {
 public:
  Subwords(const Settings& settings, const std::vector<std::string>& words);

  std::int64_t rows() const { return words_ + characters_.buckets; }
  // Appends the rows of word `id`.
  void append(std::int64_t id, std::vector<std::int64_t>& rows) const {
    rows.push_back(id);
    if (offsets_.empty()) return;
    const auto at = static_cast<std::size_t>(id);
    rows.insert(rows.end(), ngrams_.begin() + offsets_[at], ngrams_.begin() + offsets_[at + 1]);
  }

  // The vectors of the words, and then of the words in `more` that are not among them. `table` is
  // (rows(), dim).
  tg::nn::WordVectors vectors(const tg::Tensor& table, const std::vector<std::string>& words,
                              const std::vector<std::string>& more) const;

 private:
  std::vector<std::int64_t> ngrams_of(const std::string& word) const;

  examples::Characters characters_;
  std::int64_t words_;
  std::vector<std::ptrdiff_t> offsets_;  // those of word i are from offsets_[i] to offsets_[i + 1]
  std::vector<std::int64_t> ngrams_;
};

// The words of a file, one on a line, without those that are there twice. FormatError with file and
// line for a line with spaces; IoError.
std::vector<std::string> read_words(const std::string& path);

}  // namespace word2vec
