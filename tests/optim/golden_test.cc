// Where PyTorch's optimisers arrive after 1, 2, 10 and 100 steps, and how it clips.
#include <cmath>
#include <string>
#include <vector>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/ops.h>

#include "catch.h"
#include "golden_file.h"

using namespace tapegrad;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("optim.safetensors");
  return file;
}

// The two parameters of README.md's problem and their gradients, by formula.
Tensor filled(int which, DType dtype, double (*formula)(int which, double i, double t), double t) {
  const Shape shape = which == 0 ? Shape{3, 4} : Shape{5};
  std::vector<double> numbers;
  for (int i = 0; i < (which == 0 ? 12 : 5); ++i) numbers.push_back(formula(which, i, t));
  return reshape(tensor(numbers), shape).to(dtype);
}
double start(int which, double i, double) { return std::sin(1 + i + 20 * which); }
double slope(int which, double i, double t) {
  return std::cos(0.1 * t * (i + 1) + which) + 0.01 * i;
}

template <class Options>
Options adam_options(const std::string& which) {
  Options o;
  o.lr = golden().option(which, "lr", o.lr);
  if (golden().has(which + ".arg.betas")) {
    const std::vector<double> betas = to_vector<double>(golden().at(which + ".arg.betas"));
    o.betas = {betas[0], betas[1]};
  }
  o.eps = golden().option(which, "eps", o.eps);
  o.weight_decay = golden().option(which, "weight_decay", o.weight_decay);
  o.amsgrad = golden().option(which, "amsgrad", 0) != 0;
  o.maximize = golden().option(which, "maximize", 0) != 0;
  return o;
}

optim::SGDOptions sgd_options(const std::string& which) {
  optim::SGDOptions o;
  o.lr = golden().option(which, "lr", o.lr);
  o.momentum = golden().option(which, "momentum", 0);
  o.dampening = golden().option(which, "dampening", 0);
  o.weight_decay = golden().option(which, "weight_decay", 0);
  o.nesterov = golden().option(which, "nesterov", 0) != 0;
  o.maximize = golden().option(which, "maximize", 0) != 0;
  return o;
}

template <class Algorithm, class Options>
void check_run(const std::string& which, const Options& options) {
  CAPTURE(which);
  const DType dtype = golden().option(which, "dtype", 0) == 1 ? float64 : float32;
  std::vector<Variable> parameters;
  for (int w = 0; w < 2; ++w) parameters.push_back(parameter(filled(w, dtype, start, 0)));
  Options second = options;
  second.lr = golden().option(which, "lr1", options.lr);
  second.weight_decay = golden().option(which, "weight_decay1", options.weight_decay);
  Algorithm optimizer({parameters[0]}, options);
  optimizer.add_group({parameters[1]}, second);
  int compared = 0;
  for (int t = 1; t <= 100; ++t) {
    for (int w = 0; w < 2; ++w) {
      parameters[static_cast<std::size_t>(w)].set_grad(filled(w, dtype, slope, t));
    }
    optimizer.step();
    for (int w = 0; w < 2; ++w) {
      const std::string name = which + ".step" + std::to_string(t) + ".p" + std::to_string(w);
      if (!golden().has(name)) continue;
      CAPTURE(name);
      ++compared;
      const double error =
          error_of(parameters[static_cast<std::size_t>(w)].value(), golden().at(name));
      CHECK(error <= (dtype == float64 ? 1e-12 : 1e-5));
    }
  }
  REQUIRE(compared == 8);  // after 1, 2, 10 and 100 steps
}

}  // namespace

TEST_CASE("the problem is the one that PyTorch was given") {
  for (int w = 0; w < 2; ++w) {
    const std::string end = std::to_string(w);
    CHECK(error_of(filled(w, float64, start, 0), golden().at("problem.start.p" + end)) < 1e-15);
    CHECK(error_of(filled(w, float64, slope, 100), golden().at("problem.step100.g" + end)) < 1e-14);
  }
}

TEST_CASE("SGD arrives where PyTorch's arrives") {
  const std::vector<std::string> cases = golden().cases("sgd");
  REQUIRE(cases.size() == 20);
  for (const std::string& which : cases) check_run<optim::SGD>(which, sgd_options(which));
}

TEST_CASE("Adam arrives where PyTorch's arrives") {
  const std::vector<std::string> cases = golden().cases("adam");
  REQUIRE(cases.size() == 22);
  for (const std::string& which : cases) {
    check_run<optim::Adam>(which, adam_options<optim::AdamOptions>(which));
  }
}

TEST_CASE("AdamW arrives where PyTorch's arrives") {
  const std::vector<std::string> cases = golden().cases("adamw");
  REQUIRE(cases.size() == 22);
  for (const std::string& which : cases) {
    check_run<optim::AdamW>(which, adam_options<optim::AdamWOptions>(which));
  }
}

TEST_CASE("clipping gives PyTorch's gradients and norms") {
  std::vector<std::string> cases = golden().cases("clip_grad_norm");
  REQUIRE(cases.size() == 11);
  cases.push_back("clip_grad_value.plain");
  for (const std::string& which : cases) {
    for (const DType dtype : {float64, float32}) {
      CAPTURE(which, dtype);
      const std::string prefix = which + (dtype == float64 ? "." : ".f32.");
      const double tolerance = dtype == float64 ? 1e-14 : 5e-7;
      std::vector<NamedParameter> parameters;
      for (int i = 0; golden().has(which + ".in" + std::to_string(i)); ++i) {
        const Tensor gradient = golden().at(which + ".in" + std::to_string(i)).to(dtype).clone();
        parameters.emplace_back(parameter(zeros_like(gradient)));
        parameters.back().variable.set_grad(gradient);
      }
      if (which.starts_with("clip_grad_value")) {
        optim::clip_grad_value(parameters, golden().option(which, "clip_value", 0));
      } else {
        const double norm = optim::clip_grad_norm(parameters, golden().option(which, "max_norm", 0),
                                                  golden().option(which, "norm_type", 2));
        CHECK(error_of(tensor(norm, dtype), golden().at(prefix + "total_norm")) <= tolerance);
      }
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        CHECK(error_of(parameters[i].variable.grad(),
                       golden().at(prefix + "out" + std::to_string(i))) <= tolerance);
      }
    }
  }
}
