// Similar words, analogies, and evaluation on published test sets with human answers. Read next:
// nn/text/similarity.cc.
//
//   for (const nn::Neighbor& near : nn::most_similar(glove, "king", 5)) ...
//   nn::analogy(glove, "man", "king", "woman")[0].word;   // ideally queen
//   nn::evaluate_similarity(glove, "EN-WS-353-ALL.txt", {.fold_case = true}).spearman;
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tapegrad/nn/text/word_vectors.h>

namespace tapegrad::nn {

enum class WordMetric {
  cosine,     // cosine of the angle between the vectors; 1 for the same direction
  dot,        // dot product: prefers long vectors, which frequent words have
  euclidean,  // distance: here a smaller score is nearer
};

struct Neighbor {
  std::string word;
  std::int64_t row = 0;
  double score = 0;  // in the given metric
};

// The k words nearest to a word, without that word itself, or to a vector (dim). The nearest comes
// first; equal scores are in the order of their rows. The result is shorter if there are fewer
// words. ValueError for a word without a vector and for k < 1; ShapeError unless the vector is
// (dim), DTypeError unless it is floating-point.
std::vector<Neighbor> most_similar(const WordVectors& vectors, std::string_view word,
                                   std::int64_t k = 10, WordMetric metric = WordMetric::cosine);
std::vector<Neighbor> most_similar(const WordVectors& vectors, const Tensor& vector,
                                   std::int64_t k = 10, WordMetric metric = WordMetric::cosine);

// Answers "a is to b as c is to ...": the words nearest to b - a + c by cosine, with all vectors
// scaled to length 1 (3CosAdd, Mikolov et al. 2013), without a, b and c. Errors as above.
std::vector<Neighbor> analogy(const WordVectors& vectors, std::string_view a, std::string_view b,
                              std::string_view c, std::int64_t k = 10);

// Evaluation --------------------------------------------------------------------------------------

struct WordTestOptions {
  // A to Z count as a to z, in the test set and in the vectors. Among words that become equal, the
  // first row is used for all.
  bool fold_case = false;
  // Only this many first rows count as known; in most files they are the most frequent words.
  std::optional<std::int64_t> restrict_vocabulary = std::nullopt;
};

// Spearman's rank correlation: the correlation of the ranks, where equal values have the mean of
// their ranks. NaN for fewer than 2 pairs, and if all values on one side are equal. ShapeError
// unless both have the same size.
double spearman(std::span<const double> a, std::span<const double> b);

struct SimilarityScore {
  std::int64_t pairs = 0;    // in the file
  std::int64_t covered = 0;  // pairs where both words have a vector; only these count
  double spearman = 0;       // between human scores and cosines
};

// Reads lines `word TAB word TAB score`, the format of WordSim-353, and skips blank lines and lines
// that begin with #. FormatError with file and line, IoError.
SimilarityScore evaluate_similarity(const WordVectors& vectors, const std::string& path,
                                    const WordTestOptions& options = {});

struct AnalogyScore {
  std::string section;         // "total" for the sum of all sections
  std::int64_t questions = 0;  // in the file
  std::int64_t covered = 0;    // questions where all four words have a vector; only these count
  std::int64_t correct = 0;

  double accuracy() const;  // correct / covered; NaN if none is covered
};

struct AnalogyScores {
  std::vector<AnalogyScore> sections;  // in the order of the file
  AnalogyScore total;
};

// Reads lines `a b c d` under lines `: section`, the format of questions-words.txt. A question is
// correct if d is the first word of analogy(a, b, c). FormatError with file and line, IoError.
AnalogyScores evaluate_analogies(const WordVectors& vectors, const std::string& path,
                                 const WordTestOptions& options = {});

}  // namespace tapegrad::nn
