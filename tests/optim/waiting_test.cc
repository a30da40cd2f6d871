// Rows without a gradient wait for their steps, and arrive where a dense gradient would have led
// them: for every optimiser, with and without momentum, decay, and a schedule, whoever reads them.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/autograd/leaf.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/adadelta.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/rmsprop.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/random.h>

#include "catch.h"

using namespace tapegrad;

namespace {

using Make = std::function<std::unique_ptr<optim::Optimizer>(Variable)>;
struct Kind {
  std::string name;
  Make make;
};

template <class Algorithm, class Options>
Kind kind(std::string name, Options options) {
  return {std::move(name), [options](Variable x) -> std::unique_ptr<optim::Optimizer> {
            return std::make_unique<Algorithm>(
                std::vector<NamedParameter>{NamedParameter("table", x)}, options);
          }};
}

std::vector<Kind> all_kinds() {
  using namespace optim;
  return {
      kind<SGD>("SGD", SGDOptions{.lr = 0.1}),
      kind<SGD>("SGD with decay", SGDOptions{.lr = 0.1, .weight_decay = 0.01}),
      kind<SGD>("SGD with momentum", SGDOptions{.lr = 0.1, .momentum = 0.9}),
      kind<SGD>("SGD, dampened",
                SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.5, .weight_decay = 0.01}),
      kind<SGD>("SGD, Nesterov",
                SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}),
      kind<Adam>("Adam", AdamOptions{.lr = 0.01}),
      kind<Adam>("Adam, large eps", AdamOptions{.lr = 0.01, .eps = 1e-2}),
      kind<Adam>("Adam, fast means", AdamOptions{.lr = 0.01, .betas = {0.8, 0.9}}),
      kind<Adam>("Adam, m slower than v",
                 AdamOptions{.lr = 0.001, .betas = {0.95, 0.85}, .eps = 1e-4}),
      kind<Adam>("Adam, slow means", AdamOptions{.lr = 0.01, .betas = {0.999, 0.9999}}),
      kind<Adam>("Adam with decay", AdamOptions{.lr = 0.01, .weight_decay = 0.01}),
      kind<Adam>("AMSGrad", AdamOptions{.lr = 0.01, .amsgrad = true}),
      kind<AdamW>("AdamW", AdamWOptions{.lr = 0.01, .weight_decay = 0.1}),
      kind<AdamW>("AdamW, AMSGrad", AdamWOptions{.lr = 0.01, .weight_decay = 0.1, .amsgrad = true}),
      kind<Adagrad>("Adagrad", AdagradOptions{.lr = 0.1, .initial_accumulator_value = 0.1}),
      kind<Adagrad>("Adagrad with decay", AdagradOptions{.lr = 0.1, .weight_decay = 0.01}),
      kind<RMSprop>("RMSprop", RMSpropOptions{.lr = 0.01}),
      kind<RMSprop>("RMSprop with momentum", RMSpropOptions{.lr = 0.01, .momentum = 0.9}),
      kind<RMSprop>("RMSprop, centered",
                    RMSpropOptions{.lr = 0.01, .alpha = 0.9, .momentum = 0.5, .centered = true}),
      kind<RMSprop>("RMSprop with decay", RMSpropOptions{.lr = 0.001, .weight_decay = 0.01}),
      kind<Adadelta>("Adadelta", AdadeltaOptions{}),
      kind<Adadelta>("Adadelta with decay", AdadeltaOptions{.weight_decay = 0.01}),
  };
}

// Ids of Zipf's distribution: number k with a probability in proportion to 1 / (k + 1).
class Zipf {
 public:
  explicit Zipf(std::int64_t n) {
    double total = 0;
    for (std::int64_t k = 0; k < n; ++k) sums_.push_back(total += 1 / (1.0 + double(k)));
  }
  Tensor draw(std::int64_t count, Generator& generator) const {
    const std::vector<double> uniform = to_vector<double>(rand({count}, float64, generator));
    std::vector<std::int64_t> ids;
    for (const double u : uniform) {
      ids.push_back(std::ranges::lower_bound(sums_, u * sums_.back()) - sums_.begin());
    }
    return tensor(ids);
  }

 private:
  std::vector<double> sums_;
};

double largest(const Tensor& x) { return max(abs(x)).item<double>(); }

}  // namespace

// In double precision the two agree to the last bits. In single precision a dense optimiser rounds
// every row at every step, and after 1,000 steps is one or two millionths of the largest number off
// from what double precision makes of the same gradients: they differ by no more than that.
TEST_CASE("after 1,000 steps all rows are where dense gradients lead") {
  constexpr std::int64_t kRows = 400, kWidth = 6;
  const Zipf zipf(kRows);
  for (const Kind& one : all_kinds()) {
    for (const bool scheduled : {false, true}) {
      for (const DType dtype : {float64, float32}) {
        CAPTURE(one.name, scheduled, dtype);
        Generator generator(5);
        const Tensor start = randn({kRows, kWidth}, dtype, generator);
        Variable waiting = parameter(start.clone());
        Variable dense = parameter(start.clone());
        Variable exact = parameter(start.to(float64).clone());
        const auto waiting_optimizer = one.make(waiting);
        const auto dense_optimizer = one.make(dense);
        const auto exact_optimizer = one.make(exact);
        const double lr = waiting_optimizer->lr();
        for (int step = 0; step < 1000; ++step) {
          const Tensor ids = zipf.draw(8, generator);
          const Tensor targets = randn({8, kWidth}, dtype, generator);
          if (scheduled) {
            waiting_optimizer->set_lr(lr * (1 + std::sin(0.01 * step)) / 2);
            dense_optimizer->set_lr(waiting_optimizer->lr());
            exact_optimizer->set_lr(waiting_optimizer->lr());
          }
          waiting.zero_grad();
          // The same gradient for all, so that rounding does not grow through it.
          const Variable rows = embedding(waiting, ids);
          sum(rows * Variable(sin(rows.value() * 3.0 + targets) * 0.1)).backward();
          REQUIRE(waiting.has_row_grad());
          dense.set_grad(waiting.grad());
          exact.set_grad(waiting.grad().to(float64));
          waiting_optimizer->step();
          dense_optimizer->step();
          exact_optimizer->step();
          if (step % 331 == 330) CHECK(waiting.value().defined());  // everything is read
        }
        const double scale = largest(exact.value());
        const double to_dense = largest(waiting.value() - dense.value()) / scale;
        const double dense_to_exact = largest(dense.value() - exact.value()) / scale;
        if (dtype == float64) {
          CHECK(to_dense <= 1e-10);
        } else {
          CHECK(to_dense <= 2e-6);
          CHECK(to_dense <= 1.5 * dense_to_exact + 1e-7);
        }
      }
    }
  }
}
