// Optimizers that have no fused kernel: NAdam and RAdam beyond PyTorch's values, and Lion, whose
// formula is computed again in plain loops.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/lion.h>
#include <tapegrad/optim/nadam.h>
#include <tapegrad/optim/radam.h>

#include "catch.h"
#include "error_text.h"
#include "optim/kinds.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

std::vector<Kind> plain_kinds() {
  using namespace optim;
  return {
      kind<NAdam>("NAdam", NAdamOptions{.lr = 0.01, .weight_decay = 0.01}),
      kind<NAdam>("NAdam, maximize", NAdamOptions{.lr = 0.01, .maximize = true}),
      kind<RAdam>("RAdam", RAdamOptions{.lr = 0.01, .weight_decay = 0.01}),
      kind<RAdam>("RAdam, maximize", RAdamOptions{.lr = 0.01, .maximize = true}),
      kind<Lion>("Lion", LionOptions{.lr = 0.01, .weight_decay = 0.1}),
      kind<Lion>("Lion, maximize", LionOptions{.lr = 0.01, .maximize = true}),
  };
}

double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

}  // namespace

TEST_CASE("Lion takes the steps of its formula") {
  for (const bool maximize : {false, true}) {
    double p = 0.5, m = 0;
    Variable x = parameter(full({1}, p, float64));
    optim::Lion lion({x},
                     {.lr = 0.03, .betas = {0.8, 0.95}, .weight_decay = 0.1, .maximize = maximize});
    for (int t = 0; t < 30; ++t) {
      const double slope = std::cos(0.4 * t);
      x.set_grad(full({1}, slope, float64));
      lion.step();
      const double g = maximize ? -slope : slope;
      p -= 0.03 * (sign_of(0.8 * m + 0.2 * g) + 0.1 * p);
      m = 0.95 * m + 0.05 * g;
      CHECK_THAT(x.item(), Catch::Matchers::WithinAbs(p, 1e-13));
    }
  }
}

TEST_CASE("plain optimizers: row-sparse gradients give the steps of dense ones") {
  for (const Kind& one : plain_kinds()) {
    CAPTURE(one.name);
    Twins twins(one, 20, 3);
    for (int t = 0; t < 30; ++t) twins.step();
    CHECK(twins.difference() <= 1e-12);
  }
}

TEST_CASE("plain optimizers: a saved state goes on to the same bits, frozen rows stay") {
  for (const Kind& one : plain_kinds()) {
    CAPTURE(one.name);
    Generator generator(3);
    const Tensor start = randn({6, 2}, float64, generator);
    Variable a = parameter(start.clone()), b = parameter(start.clone());
    const std::vector<std::int64_t> frozen = {1, 4};
    a.row_policy().freeze_rows(frozen);
    b.row_policy().freeze_rows(frozen);
    const auto first = one.make(a);
    auto second = one.make(b);
    for (int t = 0; t < 12; ++t) {
      const Tensor gradient = randn({6, 2}, float64, generator);
      a.set_grad(gradient.clone());
      b.set_grad(gradient.clone());
      first->step();
      second->step();
      if (t == 5) {
        const StateDict state = second->state_dict();
        second = one.make(b);
        second->load_state_dict(state);
      }
    }
    CHECK(equal(a.value(), b.value()));
    CHECK(equal(a.value()[1], start[1]));
    CHECK(equal(a.value()[4], start[4]));
    CHECK_FALSE(equal(a.value()[0], start[0]));
  }
}

TEST_CASE("plain optimizers: options out of range") {
  using namespace optim;
  const Variable w = parameter(ones({2}));
  CHECK(error_text<ValueError>([&] { NAdam({w}, NAdamOptions{.momentum_decay = -1}); }) ==
        "NAdam: invalid momentum_decay: -1, needed a number >= 0");
  CHECK(error_text<ValueError>([&] {
          RAdam({w}, RAdamOptions{.betas = {0.9, 1}});
        }) == "RAdam: invalid beta 1: 1, needed a number in [0, 1)");
  CHECK(error_text<ValueError>([&] { Lion({w}, LionOptions{.weight_decay = -0.5}); }) ==
        "Lion: invalid weight_decay: -0.5, needed a number >= 0");
  CHECK(NAdam({w}, 0.25).lr() == 0.25);
  CHECK(RAdam({w}, 0.25).lr() == 0.25);
  CHECK(Lion({w}, 0.25).lr() == 0.25);
}
