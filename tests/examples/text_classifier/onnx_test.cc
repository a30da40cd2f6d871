// The program trains each architecture for two epochs and exports it. golden/check_onnx.py then
// computes the ONNX files, and must get the probabilities that our model computes.
#include <tapegrad/tensor/io/npy.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "examples/text_classifier/session.h"
#include "python.h"
#include "text_classifier/corpus.h"
#include "text_classifier/evaluation.h"

using namespace text_classifier;
using namespace text_classifier_test;

namespace {

struct Model {
  std::string name;
  std::string options;  // of the command train
};

const std::vector<Model> kModels = {
    {"bag", "--arch bag"},
    {"rnn_max", "--arch rnn"},
    {"rnn_last", "--arch rnn --pool last"},
    {"rnn_mean", "--arch rnn --pool mean"},
    {"lstm_max", "--arch lstm"},
    {"lstm_last", "--arch lstm --pool last"},
    {"lstm_deep_mean", "--arch lstm --pool mean --layers 2"},
    {"lstm_both_last", "--arch lstm --pool last --layers 2 --bidirectional"},
    {"gru_max", "--arch gru --bidirectional"},
    {"gru_last", "--arch gru --pool last --bidirectional"},
    {"gru_mean", "--arch gru --pool mean --layers 3 --bidirectional"},
    {"cnn", "--arch cnn --filters 6"},
    {"rnn_both_last", "--arch rnn --pool last --layers 2 --bidirectional"},
    {"rnn_deep_max", "--arch rnn --layers 2"},
    {"attention_max", "--arch attention --heads 1"},
    {"attention_mean", "--arch attention --heads 3 --pool mean --layers 2"},
    {"attention_last", "--arch attention --heads 3 --pool last"},
};

}  // namespace

TEST_CASE("other programs compute the same from the exported models", "[text_program]") {
  if (!tapegrad::test::python_has("numpy, onnx")) return;
  const Corpus corpus = read_corpus(bundled_questions("test"));
  const Session session;
  const tapegrad::test::TemporaryFolder files;
  for (const Model& model : kModels) {
    session.run_well("train --epochs 2 --lr 0.02 --dim 8 --hidden 6 " + model.options + " --out " +
                     model.name);
    session.run_well("export --model " + model.name + " --onnx '" +
                     files.file(model.name + ".onnx") + "'");

    Trained trained = load(session.file(model.name));
    std::vector<tg::Tensor> texts = {trained.ids(""), trained.ids("Who?")};
    for (std::size_t i = 0; i < 30; ++i) texts.push_back(trained.ids(corpus.rows[4 * i].text));
    tg::save_npz(files.file(model.name + ".npz"),
                 {{"ids", tg::nn::pad_sequence(texts, {.batch_first = true})},
                  {"softmax.logits", probabilities(trained, texts)}});
  }
  const tapegrad::test::Answer answer = tapegrad::test::python("check_onnx.py", {files.path()});
  INFO(answer.text);
  CHECK(answer.status == 0);
  CHECK(std::ranges::count(answer.text, '\n') == std::ssize(kModels));
  if (answer.text.find("onnxruntime not installed") == std::string::npos) {
    std::size_t agreements = 0;
    for (std::size_t at = 0; (at = answer.text.find("onnxruntime agrees", at)) != std::string::npos;
         ++at) {
      ++agreements;
    }
    CHECK(agreements == kModels.size());
  }
}
