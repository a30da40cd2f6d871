// The program as a whole. Each command runs in a process of its own; the tests check what it
// prints and which files it writes. Read next: examples/text_classifier/main.cc.
#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "examples/text_classifier/session.h"

using namespace text_classifier_test;

namespace {

const std::array<const char*, 2> kModelFiles = {"model/model.safetensors", "model/metrics.jsonl"};

}  // namespace

TEST_CASE("text_classifier trains, tests and answers", "[text_program]") {
  const std::string arch = GENERATE(
      "bag", "rnn", "bag --ngrams 2", "rnn --ngrams 9", "rnn --pool last", "rnn --pool mean",
      "lstm", "gru --pool mean", "lstm --pool last --bidirectional --layers 2",
      "gru --bidirectional", "cnn", "cnn --filters 3 --ngrams 2", "rnn --bidirectional --layers 2",
      "attention --hidden 16 --heads 2 --layers 2");
  CAPTURE(arch);
  const Session session;
  const Output trained = session.train_epochs("30 --lr 0.05 --dropout 0 --arch " + arch);
  const std::string accuracy = lines_in(trained.out).back();
  CHECK(accuracy == "test accuracy 1.000 (n=3)");
  for (const char* name : kModelFiles) CHECK(std::filesystem::exists(session.file(name)));

  const std::vector<std::string> metrics = lines_in(session.read("model/metrics.jsonl"));
  REQUIRE(metrics.size() == 30);
  CHECK(metrics[0].starts_with("{\"epoch\":1,\"train_loss\":"));
  CHECK(metrics[29].find("\"test_accuracy\":1.0") != std::string::npos);

  CHECK(session.run_well("eval --model model --test test.tsv").out == trained.out);

  const Output answers = session.run_well("predict --model model 'where is Paris' 'who sang?'");
  const std::vector<std::string> lines = lines_in(answers.out);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("LOC  "));
  CHECK(lines[0].ends_with("  where is Paris"));
  CHECK(lines[1].starts_with("HUM  "));
  CHECK(lines[1].ends_with("  who sang?"));
  CHECK(session.run_well("predict --model model", "where is Paris\r\n who sang?").out ==
        answers.out);
}

TEST_CASE("text_classifier predicts a text without words, and the name of a command",
          "[text_program]") {
  const Session session;
  session.train_epochs("2");
  const std::vector<std::string> lines =
      lines_in(session.run_well("predict --model model '' train '\xE3\x80\x80'").out);
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].ends_with("  train"));
  CHECK(session.run_well("predict --model model").out.empty());
}

TEST_CASE("text_classifier neighbors prints the nearest words of each word", "[text_program]") {
  const Session session;
  session.train_epochs("2 --ngrams 2");
  const std::vector<std::string> lines =
      lines_in(session.run_well("neighbors --model model --count 3 WHO 'who is'").out);
  REQUIRE(lines.size() == 10);
  CHECK(lines[0] == "who");
  CHECK(lines[1].find("cosine similarity") != std::string::npos);
  CHECK(lines[5] == "who is");
  for (const std::string& line : lines) {
    CHECK(line.find("<pad>") == std::string::npos);
    CHECK(line.find("<unk>") == std::string::npos);
  }
  session.require_error("neighbors --model model who Rome", "the vocabulary has no 'Rome'");
  session.require_error("neighbors --model model '<pad>'", "the vocabulary has no '<pad>'");
  CHECK(session.run_well("neighbours --model model who").out ==
        session.run_well("neighbors --model model who").out);
}

TEST_CASE("text_classifier trains the same model from the same seed", "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn", "lstm --layers 2", "gru --bidirectional", "cnn",
                                    "attention --hidden 8");
  const Session session;
  const auto model = [&](const std::string& seed) {
    session.train_epochs("2 --arch " + arch + " --seed " + seed);
    return session.read("model/model.safetensors");
  };
  const std::string first = model("7");
  CHECK(model("7") == first);
  CHECK(model("8") != first);
  CHECK(model("-7") != first);
}

TEST_CASE("text_classifier prints few lines, and the accuracy with its interval",
          "[text_program]") {
  const Session session;
  session.write("train.tsv", many_texts());
  session.write("test.tsv", "buy it\tSPAM\nsee you\tHAM\n");
  const Output output = session.train_epochs("90");
  CHECK(std::count(output.error.begin(), output.error.end(), '\n') < 20);
  const std::vector<std::string> lines = lines_in(output.out);
  CHECK(lines[lines.size() - 3].starts_with("expected calibration error: 0."));
  CHECK(lines[lines.size() - 2].starts_with("95 % interval of the accuracy: "));
}

TEST_CASE("text_classifier reads Chinese and Latin-1", "[text_program]") {
  const Session session;
  session.write("train.tsv", "股市今天上涨\t财经\n球队赢得比赛\t体育\n股市下跌\t财经\n");
  session.write("test.tsv", "股市\t财经\n球队\t体育\n");
  session.train_epochs("10 --lr 0.1 --arch bag");
  CHECK(session.run_well("predict --model model 股市").out.starts_with("财经  "));
  CHECK(session.run_well("neighbors --model model --count 1 市").out.starts_with("市\n"));

  session.write("train.tsv", "o\xF9 est le caf\xE9\tLOC\nqui chante\tHUM\n");
  session.write("test.tsv", "o\xF9\tLOC\n");
  session.train_epochs("2");
  CHECK(session.text_in_model("vocabulary").find("\ncafé\n") != std::string::npos);
  CHECK(session.run_well("predict --model model", "o\xF9 ?\n").out.ends_with("  où ?\n"));
}

TEST_CASE("text_classifier accepts the smallest corpora", "[text_program]") {
  const std::string arch =
      GENERATE("bag", "rnn", "rnn --pool mean", "lstm --pool last",
               "gru --bidirectional --pool last", "cnn", "attention --hidden 8 --pool last");
  const std::string text =
      GENERATE("a\tA\nb\tB\n", "two texts\tA\none\tB\n", "\xE3\x80\x80\tA\nb\tB\nc\tA\n");
  CAPTURE(arch, text);
  const Session session;
  session.write("train.tsv", text);
  session.write("test.tsv", "other\tA\n");
  CHECK(lines_in(session.train_epochs("2 --arch " + arch).out).back().ends_with("(n=1)"));
  CHECK(lines_in(session.run_well("predict --model model hello").out).size() == 1);
  session.train_epochs("0 --arch " + arch);
  CHECK(session.read("model/metrics.jsonl").empty());
  session.run_well("train --train train.tsv --epochs 1 --min-count 9 --out m --arch " + arch);
  session.require_error("neighbors --model model zebra", "the vocabulary has no");
}

TEST_CASE("text_classifier cross-validates and writes nothing", "[text_program]") {
  const Session session;
  const Output output =
      session.run_well("train --train train.tsv --out model --epochs 2 --dim 4 --folds 3");
  const std::vector<std::string> lines = lines_in(output.out);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].starts_with("fold 1/3  accuracy "));
  CHECK(lines[0].ends_with(" (n=3)"));
  CHECK(lines[2].ends_with(" (n=2)"));
  CHECK(lines[3].starts_with("mean accuracy "));
  CHECK(lines[3].ends_with(" (3 folds, n=8)"));
  CHECK_FALSE(std::filesystem::exists(session.file("model")));
}

TEST_CASE("text_classifier --help lists the commands and their options", "[text_program]") {
  const Session session;
  const std::string help = session.run_well("--help").out;
  for (const std::string command : {"train", "predict", "eval", "neighbors"}) {
    CHECK(help.find("\n  " + command + " ") != std::string::npos);
    for (const std::string& line : lines_in(session.run_well(command + " --help").out)) {
      CHECK(line.size() <= 100);
    }
  }
}
