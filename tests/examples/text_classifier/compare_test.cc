// The commands compare and suspects, the baselines, and --folds. Read next:
// examples/text_classifier/compare.h.
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "examples/text_classifier/session.h"
#include "text_classifier/baseline.h"
#include "text_classifier/statistics.h"
#include "text_classifier/suspects.h"

using namespace text_classifier_test;
namespace tc = text_classifier;
namespace tg = tapegrad;

namespace {

tc::Corpus corpus_of(const std::vector<std::pair<std::string, std::string>>& rows) {
  tc::Corpus corpus;
  for (const auto& [text, label] : rows) {
    corpus.rows.push_back({text, label, std::ssize(corpus.rows) + 1});
  }
  return corpus;
}

// Texts with random features, and classes that no plane separates.
struct Problem {
  std::vector<tc::SparseVector> texts;
  std::vector<signed char> y;
};

Problem problem_of(std::int64_t texts, std::int64_t features) {
  Problem problem;
  tg::Generator generator(3);
  const tg::Tensor x = tg::randn({texts, features}, tg::float32, generator);
  for (std::int64_t i = 0; i < texts; ++i) {
    tc::SparseVector text;
    for (std::int64_t j = 0; j < features; ++j) {
      if ((i + j) % 3 == 0) continue;
      text.emplace_back(static_cast<std::int32_t>(j), x.item<float>({i, j}));
    }
    problem.texts.push_back(text);
    problem.y.push_back(i % 7 == 0 || text[0].second + text[1].second > 0 ? 1 : -1);
  }
  return problem;
}

double dot(const std::vector<float>& w, const tc::SparseVector& x) {
  double sum = 0;
  for (const auto& [j, value] : x)
    sum += static_cast<double>(w[static_cast<std::size_t>(j)] * value);
  return sum;
}

// The largest element of w - sum of slope(y w x) y x, which is 0 at the minimum.
template <class Slope>
double gradient_at(const std::vector<float>& w, const Problem& problem, const Slope& slope) {
  std::vector<double> gradient(w.begin(), w.end());
  for (std::size_t i = 0; i < problem.texts.size(); ++i) {
    const double scale = slope(problem.y[i] * dot(w, problem.texts[i])) * problem.y[i];
    for (const auto& [j, value] : problem.texts[i]) {
      gradient[static_cast<std::size_t>(j)] -= scale * static_cast<double>(value);
    }
  }
  double largest = 0;
  for (const double element : gradient) largest = std::max(largest, std::abs(element));
  return largest;
}

}  // namespace

TEST_CASE("logistic_regression finds the minimum", "[text_baseline]") {
  // w = sigmoid(-w) for one text (1) with C = 1.
  const std::vector<tc::SparseVector> one{{{0, 1.0F}}};
  const std::vector<signed char> positive{1}, negative{-1};
  CHECK(std::abs(tc::logistic_regression(one, positive, 1, 1)[0] - 0.401058F) < 1e-3F);
  CHECK(std::abs(tc::logistic_regression(one, negative, 1, 1)[0] + 0.401058F) < 1e-3F);
  for (const double c : {0.1, 1.0, 10.0}) {
    const Problem problem = problem_of(60, 12);
    const std::vector<float> w = tc::logistic_regression(problem.texts, problem.y, 12, c);
    CHECK(gradient_at(w, problem, [&](double m) { return c / (1 + std::exp(m)); }) < 0.1 * c);
  }
}

TEST_CASE("linear_svm finds the minimum", "[text_baseline]") {
  // w = 2 (1 - w) for one text (1) with C = 1.
  const std::vector<tc::SparseVector> one{{{0, 1.0F}}};
  const std::vector<signed char> positive{1};
  CHECK(std::abs(tc::linear_svm(one, positive, 1, 1)[0] - 2.0F / 3) < 1e-3F);
  for (const double c : {0.1, 1.0}) {
    const Problem problem = problem_of(60, 12);
    const std::vector<float> w = tc::linear_svm(problem.texts, problem.y, 12, c);
    // The tolerance is LIBLINEAR's, 0.1 in the dual problem. At w = 0 the gradient is about 60 c.
    CHECK(gradient_at(w, problem, [&](double m) { return 2 * c * std::max(1 - m, 0.0); }) < c);
  }
}

TEST_CASE("the baselines learn words, pairs, and classes without texts", "[text_baseline]") {
  const tc::Corpus train = corpus_of({{"who wrote it", "HUM"},
                                      {"who is the king", "HUM"},
                                      {"where is Paris", "LOC"},
                                      {"where is the city", "LOC"},
                                      {"how many", "NUM"},
                                      {"how far is it", "NUM"}});
  const tc::Corpus test =
      corpus_of({{"where was that", "LOC"}, {"who sang", "HUM"}, {"how long", "NUM"}});
  const auto baselines = tc::train_baselines(train, test, {"HUM", "LOC", "NEVER", "NUM"});
  REQUIRE(baselines.size() == 2);
  CHECK(baselines[0].name == "TF-IDF, logistic regression");
  CHECK(baselines[1].name == "NB-SVM");
  for (const tc::Baseline& baseline : baselines) {
    CHECK(baseline.predicted == std::vector<std::int64_t>{1, 0, 3});
  }
  // Only the pairs differ.
  const tc::Corpus order = corpus_of({{"a b", "A"},
                                      {"b a", "B"},
                                      {"a b a b", "A"},
                                      {"b a b a", "B"},
                                      {"c a b", "A"},
                                      {"c b a", "B"}});
  for (const tc::Baseline& baseline : tc::train_baselines(order, order, {"A", "B"})) {
    CHECK(baseline.predicted[0] == 0);
    CHECK(baseline.predicted[1] == 1);
  }
  // A part of the texts may lack one of two classes.
  for (const char* only : {"A", "B"}) {
    const tc::Corpus single = corpus_of({{"x y", only}, {"x z", only}});
    for (const tc::Baseline& baseline : tc::train_baselines(single, single, {"A", "B"})) {
      CHECK(baseline.predicted == std::vector<std::int64_t>(2, only[0] == 'A' ? 0 : 1));
    }
  }
}

TEST_CASE("train --baseline prints one table for the same test texts", "[text_baseline]") {
  Session session;
  const std::string plain = session.train("--arch bag").out;
  const std::vector<std::string> lines = lines_in(session.train("--arch bag --baseline").out);
  CHECK(lines[0] == "  test texts                   accuracy  95 % interval   macro F1  seconds");
  CHECK(
      lines[1].starts_with("  this model                      1.000  0.439 to 1.000     1.000  "));
  CHECK(
      lines[2].starts_with("  TF-IDF, logistic regression     1.000  0.439 to 1.000     1.000  "));
  CHECK(
      lines[3].starts_with("  NB-SVM                          1.000  0.439 to 1.000     1.000  "));
  CHECK(lines_in(plain) == std::vector<std::string>(lines.begin() + 5, lines.end()));
  session.require_error("train --train train.tsv --baseline --out other",
                        "train: --baseline compares accuracies on the same texts; needed --test "
                        "FILE or --folds N too");
}

TEST_CASE("train --folds prints intervals, with --baseline also of the differences",
          "[text_baseline]") {
  Session session;
  const std::string command =
      "train --train train.tsv --dim 4 --arch bag --epochs 30 --lr 0.05 "
      "--dropout 0 --folds 4";
  const std::vector<std::string> lines = lines_in(session.run_well(command).out);
  REQUIRE(lines.size() == 5);
  std::vector<double> accuracies;
  for (int fold = 0; fold < 4; ++fold) {
    const std::string& line = lines[static_cast<std::size_t>(fold)];
    accuracies.push_back(std::stod(line.substr(line.find("accuracy ") + 9)));
  }
  const tc::Interval interval = tc::t_interval(accuracies);
  char expected[64];
  std::snprintf(expected, sizeof expected, ", 95 %% interval %.3f to %.3f, standard",
                std::max(interval.low, 0.0), std::min(interval.high, 1.0));
  CHECK(lines[4].find(expected) != std::string::npos);
  CHECK(lines[4].ends_with(" (4 folds, n=8)"));

  const std::vector<std::string> more = lines_in(session.run_well(command + " --baseline").out);
  REQUIRE(more.size() == 7);
  CHECK(more[4].starts_with("TF-IDF, logistic regression: mean accuracy "));
  CHECK(more[5].starts_with("NB-SVM: mean accuracy "));
  CHECK(more[5].find("; this model minus it ") != std::string::npos);
  CHECK(more[6] == lines[4]);
}

TEST_CASE("compare counts who is right, and tests the difference", "[text_compare]") {
  Session session;
  session.train("--arch bag");
  // The second model has learned the opposite.
  session.write("train.tsv", "who wrote it\tLOC\nwho sang\tLOC\nwhere is it\tHUM\nwhere to\tHUM\n");
  session.train("--arch bag", "opposite");
  std::string test;
  for (int i = 0; i < 9; ++i) test += "who sang\tHUM\n";
  session.write("test.tsv", test + "where to\tHUM\n");
  std::vector<std::string> lines =
      lines_in(session.run_well("compare --model opposite --with model --test test.tsv").out);
  REQUIRE(lines.size() == 8);
  CHECK(lines[0] == "                B right  B wrong");
  CHECK(lines[1] == "  A right             0        1");
  CHECK(lines[2] == "  A wrong             9        0");
  CHECK(lines[4] == "A  accuracy 0.100, 95 % interval 0.018 to 0.404  opposite");
  CHECK(lines[5] == "B  accuracy 0.900, 95 % interval 0.596 to 0.982  model");
  // (9.5 - 1.5) / 12 = 0.6667; the error is sqrt((11 / 12 - 0.4444) / 12) = 0.1984.
  CHECK(lines[6] == "B minus A: +0.800, 95 % interval +0.278 to +1.000 (n=10)");
  CHECK(lines[7] ==
        "McNemar's exact test: p = 0.0215; the models differ by more than chance (5 % level)");
  lines = lines_in(session.run_well("compare --model model --with model --test test.tsv").out);
  CHECK(lines[7] == "McNemar's exact test: p = 1; the difference may be chance (5 % level)");

  session.write("three.tsv", "who sang\tHUM\nhow many\tNUM\nhow far\tNUM\n");
  session.run_well("train --train three.tsv --arch bag --epochs 1 --out three");
  session.require_error("compare --model model --with three --test test.tsv --label-col 9",
                        "test.tsv");
  session.require_error("compare --model three --with model --test three.tsv",
                        "compare: the model model: three.tsv:2: label `NUM` is unknown");
  session.require_error("compare --model model --test test.tsv", "compare: --with is required");
  session.require_error("compare --model model --with nowhere --test test.tsv",
                        "nowhere/model.safetensors: No such file");
}

TEST_CASE("suspects_among sorts contradicted labels by their probability", "[text_suspects]") {
  const tg::Tensor p = tg::tensor(
      {{0.9F, 0.1F, 0.0F}, {0.3F, 0.6F, 0.1F}, {0.05F, 0.05F, 0.9F}, {0.2F, 0.5F, 0.3F}});
  const auto found = tc::suspects_among({0, 0, 1, 1}, p);
  REQUIRE(found.size() == 2);
  CHECK(found[0].row == 2);
  CHECK(found[0].given == static_cast<double>(0.05F));
  CHECK(found[0].predicted == 2);
  CHECK(found[0].probability == static_cast<double>(0.9F));
  CHECK(found[1].row == 1);
}

TEST_CASE("the command suspects finds a wrong label", "[text_suspects]") {
  Session session;
  std::string train;
  for (const char* word : {"one", "two", "three", "four", "five", "six", "seven", "eight"}) {
    train += std::string("who is ") + word + "\tHUM\nwhere is " + word + "\tLOC\n";
  }
  session.write("train.tsv", train + "where is \"nine\"\tHUM\n");
  const std::string command =
      "suspects --train train.tsv --dim 16 --arch bag --ngrams 1 --epochs 100 --batch 4 --lr 0.05 "
      "--dropout 0";
  const Output output = session.run_well(command);
  const std::vector<std::string> lines = lines_in(output.out);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("line 17  HUM 0.0"));
  CHECK(lines[0].find("  LOC ") != std::string::npos);
  CHECK(lines[0].ends_with("  where is \"nine\""));
  CHECK(
      output.error.ends_with("suspects: the models contradict the labels of 1 of 17 texts (5 "
                             "folds); 1 are shown\n"));
  CHECK(session.run_well(command).out == output.out);
  const auto object = nlohmann::json::parse(session.run_well(command + " --json --folds 3").out);
  CHECK(object["line"] == 17);
  CHECK(object["label"] == "HUM");
  CHECK(object["predicted"] == "LOC");
  CHECK(object["label_probability"].get<double>() < 0.1);
  CHECK(object["predicted_probability"].get<double>() > 0.9);
  CHECK(object["text"] == "where is \"nine\"");
  session.require_error("suspects --train train.tsv --folds 99",
                        "k_folds: k is 99 for 17 examples");
  session.require_error("suspects --train train.tsv --count 0", "suspects: --count: ");
  session.require_error("suspects --train train.tsv --out model", "--out");
}
