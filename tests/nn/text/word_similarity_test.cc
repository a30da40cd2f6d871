// Tests of similar words, analogies and the evaluations of word vectors, against answers computed
// by hand. Read next: word_vectors_test.cc.
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tapegrad/nn/text/similarity.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::nn;
using tapegrad::test::error_text;
using Words = std::vector<std::string>;

namespace {

Words words_of(const std::vector<Neighbor>& neighbors) {
  Words words;
  for (const Neighbor& each : neighbors) words.push_back(each.word);
  return words;
}

// b has the direction of a, c is nearest to a, d is long.
WordVectors four() {
  return WordVectors({"a", "b", "c", "d"}, tensor({{1, 0}, {3, 0}, {1, 1}, {8, 16}}).to(float32));
}

// Words of royalty: the first element says male or female, the second common or royal.
WordVectors royals() {
  return WordVectors({"man", "king", "woman", "queen", "child", "Man"}, tensor({{1.0, 0.0, 1.0},
                                                                                {1.0, 1.0, 1.0},
                                                                                {-1.0, 0.0, 1.0},
                                                                                {-1.0, 1.0, 1.0},
                                                                                {0.0, 0.0, 2.0},
                                                                                {1.0, 0.1, 1.0}}));
}

template <class Function>
std::string error_in(std::string_view content, const std::string& operation,
                     const Function& function) {
  const TemporaryFile file(content);
  const std::string text = error_text<FormatError>([&] { function(file.path()); });
  const std::string opening = operation + ": " + file.path() + ":";
  return text.starts_with(opening) ? text.substr(opening.size()) : text;
}

}  // namespace

TEST_CASE("most_similar by angle, product and distance, without the word itself") {
  const std::vector<Neighbor> angle = most_similar(four(), "a");
  CHECK(words_of(angle) == Words{"b", "c", "d"});
  CHECK(angle[0].score == Approx(1));
  CHECK(angle[1].score == Approx(std::sqrt(0.5)));
  CHECK(angle[2].score == Approx(1 / std::sqrt(5.0)));
  CHECK(angle[2].row == 3);
  const std::vector<Neighbor> product = most_similar(four(), "a", 10, WordMetric::dot);
  CHECK(words_of(product) == Words{"d", "b", "c"});
  CHECK(product[0].score == 8);
  const std::vector<Neighbor> distance = most_similar(four(), "a", 2, WordMetric::euclidean);
  CHECK(words_of(distance) == Words{"c", "b"});
  CHECK(distance[0].score == Approx(1));
  CHECK(distance[1].score == Approx(2));
}

TEST_CASE("most_similar to a vector leaves no word out") {
  CHECK(words_of(most_similar(four(), tensor({2.0, 0.0}))) == Words{"a", "b", "c", "d"});
  CHECK(words_of(most_similar(four(), tensor({1.0, 2.0}, float64), 1)) == Words{"d"});
  CHECK(words_of(most_similar(four(), tensor({3.0, 0.5}), 1, WordMetric::euclidean)) == Words{"b"});
  CHECK(error_text<ShapeError>([] { most_similar(four(), zeros({3})); }) ==
        "most_similar: got a vector (3), needed (2)");
  CHECK(error_text<DTypeError>([] {
          most_similar(four(), tensor({1, 2}));
        }) == "most_similar: got an int64 vector, needed a floating-point one");
  CHECK(error_text<ValueError>([] { most_similar(four(), "a", 0); }) ==
        "most_similar: k is 0, needed 1 or more");
  CHECK(error_text<ValueError>([] { most_similar(four(), "A"); }) ==
        "most_similar: none of the 4 words is `A`; is its case the same?");
}

TEST_CASE("analogy: b - a + c at length 1, without the three words") {
  const std::vector<Neighbor> answers = analogy(royals(), "man", "king", "woman");
  CHECK(words_of(answers)[0] == "queen");
  CHECK(answers.size() == 3);
  // By hand: man (1, 0, 1) / sqrt 2, king (1, 1, 1) / sqrt 3, woman (-1, 0, 1) / sqrt 2, so the
  // query is (1/sqrt 3 - sqrt 2, 1/sqrt 3, 1/sqrt 3), and queen (-1, 1, 1) / sqrt 3.
  const double third = 1 / std::sqrt(3.0);
  const double x = third - std::sqrt(2.0);
  const double length = std::sqrt(x * x + 2 * third * third);
  CHECK(answers[0].score == Approx((-x + third + third) * third / length));
  CHECK(analogy(royals(), "man", "king", "woman", 1).size() == 1);
  CHECK(error_text<ValueError>([] { analogy(royals(), "man", "king", "women"); }) ==
        "analogy: none of the 6 words is `women`; is its case the same?");
  // The word nearest to a - a + c is c, which is never an answer.
  CHECK(words_of(analogy(four(), "a", "a", "c"))[0] == "d");
}

TEST_CASE("spearman: correlation of ranks, with mean ranks for equal values") {
  const std::vector<double> up = {1, 2, 3, 4, 5};
  CHECK(spearman(up, std::vector<double>{1, 8, 27, 64, 1e9}) == Approx(1));
  CHECK(spearman(up, std::vector<double>{5, 4, 3, 2, 1}) == Approx(-1));
  // Without ties 1 - 6 sum d^2 / (n (n^2 - 1)): d = (-1, 1, -1, 1, 0).
  CHECK(spearman(up, std::vector<double>{2, 1, 4, 3, 5}) == Approx(1 - 6.0 * 4 / (5 * 24)));
  // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
  CHECK(spearman(std::vector<double>{1, 2, 2, 3}, std::vector<double>{1, 2, 3, 4}) ==
        Approx(4.5 / std::sqrt(4.5 * 5)));
  // Ranks 2, 2, 2, 4 and 1.5, 1.5, 3, 4: covariance 3, variances 3 and 4.5.
  CHECK(spearman(std::vector<double>{7, 7, 7, 9}, std::vector<double>{1, 1, 2, 3}) ==
        Approx(3.0 / std::sqrt(3 * 4.5)));
  CHECK(std::isnan(spearman(up, std::vector<double>{1, 1, 1, 1, 1})));
  CHECK(std::isnan(spearman({}, {})));
  CHECK(std::isnan(spearman(std::vector<double>{1}, std::vector<double>{2})));
  CHECK(std::isnan(spearman(std::vector<double>{1, test::kNaN}, std::vector<double>{1, 2})));
  CHECK(error_text<ShapeError>([&] { spearman(up, {}); }) ==
        "spearman: got 5 and 0 values, needed pairs");
}

TEST_CASE("evaluate_similarity correlates cosines with human scores") {
  // Cosines: a b 1, a c 0.71, c d 0.95, b d 0.45; the third pair is out of order.
  const TemporaryFile file(
      "# word 1\tword 2\tmean\r\na\tb\t9\r\na\tc\t6.5\r\n\r\nc\td\t6\r\nb\td\t1\r\na\tx\t5\r\n"
      "A\tB\t0\r\n");
  const SimilarityScore score = evaluate_similarity(four(), file.path());
  CHECK(score.pairs == 6);
  CHECK(score.covered == 4);
  CHECK(score.spearman == Approx(1 - 6.0 * 2 / (4 * 15)));
  CHECK(evaluate_similarity(four(), file.path(), {.fold_case = true}).covered == 5);
  const SimilarityScore few = evaluate_similarity(four(), file.path(), {.restrict_vocabulary = 2});
  CHECK(few.covered == 1);
  CHECK(std::isnan(few.spearman));

  const auto error = [](std::string_view content) {
    return error_in(content, "evaluate_similarity",
                    [](const std::string& path) { evaluate_similarity(four(), path); });
  };
  CHECK(error("") == "1: no pairs of words in this file");
  CHECK(error("a\tb\t1\na b 2\n") == "2: got 1 fields, needed three: word TAB word TAB score");
  CHECK(error("a\tb\t1\nWord 1\tWord 2\tHuman\n") == "2: the score `Human` is not a number");
  CHECK(error("a\tb\tnan\n") == "1: the score `nan` is not a number");
  CHECK(error_text<IoError>([] { evaluate_similarity(four(), "/no/such"); }) ==
        "evaluate_similarity: cannot open /no/such: No such file or directory");
}

TEST_CASE("evaluate_analogies counts answers in each section") {
  const TemporaryFile file(
      ": royal\nman king woman queen\nwoman queen man king\nman king woman child\n"
      ": unknown\nman king woman princess\n\n: case\nMAN KING WOMAN QUEEN\nMan king woman queen\n");
  const AnalogyScores scores = evaluate_analogies(royals(), file.path());
  REQUIRE(scores.sections.size() == 3);
  CHECK(scores.sections[0].section == "royal");
  CHECK(scores.sections[0].questions == 3);
  CHECK(scores.sections[0].covered == 3);
  CHECK(scores.sections[0].correct == 2);
  CHECK(scores.sections[0].accuracy() == Approx(2.0 / 3));
  CHECK(scores.sections[1].questions == 1);
  CHECK(scores.sections[1].covered == 0);
  CHECK(std::isnan(scores.sections[1].accuracy()));
  CHECK(scores.sections[2].covered == 1);
  CHECK(scores.total.section == "total");
  CHECK(scores.total.questions == 6);
  CHECK(scores.total.covered == 4);
  CHECK(scores.total.correct == 3);

  // With fold_case, Man is the same word as man and cannot be an answer.
  const AnalogyScores folded = evaluate_analogies(royals(), file.path(), {.fold_case = true});
  CHECK(folded.total.covered == 5);
  CHECK(folded.total.correct == 4);
  CHECK(evaluate_analogies(royals(), file.path(), {.restrict_vocabulary = 3}).total.covered == 0);
  CHECK(error_text<ValueError>([&] {
          evaluate_analogies(royals(), file.path(), {.restrict_vocabulary = 0});
        }) == "evaluate_analogies: restrict_vocabulary is 0, needed 1 or more");

  const auto error = [](std::string_view content) {
    return error_in(content, "evaluate_analogies",
                    [](const std::string& path) { evaluate_analogies(royals(), path); });
  };
  CHECK(error("") == "1: no questions in this file");
  CHECK(error(": empty\n") == "1: no questions in this file");
  CHECK(error("man king woman queen\n") == "1: a question before the first `: section`");
  CHECK(error(": a\nman king woman\n") == "2: got 3 words, needed four, or `: section`");
}

TEST_CASE("evaluate_analogies gives the answers of analogy, in blocks of any size") {
  // 5,000 words and 1,200 questions take two blocks.
  manual_seed(3);
  Words words;
  for (int i = 0; i < 5000; ++i) words.push_back("w" + std::to_string(i));
  const WordVectors vectors(words, randn({5000, 4}));
  const std::vector<std::int64_t> asked = to_vector<std::int64_t>(randint(0, 5000, {1200 * 3}));
  std::string text = ": all\n";
  for (std::size_t i = 0; i < asked.size(); i += 3) {
    const auto word = [&](std::size_t k) { return words[static_cast<std::size_t>(asked[i + k])]; };
    const std::string answer = i % 2 == 0 ? analogy(vectors, word(0), word(1), word(2), 1)[0].word
                                          : word(0);  // which is never an answer
    text += word(0) + ' ' + word(1) + ' ' + word(2) + ' ' + answer + '\n';
  }
  const AnalogyScores scores = evaluate_analogies(vectors, TemporaryFile(text).path());
  CHECK(scores.total.covered == 1200);
  CHECK(scores.total.correct == 600);
}

TEST_CASE("real GloVe vectors know capitals and similar words") {
  const auto folder = data_folder();
  if (!folder) return;
  const WordVectors glove = load_word_vectors(*folder + "/glove/glove.6B.50d.first9163.txt");
  CHECK(words_of(most_similar(glove, "france", 5))[0] == "french");
  CHECK(analogy(glove, "man", "king", "woman", 1)[0].word == "queen");
  const SimilarityScore similarity =
      evaluate_similarity(glove, *folder + "/wordsim/EN-WS-353-ALL.txt", {.fold_case = true});
  CHECK(similarity.pairs == 353);
  // A plain program in double precision gives the same answers.
  CHECK(similarity.covered == 259);
  CHECK(similarity.spearman == Approx(0.5174961278).epsilon(1e-5));
  const AnalogyScores analogies =
      evaluate_analogies(glove, *folder + "/wordsim/questions-words.txt", {.fold_case = true});
  CHECK(analogies.sections.size() == 14);
  CHECK(analogies.sections[0].section == "capital-common-countries");
  CHECK(analogies.sections[0].covered == 380);
  CHECK(analogies.sections[0].correct == 306);
  CHECK(analogies.total.questions == 19544);
  CHECK(analogies.total.covered == 6003);
  CHECK(analogies.total.accuracy() == Approx(0.589).margin(0.001));
}
