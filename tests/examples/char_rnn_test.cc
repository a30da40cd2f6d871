// char_rnn: what it learns, its memory, and truncated backpropagation. Read next: tiny_gpt_test.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <string>
#include <vector>

#include "catch.h"
#include "char_rnn/char_rnn.h"
#include "examples/example_program.h"

using namespace example_test;
using char_rnn::CharRnn;
using language_model::Loss;
using language_model::Memory;

namespace tg = tapegrad;

namespace {

constexpr std::int64_t kVocabulary = 7;
const char_rnn::Settings kSmall = {.arch = "lstm", .dim = 5, .hidden = 6};

// The same loss, step by step, with a cell that has the model's weights. Gradients do not flow
// through the state before step `cut`.
tg::Variable loss_by_steps(const CharRnn& model, const tg::Tensor& tokens, std::int64_t cut) {
  const std::int64_t steps = tokens.size(1) - 1;
  const tg::Variable x = model.embedding(narrow(tokens, 1, 0, steps));
  const bool lstm = model.lstm.has_value();
  tg::Variable h = tg::zeros({tokens.size(0), 6});
  tg::Variable c = h;
  std::vector<tg::Variable> logits;
  const auto gates = [&](const tg::nn::RNNBase& layer, std::int64_t t) {
    return std::pair{linear(select(x, 1, t), layer.weight_ih(), layer.bias_ih()),
                     linear(h, layer.weight_hh(), layer.bias_hh())};
  };
  for (std::int64_t t = 0; t < steps; ++t) {
    if (t == cut) {
      h = h.value();  // without history
      c = c.value();
    }
    if (lstm) {
      const auto [a, b] = gates(*model.lstm, t);
      const std::vector<tg::Variable> parts = chunk(a + b, 4, 1);
      c = sigmoid(parts[1]) * c + sigmoid(parts[0]) * tanh(parts[2]);
      h = sigmoid(parts[3]) * tanh(c);
    } else {
      const auto [a, b] = gates(*model.gru, t);
      const std::vector<tg::Variable> in = chunk(a, 3, 1);
      const std::vector<tg::Variable> of = chunk(b, 3, 1);
      const tg::Variable z = sigmoid(in[1] + of[1]);
      h = (1.0 - z) * tanh(in[2] + sigmoid(in[0] + of[0]) * of[2]) + z * h;
    }
    logits.push_back(model.head(h));
  }
  return tg::nn::cross_entropy(flatten(stack(logits, 1), 0, 1),
                               flatten(narrow(tokens, 1, 1, steps)));
}

std::vector<tg::Tensor> gradients(CharRnn& model, const tg::Variable& loss) {
  model.zero_grad();
  loss.backward();
  std::vector<tg::Tensor> result;
  for (const auto& [name, parameter] : model.parameters()) {
    INFO(name);
    REQUIRE(parameter.has_grad());
    result.push_back(parameter.grad().clone());
  }
  return result;
}

bool close(const std::vector<tg::Tensor>& a, const std::vector<tg::Tensor>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!allclose(a[i], b[i], 1e-4, 1e-6)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("char_rnn: gradients are those of full backpropagation in a window, truncated between") {
  tg::manual_seed(2);
  for (const std::string arch : {"lstm", "gru"}) {
    CAPTURE(arch);
    char_rnn::Settings settings = kSmall;
    settings.arch = arch;
    CharRnn model(kVocabulary, settings);
    const tg::Tensor tokens = tg::randint(kVocabulary, {3, 13});

    Memory memory;
    const Loss whole = language_model::loss_of(model, tokens, memory);
    CHECK(whole.predictions == 36);
    const auto of_window = gradients(model, whole.mean);
    const auto full = gradients(model, loss_by_steps(model, tokens, -1));
    CHECK(close(of_window, full));
    for (const tg::Tensor& gradient : full) CHECK(max(abs(gradient)).item<float>() > 1e-4F);

    // Two windows of 6 steps: the same loss, but the gradient ends between them.
    Memory carried;
    const Loss first = language_model::loss_of(model, narrow(tokens, 1, 0, 7), carried);
    for (const tg::Tensor& state : carried) CHECK(state.shape() == tg::Shape{1, 3, 6});
    const Loss second = language_model::loss_of(model, narrow(tokens, 1, 6, 7), carried);
    const tg::Variable both = (first.mean + second.mean) / 2.0;
    CHECK(both.item<float>() == Approx(whole.mean.item<float>()).epsilon(1e-5));
    const auto truncated = gradients(model, both);
    CHECK(close(truncated, gradients(model, loss_by_steps(model, tokens, 6))));
    CHECK(!close(truncated, full));
    REQUIRE(memory.size() == carried.size());
    for (std::size_t i = 0; i < memory.size(); ++i) CHECK(allclose(memory[i], carried[i]));

    // Without the memory, the second window predicts otherwise.
    Memory none;
    const Loss alone = language_model::loss_of(model, narrow(tokens, 1, 6, 7), none);
    CHECK(alone.mean.item<float>() != Approx(second.mean.item<float>()).epsilon(1e-4));
  }
}

TEST_CASE("char_rnn: a later character does not change an earlier prediction") {
  tg::manual_seed(2);
  const CharRnn model(kVocabulary, kSmall);
  const tg::Tensor ids = tg::randint(kVocabulary, {2, 9});
  tg::Tensor changed = ids.clone();
  select(changed, 1, 5).copy_((select(ids, 1, 5) + 1) % kVocabulary);
  Memory one, two;
  const tg::Tensor a = model.logits(ids, one).value();
  const tg::Tensor b = model.logits(changed, two).value();
  CHECK(a.shape() == tg::Shape{2, 9, kVocabulary});
  CHECK(equal(narrow(a, 1, 0, 5), narrow(b, 1, 0, 5)));
  for (std::int64_t t = 5; t < 9; ++t) CHECK(!allclose(select(a, 1, t), select(b, 1, t)));
  Memory damaged(3);
  CHECK_THROWS_AS(model.logits(ids, damaged), tg::ValueError);
}

TEST_CASE("char_rnn: it learns a text that repeats, also in other alphabets, and continues it") {
  const ExampleProgram session(CHAR_RNN);
  const std::string verse = "the cat sat on the mat, \u00e4h\u20ac.\n";
  std::string text;
  for (int i = 0; i < 200; ++i) text += verse;
  write_file(session.file("text"), text);
  for (const std::string options : {"--arch lstm --epochs 12", "--arch gru --epochs 12",
                                    "--layers 2 --dropout 0.05 --epochs 25"}) {
    const Output output = session.run_well(
        "train --input text --model out --hidden 48 --dim 16 --steps 20 --batch 8 "
        "--lr 0.01 --report 1000 " +
        options);
    CAPTURE(options, output.out);
    CHECK(output.out.find("text: 5,800 characters, 15 different; the last 580 are held out") == 0);
    const std::size_t at = output.out.find("held-out loss ", output.out.find("out: "));
    // The first characters of a stream are not certain: the model has not seen what came before.
    CHECK(std::stod(output.out.substr(at + 14)) < 0.1);
    const Output sample =
        session.run_well("sample --model out --prompt 'the cat sat' --length 60 --temperature 0.2");
    CHECK(sample.out == (verse + verse + verse).substr(0, 11 + sample.out.size() - 12) + "\n");
    CHECK(sample.out.size() > 71);
  }
}

TEST_CASE("char_rnn: options that are refused") {
  const ExampleProgram session(CHAR_RNN);
  write_file(session.file("text"), "abc");
  const std::string train = "train --input text --model out ";
  session.require_error(train + "--arch rnn", "--arch: rnn not in {lstm,gru}; see --help");
  session.require_error(train + "--steps 0",
                        "--steps: Value 0 not in range 1 to 100000; see --help");
  session.require_error(train + "--clip 0",
                        "--clip: Value 0 not in range 0.000000 to 1000000000.000000; see --help");
  session.require_error("train --model out", "--input is required; see --help");
}
