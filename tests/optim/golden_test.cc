// Parameters after 1, 2, 10 and 100 steps, and clipped gradients, compared with PyTorch's.
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/adadelta.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/nadam.h>
#include <tapegrad/optim/radam.h>
#include <tapegrad/optim/rmsprop.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/optim/sparse_adam.h>
#include <tapegrad/tensor/ops.h>

#include "catch.h"
#include "golden_file.h"

using namespace tapegrad;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("optim.safetensors");
  return file;
}

// The two parameters of the problem in README.md and their gradients, by formula.
Tensor filled(int which, DType dtype, double (*formula)(int which, double i, double t), double t) {
  const Shape shape = which == 0 ? Shape{3, 4} : Shape{5};
  std::vector<double> elements;
  for (int i = 0; i < (which == 0 ? 12 : 5); ++i) elements.push_back(formula(which, i, t));
  return reshape(tensor(elements), shape).to(dtype);
}
double start(int which, double i, double) { return std::sin(1 + i + 20 * which); }
double slope(int which, double i, double t) {
  return std::cos(0.1 * t * (i + 1) + which) + 0.01 * i;
}

// The options of a case; the others keep the optimizer's defaults.
template <class Options>
Options options_of(const std::string& which) {
  Options o;
  const auto read = [&](const char* name, auto& field) {
    using Field = std::remove_reference_t<decltype(field)>;
    field = static_cast<Field>(golden().option(which, name, static_cast<double>(field)));
  };
  read("lr", o.lr);
  if constexpr (requires { o.maximize; }) read("maximize", o.maximize);
  if constexpr (requires { o.betas; }) {
    if (golden().has(which + ".arg.betas")) {
      const std::vector<double> betas = to_vector<double>(golden().at(which + ".arg.betas"));
      o.betas = {betas[0], betas[1]};
    }
  }
  if constexpr (requires { o.eps; }) read("eps", o.eps);
  if constexpr (requires { o.weight_decay; }) read("weight_decay", o.weight_decay);
  if constexpr (requires { o.amsgrad; }) read("amsgrad", o.amsgrad);
  if constexpr (requires { o.momentum; }) read("momentum", o.momentum);
  if constexpr (requires { o.dampening; }) read("dampening", o.dampening);
  if constexpr (requires { o.nesterov; }) read("nesterov", o.nesterov);
  if constexpr (requires { o.lr_decay; }) read("lr_decay", o.lr_decay);
  if constexpr (requires { o.initial_accumulator_value; }) {
    read("initial_accumulator_value", o.initial_accumulator_value);
  }
  if constexpr (requires { o.alpha; }) read("alpha", o.alpha);
  if constexpr (requires { o.centered; }) read("centered", o.centered);
  if constexpr (requires { o.rho; }) read("rho", o.rho);
  if constexpr (requires { o.momentum_decay; }) read("momentum_decay", o.momentum_decay);
  return o;
}

DType dtype_of(const std::string& which) {
  return golden().option(which, "dtype", 0) == 1 ? float64 : float32;
}

// Compares parameter w after step t with PyTorch's, if the file has it. Returns whether it does.
bool check_parameter(const std::string& which, int t, int w, const Tensor& value) {
  const std::string name = which + ".step" + std::to_string(t) + ".p" + std::to_string(w);
  if (!golden().has(name)) return false;
  CAPTURE(name);
  CHECK(error_of(value, golden().at(name)) <= (value.dtype() == float64 ? 1e-12 : 1e-5));
  return true;
}

template <class Algorithm, class Options>
void check_run(const std::string& which, const Options& options) {
  const DType dtype = dtype_of(which);
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
      compared += check_parameter(which, t, w, parameters[static_cast<std::size_t>(w)].value());
    }
  }
  REQUIRE(compared == 8);  // after 1, 2, 10 and 100 steps
}

template <class Algorithm, class Options>
void check_runs(const std::string& operation, std::size_t count) {
  const std::vector<std::string> cases = golden().cases(operation);
  REQUIRE(cases.size() == count);
  for (const std::string& which : cases) check_run<Algorithm>(which, options_of<Options>(which));
}

// The table of README.md, and its gradient at step t from five lookups, two of them of the same
// row.
template <class Algorithm, class Options>
void check_sparse_runs(const std::string& operation, std::size_t count) {
  const std::vector<std::string> cases = golden().cases(operation);
  REQUIRE(cases.size() == count);
  for (const std::string& which : cases) {
    const DType dtype = dtype_of(which);
    std::vector<double> start;
    for (int i = 0; i < 21; ++i) start.push_back(std::sin(1 + i));
    Variable table = parameter(reshape(tensor(start), {7, 3}).to(dtype));
    Algorithm optimizer({table}, options_of<Options>(which));
    int compared = 0;
    for (int t = 1; t <= 100; ++t) {
      std::vector<std::int64_t> ids;
      std::vector<double> rows;
      for (int j = 0; j < 5; ++j) {
        ids.push_back((3 * t + j * j) % 7);
        for (int c = 0; c < 3; ++c) rows.push_back(std::cos(0.1 * t * (j + 1) + c) + 0.01 * j);
      }
      optimizer.zero_grad();
      sum(embedding(table, tensor(ids)) * reshape(tensor(rows), {5, 3}).to(dtype)).backward();
      REQUIRE(table.has_row_grad());
      optimizer.step();
      compared += check_parameter(which, t, 0, table.value());
    }
    REQUIRE(compared == 4);
  }
}

}  // namespace

TEST_CASE("the problem equals the one in the file") {
  for (int w = 0; w < 2; ++w) {
    const std::string end = std::to_string(w);
    CHECK(error_of(filled(w, float64, start, 0), golden().at("problem.start.p" + end)) < 1e-15);
    CHECK(error_of(filled(w, float64, slope, 100), golden().at("problem.step100.g" + end)) < 1e-14);
  }
}

TEST_CASE("SGD takes the same steps as PyTorch's") {
  check_runs<optim::SGD, optim::SGDOptions>("sgd", 20);
  check_sparse_runs<optim::SGD, optim::SGDOptions>("sparse_sgd", 10);
}

TEST_CASE("Adam takes the same steps as PyTorch's") {
  check_runs<optim::Adam, optim::AdamOptions>("adam", 22);
}

TEST_CASE("AdamW takes the same steps as PyTorch's") {
  check_runs<optim::AdamW, optim::AdamWOptions>("adamw", 22);
}

TEST_CASE("SparseAdam takes the same steps as PyTorch's") {
  check_sparse_runs<optim::SparseAdam, optim::SparseAdamOptions>("sparse_adam", 10);
}

TEST_CASE("Adagrad takes the same steps as PyTorch's") {
  check_runs<optim::Adagrad, optim::AdagradOptions>("adagrad", 22);
  check_sparse_runs<optim::Adagrad, optim::AdagradOptions>("sparse_adagrad", 10);
}

TEST_CASE("RMSprop takes the same steps as PyTorch's") {
  check_runs<optim::RMSprop, optim::RMSpropOptions>("rmsprop", 24);
}

TEST_CASE("NAdam and RAdam take the same steps as PyTorch's") {
  check_runs<optim::NAdam, optim::NAdamOptions>("nadam", 14);
  check_runs<optim::RAdam, optim::RAdamOptions>("radam", 12);
}

TEST_CASE("Adadelta takes the same steps as PyTorch's") {
  check_runs<optim::Adadelta, optim::AdadeltaOptions>("adadelta", 18);
}

TEST_CASE("clipping returns PyTorch's gradients and norms") {
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
