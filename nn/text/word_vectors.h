// Word vectors that somebody has trained: read from the formats in which they are published, looked
// up, saved, and made into an Embedding. Read next: nn/text/similarity.h.
//
//   nn::WordVectors glove = nn::load_word_vectors("glove.6B.50d.txt", {.vocabulary = words});
//   nn::PretrainedEmbedding start = nn::from_pretrained(glove, words, {.freeze_known = true});
//   Variable x = start.embedding(ids);   // row i is the vector of words[i]
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tapegrad/nn/embedding.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad::nn {

// How word vectors lie in a file.
enum class WordVectorsFormat {
  word2vec_text,    // a header `rows dim`, then a line `word 0.1 -0.2 ...` each
  word2vec_binary,  // the same header; word, space, dim float32 (little-endian), perhaps a newline
  glove_text,       // lines as in word2vec_text, no header; words may contain spaces
  fasttext_vec = word2vec_text,  // one format under two names
};

// "word2vec text", "word2vec binary", "GloVe text".
const char* name(WordVectorsFormat format);

// What was met on the way through a file.
struct WordVectorsReport {
  // A line that could not be used; in a binary file, line n is its n-th vector.
  struct Fault {
    std::int64_t line = 0;  // counted from 1
    std::string reason;     // "`2x` is not a number"
  };
  static constexpr std::size_t kMostFaults = 10;

  WordVectorsFormat format = WordVectorsFormat::word2vec_text;
  std::int64_t entries = 0;     // vectors read: rows + duplicates + skipped + malformed + not_utf8
  std::int64_t duplicates = 0;  // of a word that has a row: the first vector counts
  std::int64_t skipped = 0;    // words that options.vocabulary does not hold; numbers not looked at
  std::int64_t malformed = 0;  // too few numbers, or one that is none, not finite, or too large
  std::int64_t not_utf8 = 0;   // words that are not UTF-8
  std::vector<Fault> faults;   // the first kMostFaults of the last two kinds
};

// Words, and a vector for each. Copies share everything; it does not change once it is made, so it
// may be read from several threads.
//
// Invariants:
// 1. Row find(w) of vectors() is the vector of w, and words()[find(w)] == w.
// 2. No word occurs twice, and every number is finite.
class WordVectors {
 public:
  // vectors: (words.size(), dim), floating-point; a float32 tensor is shared, not copied.
  // ShapeError if the sizes differ, DTypeError for integers, ValueError for a word that occurs
  // twice or a number that is not finite.
  WordVectors(std::vector<std::string> words, const Tensor& vectors, WordVectorsReport report = {});

  std::int64_t size() const { return static_cast<std::int64_t>(words().size()); }
  std::int64_t dim() const { return vectors().size(1); }
  const std::vector<std::string>& words() const;  // in the order of the rows
  const Tensor& vectors() const;                  // (size, dim) float32
  // The vectors at length 1 (a vector of zeros stays one); computed at the first call, then kept.
  const Tensor& unit_vectors() const;

  std::optional<std::int64_t> find(std::string_view word) const;  // its row
  Tensor vector(std::string_view word) const;  // (dim), a view; ValueError if there is none

  const WordVectorsReport& report() const;  // of load_word_vectors

 private:
  struct Contents;
  std::shared_ptr<const Contents> contents_;
};

struct WordVectorsOptions {
  std::optional<WordVectorsFormat> format = std::nullopt;  // unset: told by the content
  // Keep only these words. Memory is then that of the words kept, whatever the file's size.
  std::optional<std::vector<std::string>> vocabulary = std::nullopt;
  std::optional<std::int64_t> max_words = std::nullopt;  // stop after so many rows
  bool strict = false;  // FormatError for a malformed line, instead of counting it
};

// Reads a file of any of the formats above, a block at a time, as float32. Lines end with LF or
// CRLF, the last one with neither if it likes; a byte order mark is passed over; in text, the
// numbers are the last `dim` fields of a line, so a word may contain spaces. Numbers have a point
// whatever the locale.
//
// What is wrong with one line is counted, and kept in report(): see there. What makes the rest of
// the file doubtful is a FormatError that names file and line: no vector that could be read; a
// header that announces another dim than the lines have, more than the file can hold, or other rows
// than there are (unless max_words ends the reading before); bytes behind the last binary vector,
// or too few; a fastText model (.bin), an archive. IoError if the file cannot be read or is no
// regular one.
WordVectors load_word_vectors(const std::string& path, const WordVectorsOptions& options = {});

// Writes so that load_word_vectors reads the same words and the same bits, and that a crash leaves
// the old file or the new one (see tensor/io/file_io.h). Takes memory of the file's size.
// ValueError, before anything is written, for a word that would not read back: empty, not UTF-8,
// with a line end or NUL; in the formats of word2vec, with a space or tab; in GloVe text, with one
// at its beginning or end, or words of which the first lines would be mistaken for something else.
// IoError as write_file_atomically.
void save_word_vectors(const std::string& path, const WordVectors& vectors,
                       WordVectorsFormat format = WordVectorsFormat::word2vec_text);

// Into an Embedding -------------------------------------------------------------------------------

// Writes the vector of vocabulary[i] into row i of `table` (vocabulary.size(), dim), for the words
// that have one, and returns those rows, ascending. ShapeError if the sizes differ, DTypeError
// unless the table is floating-point.
std::vector<std::int64_t> copy_known_rows(const WordVectors& vectors,
                                          const std::vector<std::string>& vocabulary,
                                          Tensor& table);

// What the rows of words without a vector begin as.
enum class UnknownWords {
  normal,       // standard normal, as the constructor of Embedding draws the whole table
  normal_like,  // normal, with the mean and standard deviation that each column has in known rows
  zeros,
  mean,  // the mean of the known rows
};

struct FromWordVectorsOptions {
  bool freeze = false;        // the whole table; not the default, since unknown words have to learn
  bool freeze_known = false;  // the rows that came from the file; the others are trained
  std::optional<std::int64_t> padding_idx = std::nullopt;  // its row is 0, and not a known one
  UnknownWords unknown = UnknownWords::normal;
  EmbeddingOptions others{};  // sparse, max_norm, ...; its freeze and padding_idx are those above
};

struct PretrainedEmbedding {
  Embedding embedding;              // (vocabulary.size(), dim) float32
  std::vector<std::int64_t> known;  // rows that came from the word vectors, ascending
};

// An Embedding whose row i is the vector of vocabulary[i], or begins as options.unknown says if
// there is none. ValueError for a padding_idx out of range, for options that exclude each other,
// and if no word at all has a vector where options.unknown asks what the known rows are like.
PretrainedEmbedding from_pretrained(const WordVectors& vectors,
                                    const std::vector<std::string>& vocabulary,
                                    const FromWordVectorsOptions& options = {});

}  // namespace tapegrad::nn
