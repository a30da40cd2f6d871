// ngram_lm: words, and a grammar whose entropy says how low the loss can be. Read next:
// examples/ngram_lm/main.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "catch.h"
#include "common/alias_table.h"
#include "examples/example_program.h"
#include "ngram_lm/ngram_lm.h"
#include "ngram_lm/words.h"

using namespace example_test;
using language_model::Memory;
using ngram_lm::Words;

namespace tg = tapegrad;

namespace {

constexpr std::size_t kWords = 7;  // the last one is the end of the line

// A Markov chain of order 2: the last two words decide how likely each next word is.
class Grammar {
 public:
  Grammar() {
    tg::Generator generator(7);
    for (auto& after : probabilities_) {
      double sum = 0;
      for (double& p : after) sum += p = std::pow(examples::draw_unit(generator), 4) + 0.005;
      for (double& p : after) p /= sum;
    }
  }

  double probability(std::size_t before, std::size_t last, std::size_t next) const {
    return probabilities_[before * kWords + last][next];
  }

  std::vector<std::size_t> sample(std::size_t length) const {
    tg::Generator generator(8);
    std::vector<std::size_t> words = {0, 1};
    while (words.size() < length) {
      double drawn = examples::draw_unit(generator);
      std::size_t next = 0;
      const auto& after = probabilities_[words[words.size() - 2] * kWords + words.back()];
      while (next + 1 < kWords && (drawn -= after[next]) >= 0) ++next;
      words.push_back(next);
    }
    return words;
  }

  // The entropy rate: the mean entropy of the next word, over the stationary distribution of pairs.
  double entropy_rate() const {
    std::vector<double> pairs(kWords * kWords, 1.0 / (kWords * kWords));
    for (int i = 0; i < 1000; ++i) {
      std::vector<double> next(pairs.size(), 0);
      for (std::size_t pair = 0; pair < pairs.size(); ++pair) {
        for (std::size_t word = 0; word < kWords; ++word) {
          next[pair % kWords * kWords + word] += pairs[pair] * probabilities_[pair][word];
        }
      }
      pairs = next;
    }
    double entropy = 0;
    for (std::size_t pair = 0; pair < pairs.size(); ++pair) {
      for (const double p : probabilities_[pair]) entropy -= pairs[pair] * p * std::log(p);
    }
    return entropy;
  }

 private:
  std::array<std::array<double, kWords>, kWords * kWords> probabilities_{};
};

std::string text_of(const std::vector<std::size_t>& words) {
  std::string text;
  for (const std::size_t word : words) {
    text += word + 1 == kWords ? "\n" : " w" + std::to_string(word);
  }
  return text;
}

double held_out_loss(const Output& output) {
  const std::size_t at = output.out.rfind("held-out loss ");
  INFO(output.out);
  REQUIRE(at != std::string::npos);
  return std::stod(output.out.substr(at + 14));
}

}  // namespace

TEST_CASE("ngram_lm: the loss reaches the entropy of a grammar, and is not below it") {
  const ExampleProgram session(NGRAM_LM);
  const Grammar grammar;
  const std::vector<std::size_t> words = grammar.sample(60'000);
  write_file(session.file("text"), text_of(words));

  // What the grammar itself loses on the words that are held out, the last 6,000 but the first two.
  double best = 0;
  for (std::size_t i = 54'002; i < words.size(); ++i) {
    best -= std::log(grammar.probability(words[i - 2], words[i - 1], words[i]));
  }
  best /= 5'998;
  const double entropy = grammar.entropy_rate();
  CAPTURE(entropy, best);
  // The standard deviation of -log p is less than 1.5 here, so that of the mean is less than 0.02.
  CHECK(std::abs(best - entropy) < 0.05);

  const std::string train =
      "train --input text --model out --min-count 1 --batch 128 --epochs 12 --lr 0.005 "
      "--report 100000 ";
  for (const std::string options :
       {"--context 2 --dim 16 --hidden 64", "--context 2 --dim 48 --tie",
        "--context 3 --dim 16 --hidden 64"}) {
    const Output output = session.run_well(train + options);
    CAPTURE(options, output.out);
    CHECK(output.out.find("text: 60,000 words, 9 different; the last 6,000 are held out\n") == 0);
    const double loss = held_out_loss(output);
    CHECK(loss < 1.02 * best);
    CHECK(loss > 0.995 * best);  // below it only by chance
    CHECK(loss > entropy - 0.05);
  }
  // One word of context does not suffice.
  CHECK(held_out_loss(session.run_well(train + "--context 1 --dim 16 --hidden 64")) > 1.1 * best);
}

TEST_CASE("ngram_lm: it continues a text that repeats, with spaces and marks in place") {
  const ExampleProgram session(NGRAM_LM);
  const std::string verse = "The cat's hat, it is red: why? (Who knows)\nnot me!\n";
  std::string text;
  for (int i = 0; i < 60; ++i) text += verse;
  write_file(session.file("text"), text);
  const Output output = session.run_well(
      "train --input text --model out --context 3 --dim 16 --hidden 32 --batch 16 --epochs 8 --lr "
      "0.01");
  CHECK(held_out_loss(output) < 0.02);
  const std::string expected = "the cat's hat, it is red: why? ( who knows)\nnot me!\n";
  for (const std::string prompt : {"'The'", "'the cat'\"'\"'s hat'", "'THE cat'"}) {
    CAPTURE(prompt);
    const Output sample =
        session.run_well("sample --model out --temperature 0 --length 20 --prompt " + prompt);
    CHECK(sample.out.starts_with(expected));
  }
  session.run_well("sample --model out");
  const Output unknown = session.run("sample --model out --prompt 'the dog'");
  CHECK(unknown.error == "ngram_lm: --prompt: the model has not learned the word 'dog'\n");
}

TEST_CASE("ngram_lm: words, line ends and rare words") {
  const auto words = Words::of("a b a\n\nb a rare", 2);
  REQUIRE(words->size() == 5);  // padding, unknown, a, </s>, b
  const std::int64_t a = words->encode("a").at(0);
  const std::int64_t b = words->encode("b").at(0);
  CHECK(words->encode("a\n\nrare B") ==
        std::vector<std::int64_t>{a, words->start(), words->start(), 1, b});
  CHECK(words->decode(words->encode("a b\n\na")) == "a b\n\na");
  CHECK(words->text().find("</s>") != std::string::npos);
  CHECK(Words::from_text(words->text(), "file")->encode("b") == std::vector<std::int64_t>{b});
  CHECK_THROWS_AS(words->encode_prompt("rare"), tg::ValueError);
  CHECK_THROWS_AS(Words::from_text("words", "file"), tg::FormatError);
  const std::string without =
      tg::nn::Vocabulary::build(std::vector<std::vector<std::string>>{{"x"}}).text();
  CHECK_THROWS_WITH(Words::from_text(without, "file"), "file: the vocabulary has no </s>");
}

TEST_CASE("ngram_lm: tied weights are one parameter, and every parameter has a gradient") {
  tg::manual_seed(1);
  for (const bool tie : {false, true}) {
    const ngram_lm::Settings settings{.context = 3, .dim = 6, .hidden = 9, .tie = tie};
    ngram_lm::NgramModel model(20, 3, settings);
    CHECK(model.parameters().size() == (tie ? 4 : 5));
    CHECK(model.head.weight.shape() == tg::Shape{20, tie ? 6 : 9});
    const tg::Tensor tokens = tg::randint(20, {50, 4});
    Memory memory;
    const auto loss = language_model::loss_of(model, tokens, memory);
    CHECK(loss.predictions == 50);
    CHECK(loss.mean.item<float>() == Approx(std::log(20)).epsilon(0.1));
    loss.mean.backward();
    for (const auto& [name, parameter] : model.parameters()) {
      INFO(name);
      REQUIRE(parameter.has_grad());
      CHECK(min(max(abs(parameter.grad()), -1).values).item<float>() >= 0);
      CHECK(max(abs(parameter.grad())).item<float>() > 1e-5F);
    }
    // Fewer words than the context are filled up with line ends on the left.
    const tg::Tensor filled = model.logits(tg::tensor({{3, 3, 7}}), memory).value();
    CHECK(equal(model.logits(tg::tensor({{7}}), memory).value(), filled));
    CHECK(filled.shape() == tg::Shape{1, 1, 20});
    CHECK_THROWS_AS(model.logits(tg::randint(20, {1, 4}), memory), tg::ShapeError);
  }
}
