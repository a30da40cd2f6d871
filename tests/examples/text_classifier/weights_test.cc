// Weights of classes and of texts. Read next: examples/text_classifier/class_weights.h.
#include <cmath>
#include <string>
#include <vector>

#include "error_text.h"
#include "examples/text_classifier/session.h"
#include "text_classifier/class_weights.h"
#include "text_classifier/targets.h"

using namespace text_classifier_test;
namespace tc = text_classifier;
namespace tg = tapegrad;

namespace {

tc::Corpus corpus_of(const std::vector<tc::Row>& rows) { return {.path = "file", .rows = rows}; }

// The probability of the label `HAM` for a text that the model does not know.
double prior_of(const Session& session, const std::string& model = "model") {
  const std::string out = session.run_well("predict --all --model " + model + " zzqx").out;
  return std::stod(out.substr(out.find("HAM  ") + 5));
}

}  // namespace

TEST_CASE("weights of classes and texts are multiplied, and have the mean 1", "[text_weights]") {
  const std::vector<std::string> labels = {"a", "b"};
  tc::Corpus corpus = corpus_of({{"x", "a", 1}, {"y", "a", 2}, {"z", "a", 3}, {"w", "b", 4}});
  CHECK_FALSE(tc::weights_of(corpus, labels, {}, "train").defined());
  // 4 / (2 * 3) and 4 / (2 * 1)
  const std::vector<double> balanced = tc::class_weights("balanced", corpus, labels, "train");
  CHECK(balanced[0] == 4.0 / 6);
  CHECK(balanced[1] == 2);
  CHECK(tg::to_vector<float>(tc::weights_of(corpus, labels, balanced, "train")) ==
        std::vector<float>{2.0F / 3, 2.0F / 3, 2.0F / 3, 2});
  corpus.rows[0].weight = 0;
  corpus.rows[1].weight = 3;
  // 0, 3, 1, 1 times 1, 1, 1, 2: the sum is 6
  const tg::Tensor weights = tc::weights_of(corpus, labels, {1, 2}, "train");
  CHECK(tg::to_vector<float>(weights * 1.5) == std::vector<float>{0, 3, 1, 2});
  const std::vector<double> shares = tc::shares_of(tc::targets_of(corpus, labels), weights, 2);
  CHECK(std::abs(shares[0] - 4.0 / 6) < 1e-6);
  for (tc::Row& row : corpus.rows) row.weight = 0;
  CHECK(tapegrad::test::error_text<tg::ValueError>([&] {
          tc::weights_of(corpus, labels, {}, "train");
        }) == "train: all 4 texts of file that are learned have the weight 0");
}

TEST_CASE("the loss is the mean of weight times loss", "[text_weights]") {
  const tg::Variable logits = tg::Variable(tg::tensor({{2.0, 0.0}, {0.0, 1.0}, {3.0, 3.0}}));
  const tg::Tensor targets = tg::tensor(std::vector<std::int64_t>{0, 0, 1});
  const double first = std::log(1 + std::exp(-2.0)), second = std::log(1 + std::exp(1.0)),
               third = std::log(2.0);
  CHECK(std::abs(tc::loss_of(logits, targets, {}).item<double>() - (first + second + third) / 3) <
        1e-6);
  const tg::Tensor weights = tg::tensor({2.0, 0.0, 1.0});
  CHECK(std::abs(tc::loss_of(logits, targets, weights).item<double>() - (2 * first + third) / 3) <
        1e-6);
}

TEST_CASE("text_classifier --class-weights balanced gives every class the same share",
          "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn", "cnn");
  CAPTURE(arch);
  const Session session;
  session.write("train.tsv", many_texts());  // 45 of 60 are HAM
  session.write("weights", "SPAM\t9\nHAM = 1\n");
  const std::string train =
      "train --train train.tsv --dim 8 --hidden 8 --epochs 20 --out model --arch " + arch;
  session.run_well(train);
  CHECK(std::abs(prior_of(session) - 0.75) < 0.06);
  session.run_well(train + " --class-weights balanced");
  CHECK(std::abs(prior_of(session) - 0.5) < 0.06);
  session.run_well(train + " --class-weights weights");  // 45 to 9 * 15
  CHECK(std::abs(prior_of(session) - 0.25) < 0.06);
}

TEST_CASE("text_classifier --weight-col: a text counts as often as its weight says",
          "[text_program]") {
  const Session session;
  std::string csv = "text,label,count\n";
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    csv += "see number" + n + (i % 2 == 0 ? ",HAM,3\n" : ",SPAM,1\n");
  }
  // A contradicted text without weight changes nothing.
  for (int i = 0; i < 40; ++i) csv += "buy this,HAM,0\n";
  for (int i = 0; i < 20; ++i) csv += "buy this,SPAM,1\n";
  session.write("train.csv", csv);
  const std::string train = "train --train train.csv --dim 8 --epochs 20 --out model ";
  const Output output = session.run_well(train + "--weight-col count --label-col label");
  CHECK(output.error.find("label: column 2 `label`, weight: column 3 `count`, header skipped") !=
        std::string::npos);
  CHECK(session.run_well("predict --model model 'buy this'").out.starts_with("SPAM  "));
  CHECK(std::abs(prior_of(session) - 0.6) < 0.06);
  session.run_well(train + "--label-col label");
  CHECK(session.run_well("predict --model model 'buy this'").out.starts_with("HAM  "));
  // Only the training texts need the column.
  session.write("test.tsv", "buy this\tSPAM\nsee you\tHAM\n");
  CHECK(session.run_well(train + "--weight-col count --test test.tsv").out.ends_with("(n=2)\n"));
}

TEST_CASE("text_classifier refuses weights that it cannot read", "[text_program]") {
  const Session session;
  session.write("train.csv", "text,label,count\na b,X,1\nc d,Y,-1\ne f,X,2\n");
  const std::string train = "train --train train.csv --out model ";
  session.require_error(train + "--weight-col count",
                        "train.csv:3: the weight is `-1`, needed a number of 0 or more");
  session.require_error(train + "--weight-col size",
                        "train.csv:1: --weight-col: there is no column `size`; there are 3: text");
  session.require_error(train + "--weight-col count --baseline --test train.csv",
                        "train: --baseline trains classifiers without weights");
  session.write("train.csv", "text,label,count\na b,X,1\nc d,Y,1\ne f,X,2\n");
  const auto refused = [&](const std::string& weights, const std::string& expected) {
    session.write("weights", weights);
    session.require_error(train + "--class-weights weights", expected);
  };
  refused("X 1\nZ 2\n", "weights:2: no text has the label `Z`");
  refused("X 1\nX 2\n", "weights:2: the label `X` has a weight already");
  refused("X 1\n\nY two\n", "weights:3: the weight is `two`, needed a number of 0 or more");
  refused("X\n", "weights:1: `X` is not a label and its weight");
  refused("\n", "weights:1: empty file; expected a label and its weight on each line");
  refused("X 0\nY 0\n", "train: all 3 texts of train.csv that are learned have the weight 0");
  session.require_error(train + "--class-weights none", "train: cannot open none: No such file");
}

TEST_CASE("text_classifier resumes a run with weights, and refuses others", "[text_program]") {
  const std::string arch = GENERATE("bag", "lstm --epochs 60 --patience 60 --hidden 4");
  CAPTURE(arch);
  const Session session;
  std::string tsv = "text\tlabel\tcount\n";
  for (const std::string& line : lines_in(many_texts())) {
    tsv += line + "\t" + std::to_string(1 + line.size() % 3) + "\n";
  }
  session.write("train.tsv", tsv);
  session.write("weights", "SPAM 3\n");
  const std::string train =
      "train --train train.tsv --weight-col count --class-weights weights --dim 4 --batch 4 "
      "--arch " +
      arch;
  session.run_well(train + " --out whole");
  Process process(session.command(train + " --checkpoint-every 3 --out out >/dev/null 2>&1"));
  session.await("out/checkpoint.safetensors");
  process.send(SIGTERM);
  REQUIRE(process.wait() == 128 + SIGTERM);
  session.write("weights", "SPAM 4\n");
  session.require_error("train --resume --out out",
                        "are not those that the checkpoint was made with");
  session.require_error("train --resume --class-weights balanced --out out",
                        "train: --resume: --class-weights is balanced, in the checkpoint it is ");
  session.write("weights", "SPAM 3\n");
  session.run_well("train --resume --out out");
  CHECK(session.read("out/model.safetensors") == session.read("whole/model.safetensors"));
}
