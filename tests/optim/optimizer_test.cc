// The common part of all optimizers: groups, rates, skipped parameters, saving, and errors.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/adadelta.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/rmsprop.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/optim/sparse_adam.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// One step of a small regression.
void fit_once(const Variable& w, const Variable& b, optim::Optimizer& optimizer, int t) {
  const Tensor x = full({1, 3}, 0.1 * t, float64);
  optimizer.zero_grad();
  sum(square(tanh(linear(x, w, b)) - 0.5)).backward();
  optimizer.step();
}

}  // namespace

TEST_CASE("a step skips frozen parameters and those without a gradient") {
  Variable used = parameter(ones({2}));
  Variable frozen = parameter(ones({2}));
  Variable unused = parameter(ones({2}));
  frozen.set_grad(ones({2}));
  frozen.set_requires_grad(false);
  optim::AdamW optimizer({used, frozen, unused}, {.lr = 0.1, .weight_decay = 0.5});
  used.set_grad(ones({2}));
  optimizer.step();
  CHECK(used.item<float>({0}) < 0.9);
  CHECK(equal(frozen.value(), ones({2})));
  CHECK(equal(unused.value(), ones({2})));
  CHECK(optimizer.state_dict().size() == 4);  // step, two moments, one rate
  optimizer.zero_grad();
  CHECK_FALSE(used.has_grad());
  CHECK_FALSE(frozen.has_grad());
  optimizer.step();  // nothing to do
}

TEST_CASE("tensors read before a step are snapshots") {
  Variable w = parameter(ones({2}));
  const Tensor before = w.value();
  optim::SGD optimizer({w}, {.lr = 1});
  w.set_grad(ones({2}));
  const Tensor gradient = w.grad();
  optim::clip_grad_norm({w}, 0.1);
  CHECK(equal(gradient, ones({2})));
  CHECK_FALSE(equal(w.grad(), gradient));
  optimizer.step();
  CHECK(equal(before, ones({2})));
  CHECK_FALSE(equal(w.value(), before));
}

TEST_CASE("clipping works in place on memory that is not shared") {
  Variable w = parameter(ones({2}));
  sum(w * 3.0).backward();
  // The pointer is only compared. A Tensor in a variable would share the memory.
  const auto memory_of = [](const Tensor& x) { return x.data<float>(); };
  const float* const memory = memory_of(w.leaf().grad.dense(w.value()));
  optim::clip_grad_norm({w}, 1.0);
  CHECK(memory_of(w.leaf().grad.dense(w.value())) == memory);
}

TEST_CASE("gradients of several backward calls add up") {
  Variable once = parameter(tensor({1.0, -2.0}, float64));
  Variable twice = parameter(tensor({1.0, -2.0}, float64));
  optim::Adam a({once}, {.lr = 0.1});
  optim::Adam b({twice}, {.lr = 0.1});
  for (int t = 0; t < 3; ++t) {
    a.zero_grad();
    b.zero_grad();
    (sum(square(once)) + sum(exp(once))).backward();
    sum(square(twice)).backward();
    sum(exp(twice)).backward();
    a.step();
    b.step();
  }
  CHECK(allclose(once.value(), twice.value(), 1e-14, 0));
}

TEST_CASE("the learning rate may be the only argument") {
  const Variable w = parameter(zeros({1}));
  CHECK(optim::Adam({w}, 0.25).lr() == 0.25);
  CHECK(optim::AdamW({w}, 0.25F).lr() == 0.25);
  CHECK(optim::SparseAdam({w}, 1).lr() == 1);
  CHECK(optim::Adagrad({w}, 0.25).lr() == 0.25);
  CHECK(optim::Adadelta({w}, 0.25).lr() == 0.25);
  CHECK(optim::RMSprop({w}, 0.25).lr() == 0.25);
  const optim::SGD sgd({w}, 0.25, 0.5);
  CHECK(sgd.lr() == 0.25);
  CHECK(sgd.momentum() == 0.5);
  CHECK(optim::SGD({w}, 0.25).momentum() == 0);
  CHECK(optim::Adam({w}, {}).lr() == 1e-3);  // empty braces are the default options
  CHECK_THROWS_AS(optim::Adam({w}, -1.0), ValueError);
}

TEST_CASE("a named parameter is used like its Variable") {
  const Variable w = parameter(tensor({3.0, 4.0}));
  std::vector<NamedParameter> list{{"w", w}};
  sum(square(list[0])).backward();
  for (NamedParameter& each : list) {
    CHECK(each.grad().norm().item() == 10);
    CHECK(each.numel() == 2);
    CHECK(each.shape() == Shape{2});
    CHECK(each.dtype() == float32);
    each.set_value(each.value() - 0.5 * each.grad());
    each.set_requires_grad(false);
  }
  CHECK(equal(w.value(), zeros({2})));
  CHECK(!list[0].requires_grad());
}

TEST_CASE("groups have their own rates and options") {
  Variable a = parameter(zeros({1}));
  Variable b = parameter(zeros({1}));
  optim::SGD optimizer({a}, {.lr = 1});
  optimizer.add_group({b}, {.lr = 0.1, .maximize = true});
  const auto step = [&] {
    a.set_grad(ones({1}));
    b.set_grad(ones({1}));
    optimizer.step();
  };
  step();
  CHECK(a.item<float>() == -1.0f);
  CHECK(b.item<float>() == 0.1f);
  CHECK(optimizer.group_count() == 2);
  CHECK(optimizer.parameters(1)[0].variable.node() == b.node());
  CHECK(optimizer.lr(0) == 1);
  CHECK(optimizer.lr(1) == 0.1);
  CHECK(optimizer.options(1).maximize);
  optimizer.set_lr(0.5, 1);
  CHECK(optimizer.lr(0) == 1);
  CHECK(optimizer.options(1).lr == 0.5);
  optimizer.set_lr(0);
  step();
  CHECK(a.item<float>() == -1.0f);
  CHECK(b.item<float>() == 0.1f);
}

TEST_CASE("training continues exactly from a saved state") {
  Generator generator(3);
  const Tensor start = randn({2, 3}, float64, generator);
  const auto ten_steps = [&](auto make, bool interrupt) {
    Variable w = parameter(start.clone());
    Variable b = parameter(zeros({2}, float64));
    auto first = make(w, b);
    for (int t = 1; t <= 5; ++t) fit_once(w, b, first, t);
    first.set_lr(0.02);
    auto second = make(w, b);
    if (interrupt) second.load_state_dict(first.state_dict());
    for (int t = 6; t <= 10; ++t) fit_once(w, b, interrupt ? second : first, t);
    return w.value();
  };
  const auto adam = [](const Variable& w, const Variable& b) {
    return optim::Adam({{"w", w}, {"b", b}}, {.lr = 0.1, .amsgrad = true});
  };
  const auto sgd = [](const Variable& w, const Variable& b) {
    return optim::SGD({w, b}, {.lr = 0.1, .momentum = 0.9, .dampening = 0.3});
  };
  CHECK(equal(ten_steps(adam, false), ten_steps(adam, true)));
  CHECK(equal(ten_steps(sgd, false), ten_steps(sgd, true)));
}

TEST_CASE("a saved state has PyTorch's names and is a copy") {
  Variable w = parameter(ones({2}));
  Variable b = parameter(ones({1}));
  optim::Adam adam({{"w", w}, {"", b}}, {.lr = 0.02, .amsgrad = true});
  w.set_grad(ones({2}));
  b.set_grad(ones({1}));
  adam.step();
  const StateDict saved = adam.state_dict();
  std::vector<std::string> names;
  for (const auto& [name, value] : saved) names.push_back(name);
  CHECK(names == std::vector<std::string>{"state.w.step", "state.w.exp_avg", "state.w.exp_avg_sq",
                                          "state.w.max_exp_avg_sq", "state.1.step",
                                          "state.1.exp_avg", "state.1.exp_avg_sq",
                                          "state.1.max_exp_avg_sq", "param_groups.0.lr"});
  CHECK(saved.at("state.w.step").item<int>() == 1);
  CHECK(saved.at("param_groups.0.lr").item<double>() == 0.02);
  const Tensor mean = saved.at("state.w.exp_avg").clone();
  adam.step();
  CHECK(equal(saved.at("state.w.exp_avg"), mean));
}

TEST_CASE("a state that does not fit is refused, and the error lists all problems") {
  Variable w = parameter(ones({2, 3}));
  Variable b = parameter(ones({3}));
  optim::Adam optimizer({{"w", w}, {"b", b}});
  w.set_grad(ones({2, 3}));
  optimizer.step();
  const StateDict before = optimizer.state_dict();
  StateDict wrong{{"state.w.step", tensor(7)},
                  {"state.w.exp_avg", ones({3, 2})},
                  {"state.b.step", tensor(0)},
                  {"state.other.step", tensor(3)},
                  {"param_groups.0.lr", tensor(-1.0)}};
  CHECK(error_text<FormatError>([&] { optimizer.load_state_dict(wrong); }) ==
        "Adam: the state does not fit this optimizer: state.w.exp_avg is float32 (3, 2) for "
        "float32 (2, 3), missing state.w.exp_avg_sq, state.b.step is not a count, "
        "param_groups.0.lr is not a learning rate, unexpected state.other.step");
  CHECK(equal(optimizer.state_dict().at("state.w.exp_avg"), before.at("state.w.exp_avg")));
  CHECK(optimizer.lr() == 1e-3);
  const auto with_step = [&](const Tensor& step) {
    StateDict changed;
    for (const auto& [key, value] : before) {
      changed.insert(key, key == "state.w.step" ? step : value);
    }
    return changed;
  };
  optimizer.load_state_dict(with_step(tensor(3.0)));  // as in PyTorch
  CHECK(equal(optimizer.state_dict().at("state.w.step"), tensor(3)));
  for (const Tensor& step : {tensor(2.5), tensor(0.0), tensor(-1), tensor({1, 2}), tensor(true),
                             tensor(std::numeric_limits<double>::quiet_NaN()),
                             tensor(std::numeric_limits<double>::infinity())}) {
    CHECK(error_text<FormatError>([&] { optimizer.load_state_dict(with_step(step)); }) ==
          "Adam: the state does not fit this optimizer: state.w.step is not a count");
  }
  optimizer.load_state_dict(before);

  optim::SGD twins({{"weight", w}, {"weight", b}}, {.lr = 1});
  CHECK(error_text<ValueError>([&] { twins.state_dict(); }) ==
        "SGD: two parameters are called 'weight', needed different names to tell their states "
        "apart");
}

TEST_CASE("lists of parameters that cannot be optimized are refused") {
  Variable w = parameter(ones({2}));
  using List = std::vector<NamedParameter>;
  CHECK(
      error_text<ValueError>([] { optim::Adam{List{}}; }) ==
      "Adam: got an empty parameter list, needed at least one parameter; model.parameters() lists "
      "what register_module() and register_parameter() registered, and check_registered(model) "
      "tells "
      "which members were not");
  CHECK(error_text<ValueError>([&] {
          optim::SGD{List{{"y", w * 2.0}}};
        }) ==
        "SGD: parameter 'y' is the result of an operation, needed a leaf; make one with "
        "parameter(tensor)");
  CHECK(error_text<ValueError>([&] { optim::SGD{List{Variable(ones({2}))}}; }) ==
        "SGD: a parameter is a constant, needed a leaf; make one with parameter(tensor)");
  CHECK(error_text<ValueError>([&] {
          optim::AdamW{List{{"a", w}, {"b", w}}};
        }) == "AdamW: parameter 'b' is listed twice, needed each parameter once and in one group");
  optim::SGD optimizer({w}, {.lr = 1});
  CHECK(error_text<ValueError>([&] {
          optimizer.add_group({{"again", w}}, {});
        }) ==
        "SGD: parameter 'again' is listed twice, needed each parameter once and in one group");
  CHECK(optimizer.group_count() == 1);
  CHECK(error_text<IndexError>([&] { optimizer.set_lr(1, 3); }) ==
        "SGD: group 3 out of range for 1 groups");
  CHECK(error_text<IndexError>([&] { optimizer.options(1); }) ==
        "SGD: group 1 out of range for 1 groups");
}

TEST_CASE("options out of range are refused") {
  Variable w = parameter(ones({2}));
  const auto sgd = [&](optim::SGDOptions o) {
    return error_text<ValueError>([&] { optim::SGD{{w}, o}; });
  };
  const auto adam = [&](optim::AdamOptions o) {
    return error_text<ValueError>([&] { optim::Adam{{w}, o}; });
  };
  CHECK(sgd({.lr = -1}) == "SGD: invalid learning rate: -1, needed a number >= 0");
  CHECK(sgd({.lr = kNan}) == "SGD: invalid learning rate: nan, needed a number >= 0");
  CHECK(sgd({.momentum = -0.5}) == "SGD: invalid momentum: -0.5, needed a number >= 0");
  CHECK(sgd({.weight_decay = -0.1}) == "SGD: invalid weight_decay: -0.1, needed a number >= 0");
  CHECK(sgd({.nesterov = true}) == "SGD: nesterov needs a momentum > 0 and no dampening");
  CHECK(sgd({.momentum = 0.9, .dampening = 0.1, .nesterov = true}) ==
        "SGD: nesterov needs a momentum > 0 and no dampening");
  CHECK(adam({.lr = -1}) == "Adam: invalid learning rate: -1, needed a number >= 0");
  CHECK(adam({.betas = {1.0, 0.9}}) == "Adam: invalid beta 0: 1, needed a number in [0, 1)");
  CHECK(adam({.betas = {0.9, -0.1}}) == "Adam: invalid beta 1: -0.1, needed a number in [0, 1)");
  CHECK(adam({.eps = -1}) == "Adam: invalid eps: -1, needed a number >= 0");
  CHECK(adam({.weight_decay = -1}) == "Adam: invalid weight_decay: -1, needed a number >= 0");
  optim::Adam optimizer({w});
  CHECK(error_text<ValueError>([&] { optimizer.set_lr(-2); }) ==
        "Adam: invalid learning rate: -2, needed a number >= 0");
  CHECK(optimizer.lr() == 1e-3);
}

TEST_CASE("a parameter that changed its type is refused before anything changes") {
  Variable a = parameter(ones({2}));
  Variable b = parameter(ones({2}));
  optim::Adam optimizer({{"a", a}, {"b", b}});
  const auto set_gradients = [&] {
    a.set_grad(ones_like(a.value()));
    b.set_grad(ones_like(b.value()));
  };
  set_gradients();
  optimizer.step();
  const Tensor before = a.value();
  b.leaf().set_value(ones({2}, float64));
  CHECK(error_text<ValueError>([&] { optimizer.step(); }) ==
        "Adam: parameter 'b' is float64 (2), but its gradient is float32 (2); call zero_grad()");
  set_gradients();
  CHECK(error_text<ValueError>([&] { optimizer.step(); }) ==
        "Adam: parameter 'b' is float64 (2), but its state is float32 (2); make a new optimizer");
  CHECK(equal(a.value(), before));
}

TEST_CASE("clipping refuses invalid options, and norms that are not finite if requested") {
  Variable w = parameter(ones({2}));
  CHECK(optim::clip_grad_norm({w}, 1.0) == 0);  // no gradient
  w.set_grad(tensor({1.0, kNan}));
  CHECK(error_text<ValueError>([&] { optim::clip_grad_norm({w}, 1.0, 2.0, true); }) ==
        "clip_grad_norm: the norm of the gradients is nan, needed a finite one; look for the "
        "parameter whose gradient is not");
  CHECK(w.grad().item<float>({0}) == 1);
  CHECK(std::isnan(optim::clip_grad_norm({w}, 1.0, std::numeric_limits<double>::infinity())));
  CHECK(std::isnan(w.grad().item<float>({0})));
  CHECK(error_text<ValueError>([&] { optim::clip_grad_norm({w}, -1.0); }) ==
        "clip_grad_norm: max_norm is -1, needed a number >= 0");
  CHECK(error_text<ValueError>([&] { optim::clip_grad_norm({w}, 1.0, kNan); }) ==
        "clip_grad_norm: norm_type is nan, needed a number");
  CHECK(error_text<ValueError>([&] { optim::clip_grad_value({w}, kNan); }) ==
        "clip_grad_value: clip_value is nan, needed a number >= 0");
}

TEST_CASE("clip_grad_norm adds squares that float32 cannot hold") {
  for (const double size : {1e20, 1e38, 1e-25}) {
    std::vector<NamedParameter> parameters;
    for (int i = 0; i < 100; ++i) {
      parameters.emplace_back(parameter(zeros({1})));
      parameters.back().variable.set_grad(full({1}, size));
    }
    CHECK(optim::clip_grad_norm(parameters, 1.0, 2.0, true) == Approx(10 * size));
    const double clipped = parameters[7].variable.grad().item<double>();
    CHECK(clipped == Approx(size > 1 ? 0.1 : size));
  }
  Variable w = parameter(zeros({2}, float64));
  w.set_grad(tensor({1e200, 1e200}, float64));
  CHECK(error_text<ValueError>([&] { optim::clip_grad_norm({w}, 1.0, 2.0, true); }) ==
        "clip_grad_norm: the norm of the gradients is inf, needed a finite one; all gradients are "
        "finite, but their norm overflows float64");
  CHECK(w.grad().item<double>({0}) == 1e200);
}

// The answers are PyTorch 1.13's.
TEST_CASE("clip_grad_norm with norms of order 0 and below") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto norm = [](const std::vector<Tensor>& gradients, double p) {
    std::vector<NamedParameter> parameters;
    for (const Tensor& gradient : gradients) {
      parameters.emplace_back(parameter(zeros_like(gradient)));
      parameters.back().variable.set_grad(gradient);
    }
    return optim::clip_grad_norm(parameters, 1.0, p);
  };
  const Tensor a = tensor({3.0, 4.0}), b = tensor({1.0, 2.0}), none = zeros({2});
  const Tensor part = tensor({0.0, 4.0}), empty = zeros({0}), bad = tensor({3.0, kNan});
  CHECK(norm({a, none}, 0) == 1);
  CHECK(norm({part, b}, 0) == 2);
  CHECK(norm({bad, b}, 0) == 2);
  CHECK(norm({empty}, 0) == 0);
  CHECK(norm({empty, b}, 0) == 1);
  CHECK(norm({a, b}, -1) == Approx(0.48));
  CHECK(norm({a, b}, -2) == Approx(0.8381163477897644));
  CHECK(norm({a, b}, -kInfinity) == 1);
  CHECK(norm({tensor({-3.0, 0.5})}, -1) == Approx(0.4285714328));
  CHECK(norm({tensor({-3.0, 0.5})}, -kInfinity) == 0.5);
  for (const double p : {-1.0, -2.0, -kInfinity}) {
    CAPTURE(p);
    CHECK(norm({}, p) == 0);
    CHECK(norm({a, none}, p) == 0);
    CHECK(norm({part, b}, p) == 0);
    CHECK(norm({empty}, p) == 0);
    CHECK(norm({empty, b}, p) == 0);
    CHECK(std::isnan(norm({bad, b}, p)));
    // The rows that a row-sparse gradient does not hold are 0.
    Variable table = parameter(ones({3, 2}));
    sum(embedding(table, tensor({0, 2}))).backward();
    CHECK(optim::clip_grad_norm({table}, 1.0, p) == 0);
    table.zero_grad();
    sum(embedding(table, tensor({0, 1, 2}))).backward();
    CHECK(optim::clip_grad_norm({table}, 1.0, p) == Approx(p == -1   ? 1.0 / 6
                                                           : p == -2 ? std::sqrt(1.0 / 6)
                                                                     : 1.0));
  }
}

TEST_CASE("clipping refuses a Variable that is not a leaf before it changes anything") {
  Variable w = parameter(ones({2}));
  w.set_grad(tensor({5.0, -5.0}));
  CHECK(error_text<AutogradError>([&] { optim::clip_grad_value({w, w * 2.0}, 1.0); }) != "");
  CHECK(equal(w.grad(), tensor({5.0, -5.0})));
  Variable empty = parameter(zeros({3, 0}));
  empty.set_grad(zeros({3, 0}));
  CHECK(optim::clip_grad_norm({empty}, 1.0, std::numeric_limits<double>::infinity()) == 0);
}
