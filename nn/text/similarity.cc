// The search for nearest vectors, by matrix products with all vectors, and the two evaluations of
// word vectors. Read next: nn/onnx/graph.h.
#include <tapegrad/nn/text/similarity.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <utility>

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::int64_t row_of(const WordVectors& vectors, std::string_view word, const char* operation) {
  const std::optional<std::int64_t> row = vectors.find(word);
  if (row) return *row;
  throw ValueError(std::string(operation) + ": none of the " + std::to_string(vectors.size()) +
                   " words is `" + std::string(word) + "`; is its case the same?");
}

// The k rows with the best scores, except `left_out`. A larger score is better, so distances are
// negated.
std::vector<Neighbor> nearest(const WordVectors& vectors, const Tensor& query, std::int64_t k,
                              WordMetric metric, std::span<const std::int64_t> left_out,
                              const char* operation) {
  if (k < 1) {
    throw ValueError(std::string(operation) + ": k is " + std::to_string(k) + ", needed 1 or more");
  }
  const double sign = metric == WordMetric::euclidean ? -1 : 1;
  Tensor scores;  // (size)
  if (metric == WordMetric::euclidean) {
    scores = -reshape(cdist(vectors.vectors(), unsqueeze(query, 0)), {-1});
  } else if (metric == WordMetric::cosine) {
    scores = matmul(vectors.unit_vectors(), normalize(query, 2, 0));
  } else {
    scores = matmul(vectors.vectors(), query);
  }
  const std::span<const float> values = std::as_const(scores).span<float>();
  const auto taken = static_cast<std::int64_t>(left_out.size());
  const std::int64_t candidates = std::min(vectors.size(), k + std::min(taken, vectors.size()));
  std::vector<Neighbor> result;
  for (const std::int64_t row : to_vector<std::int64_t>(topk(scores, candidates).indices)) {
    if (static_cast<std::int64_t>(result.size()) == k) break;
    if (std::ranges::find(left_out, row) != left_out.end()) continue;
    const auto i = static_cast<std::size_t>(row);
    result.push_back({vectors.words()[i], row, sign * static_cast<double>(values[i])});
  }
  return result;
}

}  // namespace

std::vector<Neighbor> most_similar(const WordVectors& vectors, std::string_view word,
                                   std::int64_t k, WordMetric metric) {
  const std::int64_t row = row_of(vectors, word, "most_similar");
  const std::array<std::int64_t, 1> itself{row};
  return nearest(vectors, select(vectors.vectors(), 0, row), k, metric, itself, "most_similar");
}

std::vector<Neighbor> most_similar(const WordVectors& vectors, const Tensor& vector, std::int64_t k,
                                   WordMetric metric) {
  if (!is_floating_point(vector.dtype())) {
    throw DTypeError("most_similar: got an " + std::string(tapegrad::name(vector.dtype())) +
                     " vector, needed a floating-point one");
  }
  if (vector.shape() != Shape{vectors.dim()}) {
    throw ShapeError("most_similar: got a vector " + to_string(vector.sizes()) + ", needed (" +
                     std::to_string(vectors.dim()) + ")");
  }
  return nearest(vectors, vector.to(float32), k, metric, {}, "most_similar");
}

std::vector<Neighbor> analogy(const WordVectors& vectors, std::string_view a, std::string_view b,
                              std::string_view c, std::int64_t k) {
  const std::array<std::int64_t, 3> rows = {
      row_of(vectors, a, "analogy"), row_of(vectors, b, "analogy"), row_of(vectors, c, "analogy")};
  const auto unit = [&](std::size_t i) { return select(vectors.unit_vectors(), 0, rows[i]); };
  return nearest(vectors, unit(1) - unit(0) + unit(2), k, WordMetric::cosine, rows, "analogy");
}

// Evaluation --------------------------------------------------------------------------------------

namespace {

std::string folded(std::string_view word) {
  std::string result(word);
  for (char& letter : result) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return result;
}

// The rows that an evaluation may use, by word. With fold_case, words that differ only in case
// share a row.
class KnownRows {
 public:
  KnownRows(const WordVectors& vectors, const WordTestOptions& options, const char* operation)
      : vectors_(vectors), fold_case_(options.fold_case), size_(vectors.size()) {
    if (options.restrict_vocabulary) {
      if (*options.restrict_vocabulary < 1) {
        throw ValueError(std::string(operation) + ": restrict_vocabulary is " +
                         std::to_string(*options.restrict_vocabulary) + ", needed 1 or more");
      }
      size_ = std::min(size_, *options.restrict_vocabulary);
    }
    if (!fold_case_) return;
    for (std::int64_t row = 0; row < size_; ++row) {
      const std::string& word = vectors.words()[static_cast<std::size_t>(row)];
      first_.push_back(rows_.emplace(folded(word), row).first->second);
    }
  }

  std::int64_t size() const { return size_; }

  std::optional<std::int64_t> find(std::string_view word) const {
    if (!fold_case_) {
      const std::optional<std::int64_t> row = vectors_.find(word);
      return row && *row < size_ ? row : std::nullopt;
    }
    const auto found = rows_.find(folded(word));
    if (found == rows_.end()) return std::nullopt;
    return found->second;
  }

  // The row that is used for this row.
  std::int64_t first(std::int64_t row) const {
    return fold_case_ ? first_[static_cast<std::size_t>(row)] : row;
  }

 private:
  const WordVectors& vectors_;
  bool fold_case_;
  std::int64_t size_;
  std::unordered_map<std::string, std::int64_t> rows_;
  std::vector<std::int64_t> first_;
};

// Calls function(line, number) for all lines that are not blank.
template <class Function>
void for_each_line(std::string_view text, const Function& function) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  LineReader lines(text);
  for (std::string_view line; lines.next(line);) {
    line = line.substr(0, line.find_last_not_of(" \t\r") + 1);  // npos + 1 is 0
    if (!line.empty()) function(line, lines.number());
  }
}

std::vector<std::string_view> split(std::string_view line, std::string_view separators) {
  std::vector<std::string_view> fields;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find_first_of(separators, begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return fields;
}

struct LinePlace {
  const char* operation;
  const std::string& path;
  std::int64_t line;
};

[[noreturn]] void fail_at(const LinePlace& place, const std::string& text) {
  throw_format_error(std::string(place.operation) + ": " + place.path, place.line, text);
}

// The smallest value has rank 1; equal values have the mean of their ranks.
std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> result(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double shared = static_cast<double>(begin + 1 + end) / 2;
    for (; begin < end; ++begin) result[order[begin]] = shared;
  }
  return result;
}

}  // namespace

double spearman(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) {
    throw ShapeError("spearman: got " + std::to_string(a.size()) + " and " +
                     std::to_string(b.size()) + " values, needed pairs");
  }
  const auto wrong = [](double x) { return std::isnan(x); };
  if (std::ranges::any_of(a, wrong) || std::ranges::any_of(b, wrong)) return kNaN;
  const std::vector<double> x = ranks(a);
  const std::vector<double> y = ranks(b);
  const double center = static_cast<double>(a.size() + 1) / 2;  // the mean of all ranks
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - center) * (x[i] - center);
    yy += (y[i] - center) * (y[i] - center);
    xy += (x[i] - center) * (y[i] - center);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : kNaN;
}

namespace {

struct RatedPair {
  std::string_view first;
  std::string_view second;
  double score;
};

// Parses `word TAB word TAB score`; FormatError for any other line.
RatedPair parse_rated_pair(std::string_view line, const LinePlace& place) {
  const std::vector<std::string_view> fields = split(line, "\t");
  if (fields.size() != 3) {
    fail_at(place, "got " + std::to_string(fields.size()) +
                       " fields, needed three: word TAB word TAB score");
  }
  double score = 0;
  const char* const end = fields[2].data() + fields[2].size();
  const auto [stop, error] = std::from_chars(fields[2].data(), end, score);
  if (error != std::errc() || stop != end || !std::isfinite(score)) {
    fail_at(place, "the score `" + std::string(fields[2]) + "` is not a number");
  }
  return {fields[0], fields[1], score};
}

}  // namespace

SimilarityScore evaluate_similarity(const WordVectors& vectors, const std::string& path,
                                    const WordTestOptions& options) {
  constexpr const char* kOperation = "evaluate_similarity";
  const KnownRows known(vectors, options, kOperation);
  const std::string text = read_file(path, kOperation);
  SimilarityScore result;
  std::vector<double> human;  // human scores of the pairs whose words are both known
  std::vector<std::int64_t> left;
  std::vector<std::int64_t> right;
  for_each_line(text, [&](std::string_view line, std::int64_t number) {
    if (line.starts_with('#')) return;
    const RatedPair pair = parse_rated_pair(line, {kOperation, path, number});
    ++result.pairs;
    const std::optional<std::int64_t> first = known.find(pair.first);
    const std::optional<std::int64_t> second = known.find(pair.second);
    if (!first || !second) return;
    human.push_back(pair.score);
    left.push_back(*first);
    right.push_back(*second);
  });
  if (result.pairs == 0) fail_at({kOperation, path, 1}, "no pairs of words in this file");
  result.covered = static_cast<std::int64_t>(human.size());
  const Tensor& unit = vectors.unit_vectors();
  const Tensor cosines = sum(  // (covered)
      index_select(unit, 0, tensor(left)) * index_select(unit, 0, tensor(right)), {1});
  result.spearman = spearman(human, to_vector<double>(cosines));
  return result;
}

// Analogies ---------------------------------------------------------------------------------------

namespace {

struct Question {
  std::array<std::int64_t, 4> rows;  // a is to b as c is to d
  std::size_t section;
};

// The number of elements in a block of scores: 16 MB, whatever the size of the vocabulary.
constexpr std::int64_t kScoresAtOnce = std::int64_t{1} << 22;

// The row with the largest score, except a, b and c.
std::int64_t best_answer(std::span<const float> scores, const Question& question,
                         const KnownRows& known) {
  std::int64_t best = -1;
  float most = -std::numeric_limits<float>::infinity();
  for (std::size_t row = 0; row < scores.size(); ++row) {
    if (scores[row] <= most) continue;
    const std::int64_t first = known.first(static_cast<std::int64_t>(row));
    const auto* const asked_end = question.rows.begin() + 3;
    if (std::find(question.rows.begin(), asked_end, first) != asked_end) continue;
    most = scores[row];
    best = first;
  }
  return best;
}

void answer(const WordVectors& vectors, const KnownRows& known, std::span<const Question> questions,
            AnalogyScores& scores) {
  if (questions.empty()) return;
  const Tensor unit = narrow(vectors.unit_vectors(), 0, 0, known.size());  // (known, dim)
  const auto words = [&](std::span<const Question> block, std::size_t place) {
    std::vector<std::int64_t> rows;
    for (const Question& question : block) rows.push_back(question.rows[place]);
    return index_select(unit, 0, tensor(rows));  // (block, dim)
  };
  const auto most =
      static_cast<std::size_t>(std::max<std::int64_t>(kScoresAtOnce / known.size(), 1));
  while (!questions.empty()) {
    const std::span<const Question> block = questions.first(std::min(most, questions.size()));
    questions = questions.subspan(block.size());
    const Tensor products =  // (block, known): the length of a query does not change its order
        matmul(words(block, 1) - words(block, 0) + words(block, 2), transpose(unit));
    const std::span<const float> all = products.span<float>();
    const auto width = static_cast<std::size_t>(known.size());
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (best_answer(all.subspan(i * width, width), block[i], known) == block[i].rows[3]) {
        ++scores.sections[block[i].section].correct;
      }
    }
  }
}

// Returns the questions whose four words are all known, and counts all questions by section in
// `scores`.
std::vector<Question> read_questions(std::string_view text, const KnownRows& known,
                                     const char* operation, const std::string& path,
                                     AnalogyScores& scores) {
  std::vector<Question> questions;
  for_each_line(text, [&](std::string_view line, std::int64_t number) {
    if (line.starts_with(':')) {
      line.remove_prefix(std::min(line.find_first_not_of(": \t"), line.size()));
      scores.sections.push_back({.section = std::string(line)});
      return;
    }
    std::vector<std::string_view> fields = split(line, " \t");
    std::erase(fields, "");
    if (fields.size() != 4) {
      fail_at({operation, path, number},
              "got " + std::to_string(fields.size()) + " words, needed four, or `: section`");
    }
    if (scores.sections.empty()) {
      fail_at({operation, path, number}, "a question before the first `: section`");
    }
    AnalogyScore& section = scores.sections.back();
    ++section.questions;
    Question question{.rows = {}, .section = scores.sections.size() - 1};
    for (std::size_t i = 0; i < 4; ++i) {
      const std::optional<std::int64_t> row = known.find(fields[i]);
      if (!row) return;
      question.rows[i] = *row;
    }
    ++section.covered;
    questions.push_back(question);
  });
  return questions;
}

}  // namespace

double AnalogyScore::accuracy() const {
  return covered == 0 ? kNaN : static_cast<double>(correct) / static_cast<double>(covered);
}

AnalogyScores evaluate_analogies(const WordVectors& vectors, const std::string& path,
                                 const WordTestOptions& options) {
  constexpr const char* kOperation = "evaluate_analogies";
  const KnownRows known(vectors, options, kOperation);
  const std::string text = read_file(path, kOperation);
  AnalogyScores scores{.sections = {}, .total = {.section = "total"}};
  const std::vector<Question> questions = read_questions(text, known, kOperation, path, scores);
  answer(vectors, known, questions, scores);
  for (const AnalogyScore& section : scores.sections) {
    scores.total.questions += section.questions;
    scores.total.covered += section.covered;
    scores.total.correct += section.correct;
  }
  if (scores.total.questions == 0) fail_at({kOperation, path, 1}, "no questions in this file");
  return scores;
}

}  // namespace tapegrad::nn
