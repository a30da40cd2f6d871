// What glove learns from a text whose structure is known, and how it treats texts and options. Read
// next: cooccurrences_test.cc.
#include <signal.h>
#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>

#include "catch.h"
#include "examples/example_program.h"
#include "examples/grammar.h"
#include "glove/loss.h"
#include "sanitized.h"

using namespace example_test;
namespace tg = tapegrad;

namespace {

class Session : public ExampleProgram {
 public:
  Session() : ExampleProgram(GLOVE) {}
};

struct Losses {
  double first = 0;
  double last = 0;
};

// From the last line: `...; loss 0.0123 (in the first epoch 0.0456); 1,234,567 pairs/s`.
Losses losses_of(const Output& output) {
  const std::size_t begin = output.out.find("; loss ");
  INFO(output.out);
  REQUIRE(begin != std::string::npos);
  Losses losses;
  REQUIRE(std::sscanf(output.out.c_str() + begin, "; loss %lf (in the first epoch %lf)",
                      &losses.last, &losses.first) == 2);
  CHECK(output.out.ends_with(" pairs/s\n"));
  return losses;
}

// Many different words in random order: more pairs than 1 MB holds.
std::string random_text(int words, int different) {
  tg::Generator generator(5);
  std::string text;
  for (int i = 1; i <= words; ++i) {
    text += "w" + std::to_string(examples::draw_below(different, generator));
    text += i % 40 == 0 ? '\n' : ' ';
  }
  return text;
}

}  // namespace

TEST_CASE("glove: nearest neighbors are in the right category, with every combination of options") {
  const Session session;
  write_file(session.file("text"), grammar(4000));
  const auto check = [&](const std::string& options) {
    const Output output = session.run_well("--input text --output out --dim 20 " + options);
    CAPTURE(options, output.out, output.error);
    const tg::nn::WordVectors vectors = tg::nn::load_word_vectors(session.file("out"));
    REQUIRE(vectors.size() == kCategories * kWordsOfCategory);
    REQUIRE(vectors.dim() == 20);
    CHECK(share_of_right_neighbors(vectors) > 0.9);  // by chance it would be 7 of 95
    return output;
  };
  // The sum of both vectors also counts how often two words are near each other, which words of one
  // category are not in this grammar, except within a small window.
  for (const std::string options :
       {"--save words", "--window 2 --save sum --binary", "--save words --tokens spaces",
        "--save words --distance one --window 3 --batch 7",
        "--save words --x-max 100 --alpha 0.5 --min-count 1"}) {
    const Losses losses = losses_of(check("--epochs 200 " + options));
    CHECK(losses.last < 0.5 * losses.first);
    if (kSanitized) break;
  }
  for (const std::string options :
       {"", "--save sum --binary", "--window 2 --eigenvalue-power 0 --tokens spaces",
        "--distance one --window 1", "--smoothing 1 --eigenvalue-power 1", "--shift 1.1"}) {
    CHECK(check("--method svd " + options).out.find(" elements > 0 of 96 x 96, factored in ") !=
          std::string::npos);
  }
}

TEST_CASE("glove: the logarithms of the counts are learned") {
  const Session session;
  // 6 words, all of whose pairs occur, so that 20 dimensions can have an error of 0.
  write_file(session.file("text"), random_text(2000, 6));
  const Losses losses =
      losses_of(session.run_well("--input text --output out --dim 20 --epochs 2000 --min-count 1"));
  CHECK(losses.first > 0.1);
  CHECK(losses.last < 1e-3);
}

TEST_CASE(
    "glove: the same seed gives the same bytes, whatever the memory, and another seed others") {
  const Session session;
  write_file(session.file("text"), random_text(60'000, 3000));
  for (const std::string method : {"glove --epochs 1", "svd"}) {
    CAPTURE(method);
    const auto bytes = [&](const std::string& options, bool spills) {
      const Output output = session.run_well(
          "--input text --output out --dim 5 --min-count 1 --method " + method + options);
      INFO(output.error);
      CHECK((output.error.find("with a temporary file") != std::string::npos) == spills);
      CHECK(session.files() == 2);
      return read_file(session.file("out"));
    };
    const std::string first = bytes("", false);
    CHECK(bytes(" --memory 500MB", false) == first);
    CHECK(bytes(" --memory 1MB", true) == first);
    CHECK(bytes(" --memory 1500000", true) == first);
    CHECK(bytes(" --seed 2", false) != first);
  }
}

TEST_CASE("glove: no rate that the options allow gives a NaN") {
  const Session session;
  const std::string texts[] = {grammar(40), random_text(400, 5), "a b\n",
                               "a a a a a b b b b b a b a b", random_text(300, 200)};
  for (const std::string& text : texts) {
    write_file(session.file("text"), text);
    for (const std::string rate : {"0", "0.2", "1"}) {
      for (const std::string options : {"--dim 3", "--dim 3 --batch 1", "--dim 2 --x-max 0.001",
                                        "--dim 1 --batch 100000", "--dim 3 --alpha 2"}) {
        if (kSanitized && rate == "0.2") continue;
        CAPTURE(text.substr(0, 20), rate, options);
        session.run_well("--input text --output out --min-count 1 --epochs 30 --lr " + rate + " " +
                         options);
        const auto vectors = tg::nn::load_word_vectors(session.file("out"));
        CHECK(vectors.report().malformed == 0);  // a NaN would be
        CHECK(max(abs(vectors.vectors())).item<float>() < 1e4F);
      }
    }
  }
}

TEST_CASE("glove: texts that it cannot learn from, and files that it cannot read or write") {
  const Session session;
  for (const std::string method : {"glove", "svd"}) {
    const auto with = [&](const std::string& content) {
      write_file(session.file("text"), content);
      write_file(session.file("out"), "old");
      return "--input text --output out --method " + method;
    };
    session.require_error(with(""), "text: no words; needed at least 2");
    session.require_error(with("one"),
                          "text: 1 words, of which 0 different ones occur at least 5 times; needed "
                          "at least 2");
    session.require_error(with("one one one one one one"),
                          "text: 6 words, of which 1 different ones occur at least 5 times; needed "
                          "at least 2");
    session.require_error(
        with("these words are all rare"),
        "text: 5 words, of which 0 different ones occur at least 5 times; needed at least 2, so "
        "lower --min-count");
    session.require_error(
        with("a b\nc\xC3\xA9 \xFF"),
        "text:2: byte 0xFF is neither UTF-8 nor Windows-1252; convert with iconv");
    with("a\nb\na\nb\n");
    const Output lonely = session.run("--input text --output out --min-count 1 --method " + method);
    CHECK(lonely.status == 1);
    CHECK(lonely.error.find("glove: text: no two of these words are in one line within 5 words; "
                            "needed lines of several words\n") != std::string::npos);
    CHECK(read_file(session.file("out")) == "old");
  }
  session.require_error("--input none --output out", "cannot read none: No such file or directory");
  session.require_error("--input . --output out", "cannot read .: Is a directory");
  write_file(session.file("text"), grammar(20));
  session.require_error("--input text --output none/out",
                        "cannot write none/out: there is no folder none");
  session.require_error("--input text --output .", "cannot write .: Is a directory");
  const Output none = session.run("--input text --output out --method svd --shift 1000000");
  CHECK(none.error.find("glove: text: no two words are near each other more often than by chance; "
                        "lower --shift\n") != std::string::npos);
}

TEST_CASE("glove: options that are refused") {
  const Session session;
  write_file(session.file("text"), grammar(20));
  const std::string files = "--input text --output out ";
  for (const std::string option :
       {"--epochs 5", "--lr 0.1", "--x-max 5", "--alpha 1", "--batch 8"}) {
    session.require_error(files + "--method svd " + option,
                          option.substr(0, option.find(' ')) + ": only for --method glove");
  }
  for (const std::string option :
       {"--shift 5", "--smoothing 1", "--eigenvalue-power 1", "--iterations 3"}) {
    session.require_error(files + option,
                          option.substr(0, option.find(' ')) + ": only for --method svd");
  }
  session.require_error(files + "--lr 2",
                        "--lr: Value 2 not in range 0.000000 to 1.000000; see --help");
  session.require_error(files + "--memory 10KB",
                        "--memory: Value 10000 not in range 1000000 to 1099511627776; see --help");
  CHECK(session.run(files + "--memory much").status == 1);
  session.require_error("--output out", "--input is required; see --help");
  CHECK(session.run("--help").out.find("--memory SIZE") != std::string::npos);
}

TEST_CASE("glove: a line of 10^6 words, without an end, is learned from") {
  const Session session;
  std::string text = grammar(84'000);  // 1,008,000 words
  std::ranges::replace(text, '\n', ' ');
  text.pop_back();
  write_file(session.file("text"), text);
  for (const std::string method : {"glove --epochs 500 --save words", "svd"}) {
    const Output output = session.run_well("--input text --output out --dim 8 --method " + method);
    CHECK(output.out.find("text: 1,008,000 words, 96 different") != std::string::npos);
    CHECK(share_of_right_neighbors(tg::nn::load_word_vectors(session.file("out"))) > 0.9);
  }
}

TEST_CASE("glove: Ctrl-C saves what was learned and says so") {
  const Session session;
  write_file(session.file("text"), grammar(4000));
  for (const int number : {SIGINT, SIGTERM}) {
    std::filesystem::remove(session.file("out"));
    const Output output = session.interrupt("--input text --output out --epochs 1000000 --dim 20",
                                            "different", number);
    CHECK(output.status == 128 + number);
    CAPTURE(output.error);
    CHECK(output.error.find(number == SIGINT ? "stopped by SIGINT after "
                                             : "stopped by SIGTERM after ") != std::string::npos);
    CHECK(output.error.find("; what was learned is saved in out\n") != std::string::npos);
    CHECK(tg::nn::load_word_vectors(session.file("out")).size() == kCategories * kWordsOfCategory);
  }
}

TEST_CASE("glove: the loss is that of the formula, and its gradients agree with differences") {
  tg::Generator generator(2);
  std::vector<tg::Variable> tables;
  for (const std::int64_t width : {3, 3, 1, 1}) {
    tables.push_back(tg::parameter(tg::randn({4, width}, tg::float64, generator)));
  }
  const glove::Batch batch{tg::tensor({0, 3, 3, 1, 0}), tg::tensor({1, 2, 2, 1, 1}),
                           tg::randn({5}, tg::float64, generator),
                           tg::rand({5}, tg::float64, generator)};
  const auto loss = [&](const std::vector<tg::Variable>& v) {
    return glove::weighted_squares({v[0], v[1], v[2], v[3]}, batch);
  };
  double expected = 0;
  for (std::int64_t k = 0; k < 5; ++k) {
    const auto w = batch.words.item<std::int64_t>({k}), c = batch.contexts.item<std::int64_t>({k});
    double error = tables[2].value().item<double>({w, 0}) + tables[3].value().item<double>({c, 0}) -
                   batch.log_counts.item<double>({k});
    for (std::int64_t d = 0; d < 3; ++d) {
      error += tables[0].value().item<double>({w, d}) * tables[1].value().item<double>({c, d});
    }
    expected += 0.5 * batch.weights.item<double>({k}) * error * error;
  }
  CHECK(loss(tables).item<double>() == Approx(expected).epsilon(1e-12));
  CHECK(tg::gradcheck(loss, tables));
  loss(tables).backward();
  CHECK(tables[0].row_grad().ids.numel() == 3);  // row 2 is not in the batch
}
