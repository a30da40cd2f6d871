// The contributions of words: exact for a bag, the derivative for the others. Read next:
// examples/text_classifier/explain.h.
#include "text_classifier/explain.h"

#include <cmath>
#include <string>
#include <vector>

#include "examples/text_classifier/session.h"

using namespace text_classifier_test;
namespace tc = text_classifier;
namespace tg = tapegrad;

namespace {

bool near(double a, double b, double tolerance = 1e-4) {
  return std::abs(a - b) < tolerance * std::max(1.0, std::abs(b));
}

double sum_of(const tc::Explanation& explanation) {
  double sum = 0;
  for (const tc::Contribution& token : explanation.tokens) sum += token.value;
  return sum;
}

// The logit of a class minus the mean of all.
double score_of(const tc::Trained& trained, const std::string& text, std::int64_t label) {
  const tg::NoGrad guard;
  const tg::Tensor logits = trained.logits(unsqueeze(trained.ids(text), 0));
  return logits.item<double>({0, label}) - mean(logits).item<double>();
}

tg::Tensor weight_of(const tc::Trained& trained, const std::string& name) {
  return trained.model.state_dict().at(name).clone();
}

// What the row of a word adds to the score of a class, computed from the weights of a bag.
double by_hand(const tc::Trained& trained, const std::string& word, std::int64_t label) {
  const tg::Tensor head = weight_of(trained, "head.weight");
  const tg::Tensor row =
      select(weight_of(trained, "embedding.weight"), 0, *trained.vocabulary.find(word));
  return sum(row * (select(head, 0, label) - mean(head, 0))).item<double>();
}

}  // namespace

TEST_CASE("explanation_of gives exactly what each word adds to a bag", "[text_explain]") {
  Session session;
  session.train("--arch bag --ngrams 2");
  tc::Trained trained = tc::load(session.file("model"));
  const double temperature = GENERATE(1.0, 2.5);
  trained.answering.temperature = temperature;
  const std::string text = "Who was who zebra";
  // Four words, and "who was" and "was who": the second pair is not in the vocabulary.
  for (const std::int64_t label : {0, 1}) {
    const tc::Explanation explanation = tc::explanation_of(trained, text, label);
    REQUIRE(explanation.tokens.size() == 5);
    const double n = std::sqrt(5.0) * temperature;  // a bag divides by the root of the number
    CHECK(explanation.tokens[0].token == "who");
    CHECK(near(explanation.tokens[0].value, by_hand(trained, "who", label) / n));
    CHECK(near(explanation.tokens[1].value, by_hand(trained, "was", label) / n));
    CHECK(near(explanation.tokens[2].value, explanation.tokens[0].value));
    CHECK(explanation.tokens[3].token == "zebra (unknown)");
    CHECK(near(explanation.tokens[3].value, by_hand(trained, "<unk>", label) / n));
    CHECK(explanation.tokens[4].token == "who was");
    CHECK(near(explanation.tokens[4].value, by_hand(trained, "who was", label) / n));
    const tg::Tensor bias = weight_of(trained, "head.bias");
    CHECK(near(explanation.rest,
               (bias.item<double>({label}) - mean(bias).item<double>()) / temperature));
    CHECK(near(explanation.score, score_of(trained, text, label)));
    CHECK(near(sum_of(explanation) + explanation.rest, explanation.score));
  }
  CHECK(tc::explanation_of(trained, "", 0).tokens.empty());
}

TEST_CASE("explanation_of gives the derivative of the score in other architectures",
          "[text_explain]") {
  // Not attention with --pool max: its score bends where another word becomes the largest.
  const std::string arch =
      GENERATE("rnn", "lstm", "gru --bidirectional", "cnn", "attention --pool mean");
  Session session;
  session.train("--arch " + arch);
  tc::Trained trained = tc::load(session.file("model"));
  const std::string text = "where is who";
  const tc::Explanation explanation = tc::explanation_of(trained, text, 1);
  REQUIRE(explanation.tokens.size() == 3);
  CHECK(near(explanation.score, score_of(trained, text, 1)));
  CHECK(near(sum_of(explanation) + explanation.rest, explanation.score));
  const tg::Tensor table = trained.model.embedding.weight.value().clone();
  for (const tc::Contribution& token : explanation.tokens) {
    CAPTURE(arch, token.token);
    // The score, if the vector of the word is a little longer and a little shorter.
    const auto score_with = [&](double factor) {
      tg::Tensor changed = table.clone();
      const std::int64_t id = *trained.vocabulary.find(token.token);
      select(changed, 0, id).copy_(select(table, 0, id) * factor);
      trained.model.embedding.weight.set_value(changed);
      return score_of(trained, text, 1);
    };
    const double derivative = (score_with(1.01) - score_with(0.99)) / 0.02;
    trained.model.embedding.weight.set_value(table);
    CHECK(std::abs(token.value - derivative) < 0.01 * std::max(0.1, std::abs(derivative)));
  }
}

TEST_CASE("strongest_tokens sorts all words by what they add alone", "[text_explain]") {
  Session session;
  session.train("--arch bag --ngrams 2");
  const tc::Trained trained = tc::load(session.file("model"));
  const auto strongest = tc::strongest_tokens(trained, 1000);
  REQUIRE(strongest.size() == 2);
  for (std::int64_t label = 0; label < 2; ++label) {
    const auto& tokens = strongest[static_cast<std::size_t>(label)];
    REQUIRE(std::ssize(tokens) == trained.vocabulary.size() - 2);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      CHECK(near(tokens[i].value, by_hand(trained, tokens[i].token, label)));
      if (i > 0) CHECK(tokens[i].value <= tokens[i - 1].value);
    }
  }
  CHECK(by_hand(trained, "who", 0) > 0);
  CHECK(by_hand(trained, "where", 0) < 0);
}

TEST_CASE("the command explain prints contributions and the words of each class",
          "[text_explain]") {
  const std::string arch = GENERATE("bag", "lstm");
  Session session;
  session.train("--ngrams 1 --arch " + arch);
  const std::string answer = session.run_well("predict --model model 'who is that'").out;
  std::vector<std::string> lines =
      lines_in(session.run_well("explain --model model 'who is that'").out);
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] + "\n" == answer);
  CHECK(lines[1].ends_with("  who"));
  CHECK(lines[4].ends_with(arch == "bag" ? "  (bias)" : "  (not explained by single words)"));
  CHECK(lines[5].ends_with("  = score: logit minus the mean of all logits"));

  lines = lines_in(
      session.run_well("explain --model model --count 1 --label LOC 'who is that' where").out);
  REQUIRE(lines.size() == 5 + 4);
  CHECK(lines[0].starts_with("LOC  0."));
  CHECK(lines[2].ends_with("  (2 more)"));

  lines = lines_in(session.run_well("explain --model model --count 2").out);
  REQUIRE(lines.size() == 6);
  CHECK(lines[0] == "HUM");
  CHECK(lines[3] == "LOC");
  const auto strongest = tc::strongest_tokens(tc::load(session.file("model")), 2);
  CHECK(lines[1].ends_with("  " + strongest[0][0].token));
  CHECK(lines[2].ends_with("  " + strongest[0][1].token));
  CHECK(lines[4].ends_with("  " + strongest[1][0].token));
  CHECK(lines_in(session.run_well("explain --model model --count 2 --label LOC").out) ==
        std::vector<std::string>(lines.begin() + 3, lines.end()));

  session.require_error("explain --model model --label NUM who",
                        "explain: --label is 'NUM', needed a label of the model: HUM, LOC");
  session.require_error("explain --model model --label NUM", "needed a label of the model");
  session.require_error("explain --model model --count 0 who", "explain: --count: ");
  session.require_error("explain --model model \"$(printf '\\350\\245\\350\\350\\377\\205')\"",
                        "explain: text 1: byte 0xE8 is neither UTF-8 nor Windows-1252");
  session.require_error("explain --model nowhere who", "nowhere/model.safetensors: No such file");
}
