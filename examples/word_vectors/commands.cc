// Columns of numbers come first, because the width of a word depends on the font. Read next:
// confidence.h.
#include "word_vectors/commands.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "common/intervals.h"
#include "common/numbers.h"
#include "word_vectors/vectors_file.h"

namespace word_vectors {
namespace {

using examples::fixed;
using examples::grouped;
using tg::nn::Neighbor;
using tg::nn::WordMetric;
using tg::nn::WordVectors;

// At the right end of `width` columns. ASCII only.
std::string right(const std::string& text, std::size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}

const char* heading(WordMetric metric) {
  if (metric == WordMetric::cosine) return "cosine";
  return metric == WordMetric::dot ? "product" : "distance";
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string in_percent(const examples::Interval& interval) {
  return fixed(100 * interval.low, 1) + " to " + fixed(100 * interval.high, 1);
}

void print_neighbors(const std::vector<Neighbor>& list, WordMetric metric) {
  std::cout << right(heading(metric), 10) << "  word\n";
  for (const Neighbor& neighbor : list) {
    std::cout << right(fixed(neighbor.score, 4), 10) << "  " << neighbor.word << '\n';
  }
}

// The words that are near in at least half of the samples, but not in the list.
std::string other_neighbors(const std::vector<Neighbor>& list, const Confidence& found) {
  std::string others;
  for (const WordConfidence& word : found.words) {
    const bool listed =
        std::ranges::any_of(list, [&](const Neighbor& near) { return near.word == word.word; });
    if (listed || 2 * word.samples < found.samples) continue;
    others +=
        (others.empty() ? "" : ", ") + word.word + " (" + fixed(100 * found.share(word), 0) + " %)";
  }
  return others;
}

void print_confidence(const std::vector<Neighbor>& list, WordMetric metric,
                      const Confidence& found) {
  std::cout << right(heading(metric), 10) << "   stays   95 % interval     count  whole  word\n";
  double sum = 0;
  for (const Neighbor& neighbor : list) {
    const WordConfidence word = found.of(neighbor.word);
    const auto interval = examples::wilson_interval(word.samples, found.samples);
    sum += found.share(word);
    std::cout << right(fixed(neighbor.score, 4), 10)
              << right(fixed(100 * found.share(word), 0) + " %", 8)
              << right(fixed(100 * interval.low, 0) + " to " + fixed(100 * interval.high, 0), 16)
              << right(word.count > 0 ? grouped(word.count) : "rare", 10)
              << right(word.in_whole ? "yes" : "no", 7) << "  " << neighbor.word << '\n';
  }
  std::cout << "On average, " << fixed(100 * sum / static_cast<double>(list.size()), 0)
            << " % of the " << list.size() << " nearest stay.";
  const std::string others = other_neighbors(list, found);
  if (!others.empty()) std::cout << " Also near in at least half of the samples: " << others << '.';
  std::cout << '\n';
}

}  // namespace

int neighbors(const NeighborsSettings& settings) {
  std::optional<Bootstrap> bootstrap;
  if (settings.confidence) bootstrap.emplace(*settings.confidence);
  const WordVectors vectors = settings.source.path.empty()
                                  ? bootstrap->vectors()
                                  : load_vectors(settings.source.path, settings.source.max_words);
  std::vector<std::vector<Neighbor>> lists;
  for (const std::string& word : settings.words) {
    lists.push_back(most_similar(vectors, word, settings.k, settings.metric));
  }
  std::vector<Confidence> confidences;
  int signal = 0;
  if (bootstrap) confidences = bootstrap->run(settings.words, settings.k, signal);
  for (std::size_t i = 0; i < settings.words.size(); ++i) {
    std::cout << (i > 0 ? "\n" : "") << settings.words[i];
    if (bootstrap) {
      std::cout << ", in " << confidences[i].samples << " bootstrap samples of "
                << file_name(settings.confidence->text.input);
    }
    std::cout << '\n';
    if (bootstrap && confidences[i].samples > 0) {
      print_confidence(lists[i], settings.metric, confidences[i]);
    } else {
      print_neighbors(lists[i], settings.metric);
    }
  }
  return signal;
}

void analogy(const Source& source, const std::vector<std::string>& abc, std::int64_t k) {
  const WordVectors vectors = load_vectors(source.path, source.max_words);
  const auto answers = tg::nn::analogy(vectors, abc[0], abc[1], abc[2], k);
  std::cout << abc[0] << " is to " << abc[1] << " as " << abc[2] << " is to\n";
  print_neighbors(answers, WordMetric::cosine);
}

void distance(const Source& source, const std::vector<std::string>& words) {
  const WordVectors vectors = load_vectors(source.path, source.max_words);
  std::vector<tg::Tensor> rows;
  for (const std::string& word : words) rows.push_back(vectors.vector(word));
  std::cout << right("cosine", 10) << right("Euclidean", 12) << "  words\n";
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (std::size_t j = i + 1; j < words.size(); ++j) {
      const double cosine = cosine_similarity(rows[i], rows[j], 0).item<float>();
      const double euclidean = norm(rows[i] - rows[j]).item<float>();
      std::cout << right(fixed(cosine, 4), 10) << right(fixed(euclidean, 4), 12) << "  " << words[i]
                << ' ' << words[j] << '\n';
    }
  }
}

namespace {

void print_similarity(const std::string& path, const tg::nn::SimilarityScore& score) {
  std::cout << file_name(path) << ": Spearman's correlation x 100: ";
  if (std::isnan(score.spearman)) {
    std::cout << "none";
  } else {
    std::cout << fixed(100 * score.spearman, 1) << " (95 % interval "
              << in_percent(examples::spearman_interval(score.spearman, score.covered)) << ")";
  }
  std::cout << "; " << score.covered << " of " << score.pairs << " pairs have vectors\n";
}

void print_analogies(const std::string& path, const tg::nn::AnalogyScores& scores) {
  std::cout << file_name(path) << ":\n"
            << "   correct  questions  in file  accuracy %   95 % interval  section\n";
  const auto print = [](const tg::nn::AnalogyScore& score) {
    std::cout << right(grouped(score.correct), 10) << right(grouped(score.covered), 11)
              << right(grouped(score.questions), 9);
    if (score.covered == 0) {
      std::cout << right("", 28);
    } else {
      std::cout << right(fixed(100 * score.accuracy(), 1), 12)
                << right(in_percent(examples::wilson_interval(score.correct, score.covered)), 16);
    }
    std::cout << "  " << score.section << '\n';
  };
  for (const auto& section : scores.sections) print(section);
  print(scores.total);
}

}  // namespace

void eval(const EvalSettings& settings) {
  const WordVectors vectors = load_vectors(settings.source.path, settings.source.max_words);
  const tg::nn::WordTestOptions options{.fold_case = settings.fold_case,
                                        .restrict_vocabulary = settings.most_frequent};
  for (const std::string& path : settings.similarity) {
    print_similarity(path, evaluate_similarity(vectors, path, options));
  }
  for (const std::string& path : settings.analogies) {
    print_analogies(path, evaluate_analogies(vectors, path, options));
  }
}

}  // namespace word_vectors
