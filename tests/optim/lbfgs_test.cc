// LBFGS against PyTorch in the valley of Rosenbrock (tests/golden/make_optim.py), on a quadratic
// that it solves exactly, and its errors.
#include <cmath>
#include <functional>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/lbfgs.h>

#include "catch.h"
#include "error_text.h"
#include "golden_file.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

Variable valley(const Variable& x) {
  const std::int64_t n = x.numel();
  const Variable left = narrow(x, 0, 0, n - 1), right = narrow(x, 0, 1, n - 1);
  return sum(100 * square(right - square(left)) + square(1 - left));
}

Variable start() { return parameter(tensor({-1.2, 1.0, -0.5, 0.8}, float64)); }

}  // namespace

TEST_CASE("LBFGS without a search takes the same steps as PyTorch's") {
  const GoldenFile file("optim.safetensors");
  for (const auto& [name, options] :
       {std::pair(std::string("plain"), optim::LBFGSOptions{.lr = 0.001, .max_iter = 4}),
        std::pair(std::string("short"),
                  optim::LBFGSOptions{.lr = 0.002, .max_iter = 4, .history_size = 2})}) {
    const Variable x = start();
    optim::LBFGS lbfgs({x}, options);
    for (int step = 1; step <= 6; ++step) {
      const std::string which = "lbfgs." + name + ".step" + std::to_string(step);
      CAPTURE(which);
      const double loss = lbfgs.step([&] { return valley(x); });
      CHECK_THAT(loss, Catch::Matchers::WithinRel(file.at(which + ".loss").item(), 1e-10));
      CHECK(error_of(x.value(), file.at(which + ".p0")) <= 1e-10);
    }
    CHECK(lbfgs.evaluations() == file.at("lbfgs." + name + ".evaluations").item<std::int64_t>());
  }
}

TEST_CASE("LBFGS with the Wolfe conditions finds the end of the valley") {
  const Variable x = start();
  optim::LBFGS lbfgs({x}, {.line_search = optim::LineSearch::strong_wolfe});
  for (int step = 0; step < 6; ++step) lbfgs.step([&] { return valley(x); });
  CHECK(error_of(x.value(), ones({4}, float64)) <= 1e-6);
  // PyTorch needs 59 evaluations.
  CHECK(lbfgs.evaluations() <= 80);
}

TEST_CASE("LBFGS solves a least squares problem of several parameters") {
  Generator generator(6);
  const Tensor data = randn({30, 4}, float64, generator);
  const Tensor weight = randn({4, 1}, float64, generator);
  const Tensor target = matmul(data, weight) + 0.75;
  const Variable w = parameter(zeros({4, 1}, float64)), b = parameter(zeros({1}, float64));
  const Variable unused = parameter(ones({2}, float64));
  optim::LBFGS lbfgs({w, b, unused}, {.line_search = optim::LineSearch::strong_wolfe});
  const auto loss = [&] { return mean(square(matmul(data, w) + b - target)); };
  const double before = lbfgs.step(loss);
  CHECK(before > loss().item());
  for (int step = 0; step < 4; ++step) lbfgs.step(loss);
  CHECK(error_of(w.value(), weight) <= 1e-5);
  CHECK_THAT(b.item(), Catch::Matchers::WithinAbs(0.75, 1e-5));
  CHECK(equal(unused.value(), ones({2}, float64)));
  // At the minimum nothing moves any more.
  const Tensor found = w.value().clone();
  lbfgs.restart();
  lbfgs.step(loss);
  CHECK(error_of(w.value(), found) <= 1e-6);
}

TEST_CASE("LBFGS ends a step where its options say") {
  const auto evaluations = [](const optim::LBFGSOptions& options, const Variable& x,
                              const std::function<Variable()>& loss) {
    optim::LBFGS lbfgs({x}, options);
    lbfgs.step(loss);
    return lbfgs.evaluations();
  };
  const Variable x = start();
  const auto in_valley = [&] { return valley(x); };
  CHECK(evaluations({.lr = 0.001, .max_eval = 3}, x, in_valley) == 3);
  CHECK(evaluations({.lr = 0.001, .max_iter = 5}, x, in_valley) == 5);
  const Tensor before = x.value().clone();
  CHECK(evaluations({.tolerance_grad = 1e6}, x, in_valley) == 1);
  CHECK(equal(x.value(), before));
  // The loss changes by 2e-6, the parameter by 1e-3, and the slope is -4e-6.
  const Variable flat = parameter(full({1}, 1e3, float64));
  const auto loss = [&] { return sum(square(flat)) * 1e-6; };
  CHECK(evaluations({.lr = 0.5, .tolerance_grad = 0, .tolerance_change = 3e-6}, flat, loss) == 2);
  CHECK(evaluations({.lr = 0.5, .tolerance_grad = 0, .tolerance_change = 1e-9}, flat, loss) > 2);
}

TEST_CASE("LBFGS's search turns back where the loss is NaN") {
  for (const double rate : {3.0, 10.0, 1000.0}) {
    CAPTURE(rate);
    const Variable x = parameter(full({1}, 5.0, float64));  // x^2 - log(x), lowest at sqrt(1/2)
    optim::LBFGS lbfgs({x}, {.lr = rate, .line_search = optim::LineSearch::strong_wolfe});
    for (int step = 0; step < 5; ++step) lbfgs.step([&] { return sum(square(x) - log(x)); });
    // It ends where the loss changes by less than 1e-9, that is within sqrt(2e-9 / 4), where 4 is
    // the second derivative.
    CHECK_THAT(x.item(), Catch::Matchers::WithinAbs(std::sqrt(0.5), 2.3e-5));
  }
}

TEST_CASE("LBFGS: errors") {
  const Variable x = parameter(ones({2}));
  CHECK_THROWS_AS(optim::LBFGS({}), ValueError);
  CHECK_THROWS_AS(optim::LBFGS({x * 2}), ValueError);
  CHECK_THROWS_AS(optim::LBFGS({x}, {.max_iter = 0}), ValueError);
  CHECK(error_text<DTypeError>([&] {
          optim::LBFGS({x, parameter(ones({1}, float64))});
        }) ==
        "LBFGS: got parameters of type float32 and float64, needed one type; convert the model "
        "with to()");
  optim::LBFGS lbfgs({x}, 0.5);
  CHECK(lbfgs.lr() == 0.5);
  CHECK(error_text<ValueError>([&] { lbfgs.step([&] { return sum(x / 0.0); }); }) ==
        "LBFGS: the loss is inf, needed a finite one");
  // As torch.optim.LBFGS wants it.
  const std::string consumed = error_text<AutogradError>([&] {
    lbfgs.step([&] {
      Variable loss = sum(square(x));
      loss.backward();
      return loss;
    });
  });
  CHECK(consumed.ends_with(
      "; in the function of LBFGS::step, which returns the loss without backward()"));
  CHECK_THROWS_AS(lbfgs.set_lr(-1), ValueError);
}
