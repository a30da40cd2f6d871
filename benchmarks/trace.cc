// The claim: while a Trace exists, a training step of a small network takes at most 20 times its
// usual time.
//
// A row is one step in microseconds: forward (Linear, tanh, Linear), mean squared error, backward,
// and the optimizer. "ours" is without a Trace; the "peer" is the same step in Traces of 100 steps,
// their end included. The ratio says how many times as long that takes. Read next:
// autograd/trace/trace.h.
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <string>

#include "measure.h"

namespace tg = tapegrad;

namespace {

constexpr std::int64_t kSteps = 100;  // of a Trace

template <class Step>
measure::Contender with_trace(Step step) {
  return {"with a Trace", [step](std::int64_t n) {
            const auto some = [&](std::int64_t count) {
              const tg::Trace trace;
              for (std::int64_t i = 0; i < count; ++i) step();
            };
            return measure::time_of(1, [&] {
              for (; n > kSteps; n -= kSteps) some(kSteps);
              some(n);
            });
          }};
}

template <class Optimizer>
void compare(measure::Report& report, const std::string& name, std::int64_t inputs,
             std::int64_t hidden, std::int64_t batch) {
  tg::manual_seed(0);
  const tg::nn::Sequential model{tg::nn::Linear(inputs, hidden), tg::nn::Tanh(),
                                 tg::nn::Linear(hidden, 1)};
  Optimizer optimizer(model.parameters(), {.lr = 1e-2});
  const tg::Tensor x = tg::randn({batch, inputs}), y = tg::randn({batch, 1});
  const auto step = [&] {
    optimizer.zero_grad();
    tg::nn::mse_loss(model(x), y).backward();
    optimizer.step();
  };
  report.compare(std::to_string(inputs) + "-" + std::to_string(hidden) + "-1, batch " +
                     std::to_string(batch) + ", " + name,
                 {"us", 1e6}, measure::ours(step), {with_trace(step)});
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    report.begin("A training step, without and with a Trace");
    compare<tg::optim::SGD>(report, "SGD", 2, 8, 4);
    compare<tg::optim::SGD>(report, "SGD", 2, 8, 32);
    compare<tg::optim::Adam>(report, "Adam", 2, 8, 4);
    compare<tg::optim::SGD>(report, "SGD", 16, 16, 16);
    compare<tg::optim::Adam>(report, "Adam", 16, 16, 16);
    compare<tg::optim::SGD>(report, "SGD", 64, 64, 32);
    compare<tg::optim::Adam>(report, "Adam", 64, 64, 32);
  });
}
