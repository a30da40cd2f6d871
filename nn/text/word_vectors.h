// Pretrained word vectors: read from the usual file formats, looked up, saved, and copied into an
// Embedding. Read next: nn/text/word_vectors.cc.
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

// The file formats.
enum class WordVectorsFormat {
  word2vec_text,    // a header `rows dim`, then a line `word 0.1 -0.2 ...` for each word
  word2vec_binary,  // the same header; word, space, dim float32 (little-endian), optional newline
  glove_text,       // lines as in word2vec_text, but no header; words may contain spaces
  fasttext_vec = word2vec_text,  // the same format
};

// "word2vec text", "word2vec binary", "GloVe text".
const char* name(WordVectorsFormat format);

// What load_word_vectors() found in a file.
struct WordVectorsReport {
  // A line that was not used; in a binary file, line n is the n-th vector.
  struct Fault {
    std::int64_t line = 0;  // counted from 1
    std::string reason;     // "`2x` is not a number"
  };
  static constexpr std::size_t kMostFaults = 10;

  WordVectorsFormat format = WordVectorsFormat::word2vec_text;
  std::int64_t entries = 0;     // vectors read: rows + duplicates + skipped + malformed + not_utf8
  std::int64_t duplicates = 0;  // of a word that already has a row: the first vector is kept
  std::int64_t skipped = 0;     // words not in options.vocabulary; their vectors are not parsed
  std::int64_t malformed = 0;   // too few elements, or one that is no number, infinite or too large
  std::int64_t not_utf8 = 0;    // words that are not UTF-8
  std::vector<Fault> faults;    // the first kMostFaults lines that are malformed or not UTF-8
};

// Words with a vector for each. Immutable, so several threads may read it; copies share everything.
//
// Invariants:
// 1. Row find(w) of vectors() is the vector of w, and words()[find(w)] == w.
// 2. No word occurs twice, and every element is finite.
class WordVectors {
 public:
  // vectors: (words.size(), dim), floating-point; a float32 tensor is shared, not copied.
  // ShapeError if the sizes differ, DTypeError for integers, ValueError for a word that occurs
  // twice and for an element that is not finite.
  WordVectors(std::vector<std::string> words, const Tensor& vectors, WordVectorsReport report = {});

  std::int64_t size() const { return static_cast<std::int64_t>(words().size()); }
  std::int64_t dim() const { return vectors().size(1); }
  const std::vector<std::string>& words() const&;  // in the order of the rows
  const Tensor& vectors() const&;                  // (size, dim) float32
  std::vector<std::string> words() const&& { return words(); }
  Tensor vectors() const&& { return vectors(); }
  // The vectors scaled to length 1 (a zero vector stays zero); computed at the first call, then
  // kept.
  const Tensor& unit_vectors() const&;
  Tensor unit_vectors() const&& { return unit_vectors(); }

  std::optional<std::int64_t> find(std::string_view word) const;  // its row
  Tensor vector(std::string_view word) const;  // (dim), a view; ValueError for an unknown word

  WordVectorsReport report() const&& { return report(); }
  const WordVectorsReport& report() const&;  // filled by load_word_vectors()

 private:
  struct Contents;
  std::shared_ptr<const Contents> contents_;
};

struct WordVectorsOptions {
  std::optional<WordVectorsFormat> format = std::nullopt;  // unset: detected from the content
  // Keeps only these words. The memory used then depends on the words kept, not on the file's size.
  std::optional<std::vector<std::string>> vocabulary = std::nullopt;
  std::optional<std::int64_t> max_words = std::nullopt;  // stops after this many rows
  bool strict = false;  // throws FormatError for a malformed line, instead of counting it
  std::string operation = "load_word_vectors";  // what errors begin with
};

// Reads a file in any of the formats above, block by block, as float32. Lines end with LF or CRLF;
// the last line may have no line end. A byte order mark is skipped. In text, the elements are the
// last `dim` fields of a line, so a word may contain spaces. The decimal separator is a point in
// every locale.
//
// A fault in a single line is counted in report(). FormatError, with file and line, if the rest of
// the file cannot be trusted: no readable vector; a header that announces another dim than the
// lines have, more data than the file can hold, or another number of rows than there are (unless
// max_words ends the reading earlier); too few bytes, or bytes after the last binary vector; a
// fastText model (.bin); an archive. IoError if the file cannot be read or is not a regular file.
WordVectors load_word_vectors(const std::string& path, const WordVectorsOptions& options = {});

// Writes a file from which load_word_vectors() reads the same words and the same bits. It replaces
// the file atomically (see tensor/io/file_io.h), in blocks, so that it needs little memory.
// ValueError, before anything is written, for a word that could not be read back: an empty word;
// one that is not UTF-8, or has a line end or NUL; in the formats of word2vec, one with a space or
// tab; in GloVe text, one that begins or ends with a space or tab; in binary, one of more than 64
// KiB. ValueError also if the start of the file would be read as another format, which happens to
// GloVe text and, if the bytes of the elements happen to be text, to binary. IoError as
// write_file_atomically().
void save_word_vectors(const std::string& path, const WordVectors& vectors,
                       WordVectorsFormat format = WordVectorsFormat::word2vec_text);

// Initializing an Embedding -----------------------------------------------------------------------

// Copies the vector of vocabulary[i] into row i of `table` (vocabulary.size(), dim), for the words
// that have a vector, and returns these rows in ascending order. ShapeError if the sizes differ,
// DTypeError unless the table is floating-point.
std::vector<std::int64_t> copy_known_rows(const WordVectors& vectors,
                                          const std::vector<std::string>& vocabulary,
                                          Tensor& table);

// The initial rows of words without a vector.
enum class UnknownWords {
  normal,       // standard normal, the default initialization of Embedding
  normal_like,  // normal, with the mean and standard deviation of each column of the known rows
  zeros,
  mean,  // the mean of the known rows
};

struct FromWordVectorsOptions {
  bool freeze = false;        // freezes the whole table; then unknown words are not trained either
  bool freeze_known = false;  // freezes the rows from the word vectors, and trains the others
  std::optional<std::int64_t> padding_idx = std::nullopt;  // its row is 0, and never a known row
  UnknownWords unknown = UnknownWords::normal;
  EmbeddingOptions others{};  // sparse, max_norm, ...; set freeze and padding_idx above, not here
};

struct PretrainedEmbedding {
  Embedding embedding;              // (vocabulary.size(), dim) float32
  std::vector<std::int64_t> known;  // the rows from the word vectors, ascending
};

// Returns an Embedding whose row i is the vector of vocabulary[i]; if the word has no vector,
// options.unknown decides the row, and options.others.generator draws it. ValueError for a
// padding_idx out of range, for options that exclude each other, and if options.unknown is
// normal_like or mean and no word has a vector.
PretrainedEmbedding from_pretrained(const WordVectors& vectors,
                                    const std::vector<std::string>& vocabulary,
                                    const FromWordVectorsOptions& options = {});

}  // namespace tapegrad::nn
