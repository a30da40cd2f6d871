// What word vectors know: the words that are most alike, analogies, and the tests of both that are
// published with people's answers. Read next: nn/sequential.h.
//
//   for (const nn::Neighbour& near : nn::most_similar(glove, "king", 5)) ...
//   nn::analogy(glove, "man", "king", "woman")[0].word;   // queen, with luck
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
  cosine,     // of the angle between the vectors; 1 is the same direction
  dot,        // product: long vectors, of frequent words, come first
  euclidean,  // distance: the only one where less is nearer
};

struct Neighbour {
  std::string word;
  std::int64_t row = 0;
  double score = 0;  // in the metric
};

// The k words nearest to a word, which is left out itself, or to a vector (dim); the nearest first,
// of equals the first row first; fewer than k if there are no more words. ValueError for a word
// without a vector and for k < 1; ShapeError unless the vector is (dim), DTypeError unless it is
// floating-point.
std::vector<Neighbour> most_similar(const WordVectors& vectors, std::string_view word,
                                    std::int64_t k = 10, WordMetric metric = WordMetric::cosine);
std::vector<Neighbour> most_similar(const WordVectors& vectors, const Tensor& vector,
                                    std::int64_t k = 10, WordMetric metric = WordMetric::cosine);

// a is to b as c is to which words? Those nearest to b - a + c by angle, all at length 1 (3CosAdd,
// Mikolov and others 2013), but none of the three. Errors as above.
std::vector<Neighbour> analogy(const WordVectors& vectors, std::string_view a, std::string_view b,
                               std::string_view c, std::int64_t k = 10);

// Tests -------------------------------------------------------------------------------------------

struct WordTestOptions {
  // A to Z in the test and in the vectors count as a to z, and of the words that become the same
  // the first row stands for all.
  bool fold_case = false;
  // Only the first so many rows, of the most frequent words in most files, count as known.
  std::optional<std::int64_t> restrict_vocabulary = std::nullopt;
};

// Spearman's rank correlation: the correlation of the ranks, where equal values share the mean of
// theirs. NaN for fewer than 2 pairs, or where all values on one side are equal. ShapeError unless
// both have the same size.
double spearman(std::span<const double> a, std::span<const double> b);

struct SimilarityScore {
  std::int64_t pairs = 0;    // in the file
  std::int64_t covered = 0;  // both words of which have a vector; only these count
  double spearman = 0;       // of people's scores and cosines
};

// Reads lines `word TAB word TAB score`, as WordSim-353 has them; blank lines and those that begin
// with # are passed over. FormatError with file and line, IoError.
SimilarityScore evaluate_similarity(const WordVectors& vectors, const std::string& path,
                                    const WordTestOptions& options = {});

struct AnalogyScore {
  std::string section;         // "total" for all of them
  std::int64_t questions = 0;  // in the file
  std::int64_t covered = 0;    // all four words of which have a vector; only these count
  std::int64_t correct = 0;

  double accuracy() const;  // correct / covered; NaN if none is covered
};

struct AnalogyScores {
  std::vector<AnalogyScore> sections;  // in the order of the file
  AnalogyScore total;
};

// Reads lines `a b c d`, which ask analogy(a, b, c) for d as the first word, under `: section`
// lines, as questions-words.txt has them. FormatError with file and line, IoError.
AnalogyScores evaluate_analogies(const WordVectors& vectors, const std::string& path,
                                 const WordTestOptions& options = {});

}  // namespace tapegrad::nn
