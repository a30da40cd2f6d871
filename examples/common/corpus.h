// A text as the ids of its words, read in streams: the memory depends on the number of different
// words, not on the length of the text. Read next: corpus.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/text_stream.h"

namespace examples {

// How a text becomes words: nn::tokenize() without punctuation, or cut at spaces only.
enum class Tokens { words, spaces };

// What to read, and which words of it. The settings of a program derive from it.
struct CorpusSettings {
  std::string input;  // the path of the text
  Tokens tokens = Tokens::words;
  std::int64_t min_count = 5;  // words that occur less often are left out
  double held_out = 0;         // the share of the sentences that no pass returns
};

// The words that occur at least min_count times, most frequent first; equally frequent ones in the
// order of their first occurrence.
struct Words {
  std::vector<std::string> words;
  std::vector<std::int64_t> counts;  // of words[i]
  std::int64_t total = 0;            // of all words in the text, also of those that are too rare
  std::int64_t distinct = 0;

  std::int64_t size() const { return static_cast<std::int64_t>(words.size()); }
  std::int64_t kept() const;  // how many words of the text are in `words`
};

using Sentence = std::vector<std::int32_t>;  // ids of words; words that are too rare are left out

class Corpus {
 public:
  // Reads the text once, to count its words. Every n-th sentence with n = 1 / settings.held_out is
  // held out, up to kMostHeldOut words, and never trained on. IoError or FormatError if the file
  // cannot be read; ValueError if fewer than two words are frequent enough.
  //
  // `program` is the name in the texts of errors. If the text has at most `most_kept` words, their
  // ids are kept after the first pass (40 MB); otherwise each pass reads the file.
  explicit Corpus(const CorpusSettings& settings, const char* program = "corpus",
                  std::int64_t most_kept = 10'000'000);

  const Words& words() const { return words_; }
  std::vector<Sentence> held_out() const;
  std::int64_t words_to_train() const { return words_.total - words_held_out_; }  // in a pass

  // Begins a pass over the sentences that are not held out.
  void rewind();
  // The next sentence; false at the end of the pass. A sentence is a line, or a piece of a very
  // long line. `read` is how many words of the text it has, with those that are too rare.
  bool next(Sentence& sentence, std::int64_t& read);

  static constexpr std::int64_t kMostHeldOut = 100'000;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  void count();
  void keep_frequent();
  bool is_held_out(std::int64_t sentence) const;
  bool next_from_file(Sentence& sentence, std::int64_t& read);

  CorpusSettings settings_;
  const char* program_;
  std::int64_t most_kept_;
  Words words_;
  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> ids_;
  std::vector<std::vector<std::string>> held_out_;
  std::int64_t words_held_out_ = 0;
  std::int64_t last_held_out_ = -1;  // the number of the last sentence that is held out
  std::optional<TextStream> text_;
  std::int64_t sentence_ = 0;  // the number of the next sentence in text_

  // The sentences of a pass, one after the other: the number of ids, the number of words read, ids.
  std::vector<std::int32_t> kept_;
  std::size_t position_ = 0;
  bool keeps_ = false;     // whether this pass fills kept_
  bool has_kept_ = false;  // whether kept_ holds a whole pass
};

}  // namespace examples
