// How long and how a model is trained: what the program chooses, and the options that change it.
// Read next: examples/text_classifier/settings.h.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "examples/text_classifier/session.h"

using namespace text_classifier_test;

TEST_CASE("text_classifier --train-limit trains on some of the texts, drawn by the seed",
          "[text_program]") {
  const Session session;
  const auto vocabulary = [&](const std::string& more) {
    const Output output = session.train_epochs("1 --train-limit " + more);
    CHECK(output.error.find(" texts to train on") != std::string::npos);
    return session.text_in_model("vocabulary");
  };
  CHECK(session.train_epochs("1 --train-limit 3").error.find("3 texts to train on") !=
        std::string::npos);
  CHECK(session.train_epochs("1 --train-limit 99").error.find("8 texts to train") !=
        std::string::npos);
  CHECK(vocabulary("2 --seed 1") == vocabulary("2 --seed 1"));
  CHECK(vocabulary("2 --seed 1") != vocabulary("2 --seed 2"));
  // All labels are kept, even if no text of a label is left.
  CHECK(session.run_well("eval --model model --test test.tsv").out.ends_with("(n=3)\n"));
  session.train_epochs("1 --train-limit 1");
  CHECK(session.run_well("eval --model model --test test.tsv").out.ends_with("(n=3)\n"));
}

TEST_CASE("text_classifier says the shares of the classes for a word it does not know",
          "[text_program]") {
  const std::string arch = GENERATE("bag", "bag --ngrams 1 --optimizer sgd", "rnn", "lstm", "gru",
                                    "cnn", "attention --hidden 16");
  CAPTURE(arch);
  const Session session;
  session.write("train.tsv", many_texts());
  session.run_well("train --train train.tsv --dim 16 --epochs 20 --out model --arch " + arch);
  for (const std::string text : {"zzqx", "zzqx qqflr"}) {
    const std::string answer = session.run_well("predict --model model '" + text + "'").out;
    CAPTURE(answer);
    REQUIRE(answer.starts_with("HAM  "));
    CHECK(std::abs(std::stod(answer.substr(5)) - 0.75) < 0.06);
  }
}

TEST_CASE("text_classifier counts words for --max-length, and adds n-grams afterwards",
          "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn");
  const Session session;
  session.write("train.tsv", "a b c d e f\tX\ng h i j k l\tY\n");
  session.write("test.tsv", "a b\tX\n");
  session.train_epochs("1 --ngrams 2 --max-length 4 --arch " + arch);
  const std::string vocabulary = session.text_in_model("vocabulary");
  CHECK(vocabulary.find("\nc d\n") != std::string::npos);
  CHECK(vocabulary.find("\nd e\n") == std::string::npos);
  CHECK(vocabulary.find("\ne\n") == std::string::npos);
  const auto answer = [&](const std::string& text) {
    const std::string out = session.run_well("predict --model model '" + text + "'").out;
    return out.substr(0, out.rfind("  "));
  };
  CHECK(answer("a b c d g h i") == answer("a b c d"));
}

TEST_CASE("text_classifier without --epochs looks for their number on held-out texts",
          "[text_program]") {
  const Session session;
  session.write("train.tsv", many_texts());
  session.write("dev.tsv", "buy it now\tSPAM\nsee you\tHAM\nat home\tHAM\n");
  const std::string train = "train --train train.tsv --dim 4 --out model ";
  const auto found = [](const Output& output) {
    const std::size_t at = output.error.find(" the smallest loss on the ");
    INFO(output.error);
    REQUIRE(at != std::string::npos);
    return output.error.substr(at + 26, output.error.find(" held-out") - at - 26);
  };
  CHECK(found(session.run_well(train)) == "60");
  std::string metrics = session.read("model/metrics.jsonl");
  CHECK(metrics.starts_with("{\"search\":1,\"epoch\":1,"));
  CHECK(metrics.find("{\"search\":10,") != std::string::npos);
  CHECK(metrics.find("{\"epoch\":1,") != std::string::npos);
  CHECK(session.text_in_model("settings").find("\"temperature\": 1.0\n") == std::string::npos);

  CHECK(found(session.run_well(train + "--dev dev.tsv")) == "3");
  CHECK(session.read("model/metrics.jsonl").find("\"search\":3") == std::string::npos);
  CHECK(session.text_in_model("vocabulary").find("\nit\n") != std::string::npos);  // in dev.tsv

  // What says how long to train is followed.
  for (const char* option : {"--epochs 3", "--schedule linear", "--patience 2", "--arch rnn"}) {
    CAPTURE(option);
    const Output output = session.run_well(train + option);
    CHECK(output.error.find("the smallest loss on the") == std::string::npos);
    CHECK(session.read("model/metrics.jsonl").find("\"search\"") == std::string::npos);
  }
  session.run_well(train + "--epochs 3");
  metrics = session.read("model/metrics.jsonl");
  CHECK(std::count(metrics.begin(), metrics.end(), '\n') == 3);
  CHECK(session.text_in_model("settings").find("\"temperature\": 1.0") != std::string::npos);
  // With held-out texts, it still trains so many epochs, and has a temperature.
  const Output held_out = session.run_well(train + "--epochs 3 --dev dev.tsv");
  CHECK(held_out.error.find("  held-out loss ") != std::string::npos);
  CHECK(session.text_in_model("settings").find("\"temperature\": 1.0,") == std::string::npos);
  session.require_error(train + "--dev missing", "missing: No such file");
  session.write("other.tsv", "a\tSPAM\nb\tEGGS\n");
  session.require_error(train + "--dev other.tsv", "other.tsv:2: label `EGGS` is unknown");
  session.require_error(train + "--folds 2 --dev dev.tsv", "needed one of the two");
}

TEST_CASE("text_classifier keeps the best epoch of any architecture", "[text_program]") {
  const std::string arch =
      GENERATE("lstm --layers 2", "gru --bidirectional", "cnn", "attention --hidden 8");
  const Session session;
  const Output output = session.train_epochs(
      "20 --patience 2 --schedule constant --lr 0.5 --dropout 0 --arch " + arch);
  CHECK(output.error.find(" is kept\n") != std::string::npos);
  CHECK(session.run_well("eval --model model --test test.tsv").out == output.out);
}

TEST_CASE("text_classifier changes the learning rate as --schedule says", "[text_program]") {
  const Session session;
  std::vector<std::string> models;
  for (const char* schedule : {"linear", "constant", "warm-up", "cosine", "one-cycle"}) {
    for (const char* optimizer : {"adam", "sgd"}) {
      session.train_epochs(std::string("5 --batch 2 --lr 0.05 --schedule ") + schedule +
                           " --optimizer " + optimizer);
      models.push_back(session.read("model/model.safetensors"));
    }
  }
  std::sort(models.begin(), models.end());
  CHECK(std::adjacent_find(models.begin(), models.end()) == models.end());  // all models differ
  session.train_epochs("0 --schedule one-cycle");
}

TEST_CASE("text_classifier stops early and keeps the best epoch", "[text_program]") {
  const Session session;
  // With such a high rate, the loss on the held-out texts soon rises.
  const Output output =
      session.train_epochs("100 --patience 2 --schedule constant --lr 0.5 --dropout 0 --arch bag");
  CHECK(output.error.find("7 texts to train on (") != std::string::npos);
  CHECK(output.error.find(" 1 held out, ") != std::string::npos);
  std::size_t best = 0;
  double least = 1e30;
  const std::vector<std::string> metrics = lines_in(session.read("model/metrics.jsonl"));
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const std::size_t at = metrics[i].find("\"held_out_loss\":");
    REQUIRE(at != std::string::npos);
    const double loss = std::stod(metrics[i].substr(at + 16));
    if (loss < least) {
      least = loss;
      best = i + 1;
    }
  }
  CHECK(output.error.find("epoch " + std::to_string(best) + " is kept\n") != std::string::npos);
  CHECK((metrics.size() == 100 || metrics.size() == best + 2));
}
