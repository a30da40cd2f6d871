// Texts with several labels, or none: reading, loss, thresholds, answers, and what every command
// makes of them. Read next: examples/text_classifier/thresholds.h.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "error_text.h"
#include "examples/text_classifier/session.h"
#include "text_classifier/calibration.h"
#include "text_classifier/label_scores.h"
#include "text_classifier/suspects.h"
#include "text_classifier/targets.h"
#include "text_classifier/text_classifier.h"
#include "text_classifier/thresholds.h"

using namespace text_classifier_test;
namespace tc = text_classifier;
namespace tg = tapegrad;

namespace {

// Texts in which one word decides about each label.
struct Line {
  std::vector<std::string> labels;
  std::string text;
};
std::vector<Line> lines_with_labels(int count, unsigned seed) {
  const char* const kWords[3][2] = {{"bread", "soup"}, {"bank", "loan"}, {"goal", "team"}};
  const char* const kLabels[] = {"food", "money", "sport"};
  std::mt19937 random(seed);
  std::vector<Line> lines;
  for (int i = 0; i < count; ++i) {
    Line line;
    std::vector<std::string> words = {"we", "see", "w" + std::to_string(random() % 9)};
    for (int k = 0; k < 3; ++k) {
      if (random() % 3 > 0) continue;
      line.labels.push_back(kLabels[k]);
      words.push_back(kWords[k][random() % 2]);
    }
    std::shuffle(words.begin(), words.end(), random);
    for (const std::string& word : words) line.text += (line.text.empty() ? "" : " ") + word;
    lines.push_back(line);
  }
  return lines;
}

std::string joined(const std::vector<std::string>& labels, const std::string& before,
                   const std::string& between) {
  std::string text;
  for (const std::string& label : labels) text += (text.empty() ? "" : between) + before + label;
  return text;
}

std::string fast_text(const std::vector<Line>& lines) {
  std::string file;
  for (const Line& line : lines) {
    file +=
        joined(line.labels, "__label__", " ") + (line.labels.empty() ? "" : " ") + line.text + "\n";
  }
  return file;
}

std::string csv(const std::vector<Line>& lines, const std::string& separator) {
  std::string file = "text,tags\n";
  for (const Line& line : lines) {
    file += line.text + ",\"" + joined(line.labels, "", separator) + "\"\n";
  }
  return file;
}

std::string json(const std::vector<Line>& lines) {
  std::string file;
  for (const Line& line : lines) {
    file += nlohmann::json{{"text", line.text}, {"labels", line.labels}}.dump() + "\n";
  }
  return file;
}

class Labels : public Session {
 public:
  Labels() {
    write("train.txt", fast_text(lines_with_labels(200, 1)));
    write("test.txt", fast_text(lines_with_labels(60, 2)));
  }
  static inline const std::string kTrain =
      "train --multi-label --train train.txt --dim 16 --hidden 32 --dropout 0.1 --out model ";
};

double f1_in(const std::string& report) {
  const std::size_t at = report.rfind("micro F1 ");
  REQUIRE(at != std::string::npos);
  return std::stod(report.substr(at + 9));
}

}  // namespace

TEST_CASE("labels of texts are read from all formats", "[text_labels]") {
  const Session session;
  const std::vector<Line> lines = lines_with_labels(40, 3);
  const auto labels_in = [&](const std::string& content, tc::Reading reading = {}) {
    session.write("file", content);
    reading.multi_label = true;
    std::vector<std::vector<std::string>> labels;
    for (const tc::Row& row : tc::read_corpus(session.file("file"), "train", reading).rows) {
      labels.push_back(row.labels);
    }
    return labels;
  };
  std::vector<std::vector<std::string>> expected;
  for (const Line& line : lines) expected.push_back(line.labels);
  CHECK(labels_in(fast_text(lines)) == expected);
  for (const char* separator : {",", ";", "|", " | "})
    CHECK(labels_in(csv(lines, separator)) == expected);
  CHECK(labels_in(csv(lines, "//"), {.label_separator = "//"}) == expected);
  CHECK(labels_in(json(lines)) == expected);
  // Known labels decide about the separator.
  CHECK(labels_in("text,tags\nx,\"a, b|c\"\ny,\"c|a, b\"\nz,c\n", {.labels = {"a, b", "c"}})[0] ==
        std::vector<std::string>{"a, b", "c"});
  // Twice the same label is once; order does not matter.
  CHECK(labels_in("__label__b __label__a __label__b x\n__label__a y\n")[0] ==
        std::vector<std::string>{"a", "b"});
}

TEST_CASE("the loss of several labels is the sum of their binary cross entropies",
          "[text_labels]") {
  const tg::Variable logits = tg::Variable(tg::tensor({{2.0, -1.0}, {0.0, 3.0}}));
  const tg::Tensor targets = tg::tensor({{1.0, 0.0}, {0.0, 0.0}});
  const auto softplus = [](double x) { return std::log(1 + std::exp(x)); };
  const double first = softplus(-2) + softplus(-1), second = softplus(0) + softplus(3);
  CHECK(std::abs(tc::loss_of(logits, targets, {}).item<double>() - (first + second) / 2) < 1e-6);
  tc::TemperatureCurve curve;
  curve.add(logits.value(), targets);
  CHECK(std::abs(curve.loss() - (first + second) / 2) < 1e-6);
  // A weight of the class counts for texts that have the label.
  tc::Corpus corpus{.path = "file", .multi_label = true};
  for (const std::vector<std::string>& labels : {std::vector<std::string>{"a"}, {}}) {
    corpus.rows.push_back({.text = "x", .label = "", .line = 1, .labels = labels});
  }
  const tg::Tensor weights = tc::weights_of(corpus, {"a", "b"}, {5, 7}, "train");
  CHECK(tg::to_vector<float>(reshape(weights, {-1})) == std::vector<float>{5, 1, 1, 1});
  CHECK(std::abs(tc::loss_of(logits, targets, weights).item<double>() -
                 (first + 4 * softplus(-2) + second) / 2) < 1e-6);
  CHECK(tc::strata_of(corpus, {"a", "b"}) == std::vector<std::int64_t>{0, 2});
  CHECK(tc::count_right(logits.value(), targets) == 1);
}

TEST_CASE("the threshold of a label is the one with the largest F1", "[text_labels]") {
  // 1,000 texts with a label have the logit -1, 3,000 without it -2; then the threshold is between.
  tc::ThresholdCounts counts;
  const auto add = [&](double logit, bool has, int times) {
    const tg::Tensor logits = tg::tensor({{logit, 0.5}}),
                     targets = tg::tensor({{has ? 1.0 : 0.0, 0.0}});
    for (int i = 0; i < times; ++i) counts.add(logits, targets);
  };
  add(-1.05, true, 1000);
  add(-2.05, false, 3000);
  CHECK(tc::ThresholdCounts().thresholds(1).empty());
  const std::vector<double> at_1 = counts.thresholds(1);
  REQUIRE(at_1.size() == 2);
  const auto logit = [](double p) { return std::log(p / (1 - p)); };
  CHECK(logit(at_1[0]) < -1.05 * 1000 / 1010 + 0.06);
  CHECK(logit(at_1[0]) > -2.05);
  CHECK(at_1[1] == 0.5);  // nothing is known about a label that no text has
  CHECK(std::abs(logit(counts.thresholds(2)[0]) - logit(at_1[0]) / 2) < 1e-9);
  // Of few texts it stays near 0.5.
  tc::ThresholdCounts few;
  few.add(tg::tensor({{-3.0}}), tg::tensor({{1.0}}));
  CHECK(few.thresholds(1)[0] > 0.4);
  tc::ThresholdCounts twice = tc::ThresholdCounts::from_state(counts.state());
  twice.add(counts);
  CHECK(twice.state()[0] == 2 * counts.state()[0]);
  CHECK(tapegrad::test::error_text<tg::FormatError>([] {
          tc::ThresholdCounts::from_state({1, 2});
        }) == "counts of logits have 2 numbers, needed a multiple of 164");
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{4294967297}}) {
    std::vector<std::int64_t> state = counts.state();
    state.back() = bad;
    CHECK(tapegrad::test::error_text<tg::FormatError>([&] {
            tc::ThresholdCounts::from_state(state);
          }) == "a count of logits is " + std::to_string(bad) + ", needed a number from 0 to 2^32");
  }
}

TEST_CASE("micro and macro F1 of known answers", "[text_labels]") {
  tc::LabelScores scores({"a", "b"});
  scores.add({true, false}, {true, false});
  scores.add({true, true}, {true, false});
  scores.add({false, false}, {true, false});
  scores.add({true, true}, {false, true});
  CHECK(scores.exact() == 1);
  CHECK(scores.exact_share() == 0.25);
  CHECK(scores.score(0).f1 == 2 * 2.0 / 6);  // 2 right, 3 answered, 3 texts
  CHECK(scores.score(1).f1 == 2 * 1.0 / 3);
  CHECK(scores.mean_score().f1 == 2.0 / 3);
  CHECK(scores.micro_score().f1 == 2 * 3.0 / 9);
  CHECK(scores.micro_score().precision == 0.75);
  CHECK(scores.micro_score().recall == 0.6);
}

TEST_CASE("text_classifier --multi-label finds all labels of a text", "[text_program]") {
  const std::string arch =
      GENERATE("bag", "rnn --epochs 25 --lr 0.01", "cnn --epochs 40 --lr 0.01",
               "attention --epochs 40 --lr 0.005", "lstm --epochs 25 --lr 0.01",
               "bag --epochs 40 --dev test.txt --lr 0.02", "gru --patience 5 --lr 0.01");
  CAPTURE(arch);
  const Labels session;
  const Output output = session.run_well(Labels::kTrain + "--test test.txt --arch " + arch);
  INFO(output.out << output.error);
  CHECK(output.error.find("3 classes; fastText; 1.") != std::string::npos);
  CHECK(output.error.find(" texts without a label\n") != std::string::npos);
  CHECK(f1_in(output.out) > 0.9);
  CHECK(output.out.find("exactly the right labels: ") != std::string::npos);
  CHECK(session.run_well("eval --model model --test test.txt").out == output.out);
  const std::string both = session.run_well("predict --model model 'we see soup w1 bank'").out;
  CHECK(both.find("food  ") != std::string::npos);
  CHECK(both.find("money  ") != std::string::npos);
  CHECK(both.find("sport  ") == std::string::npos);
  CHECK(session.run_well("predict --model model 'we see w1'").out.starts_with("(none)  0."));
}

TEST_CASE("text_classifier predict, explain and the library give several labels",
          "[text_program]") {
  const Labels session;
  session.run_well(Labels::kTrain);
  const std::string settings = session.text_in_model("settings");
  CHECK(settings.find("\"format\": 4") != std::string::npos);
  CHECK(settings.find("\"thresholds\": [\n") != std::string::npos);
  const std::string predict = "predict --model model ";
  const auto answer =
      nlohmann::json::parse(session.run_well(predict + "--json 'we see soup w1 bank'").out);
  CHECK(answer["labels"].size() == 2);
  CHECK(answer["top"].size() == 2);
  CHECK(answer["top"][0]["label"] == answer["labels"][0]);
  CHECK(answer["top"][0]["probability"] >= answer["top"][1]["probability"]);
  const auto none = nlohmann::json::parse(session.run_well(predict + "--json 'we see w1'").out);
  CHECK(none["labels"].empty());
  const auto all =
      nlohmann::json::parse(session.run_well(predict + "--json --all 'we see goal w1'").out);
  CHECK(all["labels"] == std::vector<std::string>{"sport"});
  CHECK(all["top"].size() == 3);
  const std::string top = session.run_well(predict + "--top 2 'we see goal w1'").out;
  CHECK(top.starts_with("sport  "));
  CHECK(std::ranges::count(top, '.') == 2);
  // With the threshold 0 every label is an answer, so the recall is 1.
  CHECK(session.run_well("eval --model model --test test.txt --threshold 0").out.find("  1.000") !=
        std::string::npos);
  CHECK(session.run_well(predict + "--threshold 0 'we see'").out.find("food  ") !=
        std::string::npos);

  const std::string why = session.run_well("explain --model model 'we see soup w1 bank'").out;
  CHECK(why.find("food  ") != std::string::npos);
  CHECK(why.find("money  ") != std::string::npos);
  CHECK(why.find("= score: the logit\n") != std::string::npos);
  // The contributions of a bag and its bias add up to the logit.
  std::istringstream lines(session.run_well("explain --model model --label food 'soup bank'").out);
  std::string line;
  double sum = 0, score = 0;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    (line.find("= score") == std::string::npos ? sum : score) += std::stod(line);
  }
  CHECK(std::abs(sum - score) < 0.005);
  CHECK(session.run_well("explain --model model --count 2").out.find("money\n") !=
        std::string::npos);
  CHECK(session.run_well("neighbors --model model soup --count 1").out.find("bread") !=
        std::string::npos);

  const tc::TextClassifier classifier(session.file("model"));
  CHECK(classifier.is_multi_label());
  CHECK(classifier.answers(classifier.predict("we see soup w1 bank")) ==
        std::vector<std::string>{"food", "money"});
  CHECK(classifier.answers(classifier.predict("we see w1")).empty());
}

TEST_CASE("text_classifier compress, export, compare, suspects and --folds know several labels",
          "[text_program]") {
  const Labels session;
  session.run_well(Labels::kTrain);
  session.run_well("compress --model model --out small --size 8kB");
  const double whole = f1_in(session.run_well("eval --model model --test test.txt").out);
  CHECK(f1_in(session.run_well("eval --model small --test test.txt").out) > whole - 0.05);
  const std::string comparison =
      session.run_well("compare --model model --with small --test test.txt").out;
  CHECK(comparison.find("right: exactly the right labels\nA  micro F1 ") != std::string::npos);
  CHECK(comparison.find("(n=60)") != std::string::npos);
  session.write("one.tsv", kTrainTexts);
  session.run_well("train --train one.tsv --epochs 1 --out one");
  session.require_error("compare --model one --with model --test test.txt",
                        "compare: the model model gives several labels, the model one one; ");

  for (const std::string model : {"model", "small"}) {
    session.run_well("export --model " + model + " --c c.c --onnx m.onnx");
    const Output built = session.shell(
        "cc -std=c99 -O1 -Wall -Wextra -Wpedantic -Werror -DCLASSIFY_MAIN c.c -lm -o c");
    INFO(built.error);
    REQUIRE(built.status == 0);
    for (const std::string text : {"we see", "soup", "soup bank", "goal bank bread"}) {
      const nlohmann::json answer = nlohmann::json::parse(
          session.run_well("predict --json --all --model " + model + " '" + text + "'").out);
      std::vector<std::string> labels = answer["labels"];
      std::ranges::sort(labels);
      const std::string out = session.shell("./c '" + text + "'").out;
      CAPTURE(out);
      for (const auto& each : answer["top"]) {
        const std::string label = each["label"];
        char expected[64];
        std::snprintf(expected, sizeof expected, "%s  %.3f  ", label.c_str(),
                      each["probability"].get<double>());
        CHECK((out.find(expected) != std::string::npos) ==
              std::ranges::binary_search(labels, label));
      }
      CHECK(out.starts_with("(none)") == labels.empty());
    }
  }

  // A label that is missing, and one that is wrong.
  session.write("train.txt", fast_text(lines_with_labels(200, 1)) + "__label__food we see goal\n");
  const std::string found =
      session.run_well("suspects --multi-label --train train.txt --dim 8").out;
  CHECK(found.find("line 201  food 0.") != std::string::npos);
  CHECK(found.find(" given  we see goal\n") != std::string::npos);
  CHECK(found.find("line 201  sport ") != std::string::npos);
  CHECK(found.find(" not given  we see goal\n") != std::string::npos);
  const auto object = nlohmann::json::parse(
      lines_in(session.run_well("suspects --multi-label --train train.txt --dim 8 --json").out)[0]);
  CHECK(object["given"].is_boolean());
  const std::string folds = session.run_well(Labels::kTrain + "--folds 3").out;
  CHECK(folds.starts_with("fold 1/3  micro F1 "));
  CHECK(folds.find("\nmean micro F1 0.") != std::string::npos);
}

TEST_CASE("text_classifier resumes with several labels, also in the search", "[text_program]") {
  const std::string options =
      GENERATE("--class-weights balanced", "--arch cnn --epochs 60 --dev test.txt",
               "--arch gru --patience 60 --epochs 60");
  CAPTURE(options);
  const Labels session;
  const std::string train = Labels::kTrain + "--batch 4 " + options;
  session.run_well(train);
  const std::string whole = session.read("model/model.safetensors");
  session.shell("rm -r model");
  Process process(session.command(train + " --checkpoint-every 60 >/dev/null 2>&1"));
  session.await("model/checkpoint.safetensors");
  process.send(SIGTERM);
  REQUIRE(process.wait() == 128 + SIGTERM);
  session.require_error("train --resume --out model --label-sep ,",
                        "train: --resume: --label-sep is ,, in the checkpoint it is not given");
  session.run_well("train --resume --out model");
  CHECK(session.read("model/model.safetensors") == whole);
}

TEST_CASE("text_classifier refuses what several labels cannot be", "[text_program]") {
  const Labels session;
  session.require_error("train --multi-label --out model",
                        "train: --multi-label needs texts with several labels, and the bundled");
  session.require_error("train --train train.txt --out model",
                        "two labels; needed one label for each text, or --multi-label");
  session.require_error(Labels::kTrain + "--baseline --test test.txt",
                        "train: --baseline trains classifiers that give one label");
  session.require_error("train --train train.txt --label-sep , --out model",
                        "train: --label-sep stands between the labels of a text; needed");
  session.require_error(Labels::kTrain + "--label-sep ''", "--label-sep: needed a text");
  session.write("train.txt", "__label__a x\ny\nz\n");
  session.require_error(Labels::kTrain, "train.txt:1: the only label is `a`, needed two or more");
  session.write("train.csv", "text,tags\nx,\ny,\n");
  session.require_error("train --multi-label --train train.csv --label-col tags --out model",
                        "train.csv:2: no text has a label");
  session.write("train.txt", "__label__a x\n__label__b y\n");
  session.write("test.txt", "__label__a __label__c x\n");
  session.require_error(Labels::kTrain + "--test test.txt",
                        "test.txt:1: label `c` is unknown; the known ones are a, b");
}
