// Training that begins with one library and continues with the other. From the state of PyTorch's
// optimizers after 5 steps (golden/resume.safetensors), ours take the same steps as PyTorch's. If
// python3-torch is installed, PyTorch's optimizers also continue from our state
// (golden/check_torch.py).
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/adadelta.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/rmsprop.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/optim/sparse_adam.h>
#include <tapegrad/tensor/io/npy.h>

#include "catch.h"
#include "golden_file.h"
#include "python.h"
#include "tensor/temporary_folder.h"

using namespace tapegrad;

namespace {

constexpr int kBefore = 5;  // steps
constexpr int kAfter = 10;

using Parameters = std::vector<NamedParameter>;
using Made = std::unique_ptr<optim::Optimizer>;

// Every parameter is a group; the second one has a third of the rate.
template <class Algorithm, class Options>
std::function<Made(const Parameters&)> with(Options options) {
  return [options](const Parameters& parameters) {
    auto made = std::make_unique<Algorithm>(Parameters{parameters[0]}, options);
    Options slower = options;
    slower.lr = options.lr / 3;
    if (parameters.size() > 1) made->add_group({parameters[1]}, slower);
    return Made(std::move(made));
  };
}

struct Case {
  std::string name;  // as in make_resume.py, which has the same options
  std::function<Made(const Parameters&)> make;
};

std::vector<Case> all_cases() {
  using namespace tapegrad::optim;
  return {
      {"sgd.plain", with<SGD>(SGDOptions{.lr = 0.1, .weight_decay = 0.05})},
      {"sgd.momentum", with<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.5})},
      {"sgd.nesterov",
       with<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true})},
      {"adam.plain", with<Adam>(AdamOptions{.lr = 0.03, .weight_decay = 0.1})},
      {"adam.amsgrad", with<Adam>(AdamOptions{.lr = 0.03, .betas = {0.5, 0.8}, .amsgrad = true})},
      {"adamw.plain", with<AdamW>(AdamWOptions{.lr = 0.03, .weight_decay = 0.1})},
      {"adamw.amsgrad", with<AdamW>(AdamWOptions{.lr = 0.03, .amsgrad = true})},
      {"adagrad.plain", with<Adagrad>(AdagradOptions{
                            .lr = 0.1, .lr_decay = 0.05, .initial_accumulator_value = 0.5})},
      {"rmsprop.plain", with<RMSprop>(RMSpropOptions{.lr = 0.03, .weight_decay = 0.1})},
      {"rmsprop.momentum", with<RMSprop>(RMSpropOptions{.lr = 0.03, .momentum = 0.9})},
      {"rmsprop.centered",
       with<RMSprop>(RMSpropOptions{.lr = 0.03, .momentum = 0.5, .centered = true})},
      {"adadelta.plain", with<Adadelta>(AdadeltaOptions{.lr = 1, .rho = 0.8, .weight_decay = 0.1})},
      {"sparse_adam.plain", with<SparseAdam>(SparseAdamOptions{.lr = 0.03, .betas = {0.7, 0.9}})},
      {"sparse_sgd.momentum", with<SGD>(SGDOptions{.lr = 0.1, .momentum = 0.9})},
      {"sparse_adagrad.plain", with<Adagrad>(AdagradOptions{.lr = 0.1, .lr_decay = 0.05})},
  };
}

bool is_sparse(const std::string& name) { return name.starts_with("sparse_"); }

Tensor filled(const Shape& shape, DType dtype, const std::function<double(double)>& formula) {
  std::vector<double> elements;
  for (std::int64_t i = 0; i < shape[0] * (shape.dim() == 2 ? shape[1] : 1); ++i) {
    elements.push_back(formula(static_cast<double>(i)));
  }
  return reshape(tensor(elements), shape).to(dtype);
}

// The problem in golden/README.md, or its table.
Parameters parameters_of(const std::string& name, DType dtype) {
  const auto begin = [&](const Shape& shape, double w) {
    return parameter(filled(shape, dtype, [=](double i) { return std::sin(1 + i + 20 * w); }));
  };
  if (is_sparse(name)) return {{"p0", begin({7, 3}, 0)}};
  return {{"p0", begin({3, 4}, 0)}, {"p1", begin({5}, 1)}};
}

void set_gradients(const std::string& name, Parameters& parameters, int t) {
  for (std::size_t w = 0; w < parameters.size(); ++w) {
    Variable& x = parameters[w].variable;
    x.zero_grad();
    if (is_sparse(name)) {
      std::vector<std::int64_t> ids;
      for (int j = 0; j < 5; ++j) ids.push_back((3 * t + j * j) % 7);
      const Tensor rows = filled({5, 3}, x.dtype(), [=](double i) {
        const double j = std::floor(i / 3);
        return std::cos(0.1 * t * (j + 1) + (i - 3 * j)) + 0.01 * j;
      });
      sum(embedding(x, tensor(ids)) * Variable(rows)).backward();
    } else {
      Variable(x).set_grad(filled(x.shape(), x.dtype(), [=](double i) {
        return std::cos(0.1 * t * (i + 1) + static_cast<double>(w)) + 0.01 * i;
      }));
    }
  }
}

void go_on(const std::string& name, optim::Optimizer& optimizer, Parameters& parameters, int first,
           int last) {
  for (int t = first; t <= last; ++t) {
    set_gradients(name, parameters, t);
    optimizer.step();
  }
}

const GoldenFile& golden() {
  static const GoldenFile file("resume.safetensors");
  return file;
}

}  // namespace

TEST_CASE("our optimizers continue from PyTorch's state as PyTorch does") {
  const std::vector<Case> cases = all_cases();
  std::set<std::string> operations;
  for (const Case& each : cases) {
    operations.insert(each.name.substr(0, each.name.find('.')));
    for (const DType dtype : {float64, float32}) {
      const std::string which = each.name + (dtype == float64 ? "_f64" : "_f32");
      CAPTURE(which);
      const double tolerance = dtype == float64 ? 1e-12 : 1e-5;
      Parameters parameters = parameters_of(each.name, dtype);
      const Made optimizer = each.make(parameters);
      const auto state_at = [&](const std::string& when) {
        StateDict state;
        for (const std::string& key : golden().roles(which, when + ".")) {
          state.insert(key, golden().at(which + "." + when + "." + key));
        }
        return state;
      };
      for (const NamedParameter& parameter : parameters) {
        Variable(parameter.variable)
            .set_value(golden().at(which + ".before_" + parameter.name).clone());
      }
      optimizer->load_state_dict(state_at("before"));
      CHECK(optimizer->lr() == golden().at(which + ".before.param_groups.0.lr").item<double>());
      go_on(each.name, *optimizer, parameters, kBefore + 1, kAfter);
      for (const NamedParameter& parameter : parameters) {
        CAPTURE(parameter.name);
        CHECK(error_of(parameter.variable.value(),
                       golden().at(which + ".after_" + parameter.name)) <= tolerance);
      }
      const StateDict expected = state_at("after");
      const StateDict state = optimizer->state_dict();
      CHECK(state.size() == expected.size());
      for (const auto& [key, value] : state) {
        CAPTURE(key);
        REQUIRE(expected.contains(key));
        CHECK(error_of(value, expected.at(key)) <= tolerance);
      }
    }
  }
  CHECK(golden().operations() == operations);
}

TEST_CASE("PyTorch's optimizers continue from our state as ours do") {
  if (!test::python_has("numpy, torch")) return;
  const test::TemporaryFolder folder;
  for (const Case& each : all_cases()) {
    Parameters parameters = parameters_of(each.name, float64);
    const Made optimizer = each.make(parameters);
    go_on(each.name, *optimizer, parameters, 1, kBefore);
    optimizer->set_lr(optimizer->lr() / 2, 0);
    StateDict file = optimizer->state_dict();
    for (const NamedParameter& parameter : parameters) {
      file.insert("before_" + parameter.name, parameter.variable.value().clone());
    }
    go_on(each.name, *optimizer, parameters, kBefore + 1, kAfter);
    for (const NamedParameter& parameter : parameters) {
      file.insert("after_" + parameter.name, parameter.variable.value().clone());
    }
    save_npz(folder.file(each.name + ".npz"), file);
  }
  const test::Answer answer = test::python("check_torch.py", {"optimizers", folder.path()});
  INFO(answer.text);
  CHECK(answer.status == 0);
  CHECK(answer.text == "agrees\n");
}
