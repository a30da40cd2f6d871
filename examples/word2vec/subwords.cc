// Cuts the words once, when a run begins. Read next: batches.h.
#include "word2vec/subwords.h"

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/ops.h>

#include <limits>
#include <span>
#include <string_view>
#include <unordered_set>

#include "common/text_stream.h"

namespace word2vec {

Subwords::Subwords(const Settings& settings, const std::vector<std::string>& words)
    : characters_(settings.subwords), words_(static_cast<std::int64_t>(words.size())) {
  if (!characters_.used()) return;
  offsets_.push_back(0);
  for (const std::string& word : words) {
    const std::vector<std::int64_t> rows = ngrams_of(word);
    ngrams_.insert(ngrams_.end(), rows.begin(), rows.end());
    offsets_.push_back(std::ssize(ngrams_));
  }
}

std::vector<std::int64_t> Subwords::ngrams_of(const std::string& word) const {
  std::vector<std::int64_t> rows;
  examples::append_characters(std::span(&word, 1), characters_, words_,
                              std::numeric_limits<std::int64_t>::max(), rows);
  return rows;
}

tg::nn::WordVectors Subwords::vectors(const tg::Tensor& table,
                                      const std::vector<std::string>& words,
                                      const std::vector<std::string>& more) const {
  if (!characters_.used()) return {words, table};
  std::vector<std::string> all = words;
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> offsets;
  for (std::int64_t id = 0; id < words_; ++id) {
    offsets.push_back(std::ssize(ids));
    append(id, ids);
  }
  const std::unordered_set<std::string> known(words.begin(), words.end());
  for (const std::string& word : more) {
    if (known.contains(word)) continue;
    offsets.push_back(std::ssize(ids));
    const std::vector<std::int64_t> rows = ngrams_of(word);
    ids.insert(ids.end(), rows.begin(), rows.end());
    all.push_back(word);
  }
  const tg::NoGrad guard;
  return {all, embedding_bag(table, tg::tensor(ids), tg::tensor(offsets)).value()};
}

std::vector<std::string> read_words(const std::string& path) {
  std::vector<std::string> words;
  std::unordered_set<std::string> seen;
  examples::TextStream text(path, "word2vec");
  std::int64_t number = 0;
  for (std::string_view line; text.next(line);) {
    ++number;
    const std::string word(tg::nn::trim(line));
    if (word.empty()) continue;
    if (word.find_first_of(" \t") != std::string::npos) {
      tg::nn::throw_format_error(path, number, "needed one word on a line");
    }
    if (seen.insert(word).second) words.push_back(word);
  }
  return words;
}

}  // namespace word2vec
