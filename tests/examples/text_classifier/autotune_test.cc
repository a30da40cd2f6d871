// --autotune and --trials. Read next: examples/text_classifier/autotune.h.
#include <string>

#include "examples/text_classifier/session.h"

using namespace text_classifier_test;

namespace {

// Surnames-like words: their endings decide, so that only characters help.
std::string names(int first, int count) {
  const char* const kBegin[] = {"bar", "kos", "lim", "tur", "von",
                                "mel", "pas", "rud", "sel", "wan"};
  std::string texts;
  for (int i = first; i < first + count; ++i) {
    const std::string begin =
        std::string(kBegin[i % 10]) + kBegin[i / 10 % 10] + kBegin[i / 100 % 10];
    texts += begin + (i % 2 == 0 ? "ova\tCZ\n" : "sen\tDK\n");
  }
  return texts;
}

std::string chosen_in(const Output& output) {
  const std::size_t at = output.error.find(" of processor time; chose ");
  INFO(output.error);
  REQUIRE(at != std::string::npos);
  return output.error.substr(at, output.error.find('\n', at) - at);
}

}  // namespace

TEST_CASE("text_classifier --trials finds options that the defaults are not", "[text_program]") {
  const Session session;
  session.write("train.tsv", names(0, 120));
  session.write("test.tsv", names(300, 40));
  const std::string train = "train --train train.tsv --test test.tsv --out model ";
  CHECK(accuracy_in(session.run_well(train).out) < 0.8);
  const Output tuned = session.run_well(train + "--trials 8");
  CHECK(accuracy_in(tuned.out) > 0.95);
  const std::string chosen = chosen_in(tuned);
  CHECK(chosen.find(" --chars ") != std::string::npos);
  CHECK(tuned.error.find("autotune: trial 1: held-out loss ") != std::string::npos);
  CHECK(tuned.error.find("autotune: 8 trials in ") != std::string::npos);
  // The same seed gives the same model; another one other trials.
  const std::string few = chosen_in(session.run_well(train + "--trials 3 --dim 8"));
  const std::string model = session.read("model/model.safetensors");
  CHECK(chosen_in(session.run_well(train + "--trials 3 --dim 8")) == few);
  CHECK(session.read("model/model.safetensors") == model);
  CHECK(chosen_in(session.run_well(train + "--trials 3 --dim 8 --seed 1")) != few);
  // One trial is the model without trials; what is given stays.
  session.run_well(train);
  const std::string plain = session.read("model/model.safetensors");
  session.run_well(train + "--trials 1");
  CHECK(session.read("model/model.safetensors") == plain);
  const std::string kept = chosen_in(session.run_well(train + "--trials 3 --dim 7 --chars 2-3"));
  CHECK(kept.find("--dim 7 ") != std::string::npos);
  CHECK(kept.find("--chars 2-3 ") != std::string::npos);
}

TEST_CASE("text_classifier --autotune stops when its time is over", "[text_program]") {
  const Session session;
  session.write("train.tsv", names(0, 300));
  const Output output =
      session.run_well("train --train train.tsv --autotune 1 --out model --dev train.tsv");
  const std::size_t at = output.error.find(" trials in ");
  INFO(output.error);
  REQUIRE(at != std::string::npos);
  CHECK(std::stod(output.error.substr(at + 11)) < 3);
  session.run_well("predict --model model barkosova");
}

TEST_CASE("text_classifier --trials with --size looks at the compressed model", "[text_program]") {
  const Session session;
  session.write("train.tsv", names(0, 120));
  const Output output =
      session.run_well("train --train train.tsv --trials 3 --dim 8 --size 6kB --out model");
  CHECK(chosen_in(output).find("held-out loss ") != std::string::npos);
  CHECK(session.read("model/model.safetensors").size() <= 6000);
  session.require_error("train --train train.tsv --trials 2 --size 1kB --out other",
                        "1000 bytes are too few for the labels");
}

TEST_CASE("text_classifier resumes with the options that --trials chose", "[text_program]") {
  const Session session;
  session.write("train.tsv", names(0, 200));
  const std::string train = "train --train train.tsv --trials 3 --dim 8 --batch 2 ";
  session.run_well(train + "--out whole");
  Process process(session.command(train + "--checkpoint-every 20 --out out >/dev/null 2>&1"));
  session.await("out/checkpoint.safetensors");
  process.send(SIGTERM);
  REQUIRE(process.wait() == 128 + SIGTERM);
  session.require_error("train --resume --out out --trials 5",
                        "train: --resume: --trials is 5, in the checkpoint it is 3");
  const Output resumed = session.run_well("train --resume --out out");
  CHECK(resumed.error.find("autotune") == std::string::npos);
  CHECK(session.read("out/model.safetensors") == session.read("whole/model.safetensors"));
}

TEST_CASE("text_classifier refuses --autotune that cannot work", "[text_program]") {
  const Session session;
  const auto refused = [&](const std::string& options, const std::string& expected) {
    session.require_error("train --train train.tsv --out model " + options, expected);
  };
  refused("--trials 3", "train: --autotune holds some of the texts out, and 8 are too few");
  for (const char* option : {"--epochs 3", "--arch cnn", "--patience 3", "--schedule cosine"}) {
    refused(std::string("--autotune 3 ") + option, "train: --autotune finds the number of epochs");
  }
  refused("--trials 3 --folds 2", "train: --autotune chooses the options of one model");
  refused("--autotune 0", "--autotune: ");
  refused("--trials 0", "--trials: ");
}
