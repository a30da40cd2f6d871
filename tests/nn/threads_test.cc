// Layers and optimizers give the same bits with any number of threads (tensor/parallel.h).
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "tensor/threads.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("sequences give the same bits with any number of threads", "[threads]") {
  manual_seed(3);
  const Tensor x = randn({12, 50, 40});
  const Tensor lengths = randint(0, 13, {50});
  const auto run = [&](const auto& given, bool with_lengths) {
    return [&given, &x, &lengths, with_lengths]() -> std::vector<Tensor> {
      auto layer = given;
      layer.zero_grad();
      const Variable input = parameter(x);
      const auto result = with_lengths ? layer(input, {.lengths = lengths}) : layer(input);
      (sum(square(result.output)) + sum(result.h)).backward();
      std::vector<Tensor> all = {result.output.value(), result.h.value(), input.grad()};
      for (const NamedParameter& each : layer.parameters()) all.push_back(each.variable.grad());
      return all;
    };
  };
  for (const bool with_lengths : {false, true}) {
    check_same_bits(run(nn::RNN(40, 64, {.num_layers = 2}), with_lengths));
    check_same_bits(run(nn::LSTM(40, 64, {.bidirectional = true}), with_lengths));
    check_same_bits(run(nn::GRU(40, 64), with_lengths));
  }
}

TEST_CASE("optimizers take the same steps with any number of threads", "[threads]") {
  manual_seed(4);
  const Tensor value = randn({401, 517});
  const Tensor gradient = randn({401, 517});
  check_same_bits([&]() -> std::vector<Tensor> {
    Variable p = parameter(value.clone());
    Variable q = parameter(value.clone());
    optim::Adam adam({p}, {.weight_decay = 0.01});
    optim::SGD sgd({q}, {.lr = 0.1, .momentum = 0.9});
    for (int i = 0; i < 3; ++i) {
      p.set_grad(gradient);
      q.set_grad(gradient);
      adam.step();
      sgd.step();
    }
    return {p.value(), q.value()};
  });
}
