// Word vectors that somebody else has trained, for the words of a vocabulary.
// Read next: metrics.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vocabulary.h"

namespace text_classifier {

struct WordVectors {
  std::int64_t dim = 0;
  std::vector<std::int64_t> ids;  // of the words found, in order of the file
  std::vector<float> rows;        // (ids.size(), dim)

  std::int64_t lines = 0;       // vectors in the file: ids.size() + duplicates + skipped
  std::int64_t duplicates = 0;  // further vectors of a word that was found; the first one counts
  std::int64_t skipped = 0;     // words that the vocabulary does not hold
};

// Reads the text formats of GloVe (no head), word2vec and fastText (`.vec`; the first line is two
// integers, the number of vectors and their size). The numbers are the last `dim` fields of a
// line, so a token may contain spaces. Only vectors of the vocabulary's words are kept in memory,
// so a file may be larger than that. Throws tapegrad::IoError, or tapegrad::FormatError with file
// and line.
WordVectors read_word_vectors(const std::string& path, const Vocabulary& vocabulary);

}  // namespace text_classifier
