// Whole models train for 200 steps and are compared with PyTorch's (golden/training.safetensors).
// Only seeds are given, so the losses agree only if initial weights, batches, forward, backward and
// steps do. Read next: training_test.cc.
#include <cmath>
#include <memory>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "golden_file.h"
#include "nn/text_classifier.h"

using namespace tapegrad;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("training.safetensors");
  return file;
}

struct BidirectionalClassifier : nn::Module {
  nn::Embedding embedding;
  nn::LSTM lstm;
  nn::Linear head;

  BidirectionalClassifier(std::int64_t vocab, std::int64_t dim, std::int64_t hidden,
                          std::int64_t classes)
      : embedding(register_module("embedding", nn::Embedding(vocab, dim))),
        lstm(register_module("lstm",
                             nn::LSTM(dim, hidden, {.batch_first = true, .bidirectional = true}))),
        head(register_module("head", nn::Linear(2 * hidden, classes))) {}

  Variable operator()(const Tensor& tokens) const {  // (batch, steps) int64 -> (batch, classes)
    return head(mean(lstm(embedding(tokens)).output, {1}));
  }
};

double size_of(const nn::Module& model) {
  double total = 0;
  for (const NamedParameter& each : model.parameters()) {
    total += sum(square(each.variable.value().to(float64))).item<double>();
  }
  return total;
}

// Trains the model of the case and compares every loss: within 1e-8 in float64, and within 1e-4 of
// the loss plus 1e-5 in float32.
template <class Model, class MakeOptimizer>
void check_training(const std::string& which, const MakeOptimizer& make_optimizer) {
  CAPTURE(which);
  const auto size = [&](const char* name) {
    return static_cast<std::int64_t>(golden().option(which, name, -1));
  };
  const bool single = which.ends_with("f32");
  manual_seed(static_cast<std::uint64_t>(size("seed")));
  Model model(size("vocab"), size("dim"), size("hidden"), size("classes"));
  model.to(single ? float32 : float64);
  const double first = golden().at(which + ".first").item<double>();
  CHECK(std::abs(size_of(model) - first) <= 1e-6 * first);
  const auto optimizer = make_optimizer(model);
  const Tensor& losses = golden().at(which + ".losses");
  REQUIRE(losses.numel() == size("steps"));
  for (std::int64_t step = 0; step < size("steps"); ++step) {
    CAPTURE(step);
    const Tensor tokens = randint(1, size("vocab"), {size("batch"), size("length")});
    // There is no remainder of int64 here, so a - a / n * n in integers.
    const Tensor token = select(tokens, 1, -1);
    const Tensor quotient = floor(token.to(float64) / size("classes")).to(int64);
    const Tensor labels = token - quotient * size("classes");
    optimizer->zero_grad();
    const Variable loss = nn::cross_entropy(model(tokens), labels);
    loss.backward();
    optimizer->step();
    const double expected = losses.item<double>({step});
    CHECK(std::abs(loss.item<double>() - expected) <=
          (single ? 1e-4 * std::abs(expected) + 1e-5 : 1e-8));
  }
  const double last = golden().at(which + ".last").item<double>();
  CHECK(std::abs(size_of(model) - last) <= (single ? 1e-4 : 1e-8) * last);
  CHECK(tape().size() == 0);
}

}  // namespace

TEST_CASE("a table, a cell and a linear layer train as PyTorch's do, from the seed alone") {
  CHECK(golden().cases("rnn_cell").size() == 2);
  for (const std::string& which : golden().cases("rnn_cell")) {
    check_training<TextClassifier>(which, [&](const nn::Module& model) {
      return std::make_unique<optim::SGD>(
          model.parameters(), optim::SGDOptions{.lr = golden().option(which, "lr", 0),
                                                .momentum = golden().option(which, "momentum", 0)});
    });
  }
}

TEST_CASE("a table, an LSTM of both directions and a linear layer train as PyTorch's do") {
  CHECK(golden().cases("bidirectional_lstm").size() == 2);
  for (const std::string& which : golden().cases("bidirectional_lstm")) {
    check_training<BidirectionalClassifier>(which, [&](const nn::Module& model) {
      return std::make_unique<optim::Adam>(
          model.parameters(), optim::AdamOptions{.lr = golden().option(which, "lr", 0)});
    });
  }
}
