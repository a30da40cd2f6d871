// Pruning: a user's program, PyTorch's masks, and zeros that no optimizer moves.
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "error_text.h"
#include "golden_file.h"

using namespace tapegrad;
using tapegrad::test::error_text;
namespace prune = tapegrad::nn::utils::prune;

namespace {

struct Net : nn::Module {
  nn::Embedding words;
  nn::Linear head;
  Net()
      : words(register_module("words", nn::Embedding(12, 6, {.padding_idx = 0}))),
        head(register_module("head", nn::Linear(6, 3))) {}
  Variable operator()(const Tensor& ids) const { return head(mean(words(ids), 1)); }
};

std::int64_t zeros_in(const Variable& x) { return sum(x.value() == 0).item<std::int64_t>(); }

// One training step on a batch that looks up some of the words.
template <class Optimizer>
void train(Net& net, Optimizer& optimizer, std::int64_t step) {
  const Tensor ids = tensor({{1 + step % 4, 5, 9}, {2, 2, 1 + step % 7}});
  optimizer.zero_grad();
  nn::cross_entropy(net(ids), tensor({step % 3, (step + 1) % 3})).backward();
  optimizer.step();
}

const GoldenFile& golden() {
  static const GoldenFile file("pruning.safetensors");
  return file;
}

}  // namespace

// prune, train, save; load, and train on ----------------------------------------------------------

TEST_CASE("pruning: a user's program") {
  manual_seed(1);
  Net net;
  prune::l1_unstructured(net.head, "weight", 0.5);
  prune::l1_unstructured(net, "words.weight", 0.25);
  CHECK(prune::is_pruned(net));
  CHECK(zeros_in(net.head.weight) == 9);
  CHECK(zeros_in(net.words.weight) == 18);  // with the row of padding
  const Tensor mask = prune::mask(net.head, "weight");
  CHECK(equal(net.head.weight.value() != 0, mask));

  optim::Adam adam(net.parameters(), {.lr = 0.05, .weight_decay = 0.1});
  const Tensor before = net.head.weight.value();
  for (std::int64_t i = 0; i < 20; ++i) train(net, adam, i);
  CHECK(equal(net.head.weight.value() != 0, mask));
  CHECK_FALSE(equal(net.head.weight.value(), before));
  CHECK(equal(net.head.weight.grad() != 0, mask));
  CHECK(zeros_in(net.words.weight) == 18);

  Net loaded;
  loaded.load_state_dict(net.state_dict());
  CHECK_FALSE(prune::is_pruned(loaded));
  for (const char* name : {"head.weight", "words.weight"}) {
    prune::custom_from_mask(loaded, name, net.state_dict().at(name) != 0);
    CHECK(equal(prune::mask(loaded, name), prune::mask(net, name)));
  }

  prune::remove(net.head, "weight");
  CHECK(equal(net.head.weight.value() != 0, mask));
  train(net, adam, 0);
  CHECK(zeros_in(net.head.weight) == 0);
  CHECK(prune::is_pruned(net));  // the words are
  prune::remove(net, "words.weight");
  CHECK_FALSE(prune::is_pruned(net));
}

// PyTorch -----------------------------------------------------------------------------------------

namespace {

using Step = std::function<void(nn::Module&)>;

Step l1(prune::Amount amount) {
  return [=](nn::Module& module) { prune::l1_unstructured(module, "weight", amount); };
}
Step drawn(prune::Amount amount) {
  return [=](nn::Module& module) { prune::random_unstructured(module, "weight", amount); };
}
Step structured(prune::Amount amount, double n, std::int64_t dim) {
  return [=](nn::Module& module) { prune::ln_structured(module, "weight", amount, n, dim); };
}

struct Weight : nn::Module {
  Parameter weight;
  explicit Weight(const Tensor& value) : weight(register_parameter("weight", value.clone())) {}
};

void check_masks(const std::string& name, const std::vector<Step>& steps) {
  CAPTURE(name);
  const Tensor value = golden().at(name + ".in0");
  Weight module(value);
  manual_seed(7);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    steps[i](module);
    const Tensor& mask = golden().at(name + ".mask" + std::to_string(i));
    CHECK(equal(prune::mask(module, "weight"), mask));
    CHECK(equal(module.weight.value(), where(mask, value, 0)));
  }
}

}  // namespace

TEST_CASE("pruning: the elements that PyTorch prunes") {
  check_masks("prune_l1.parts", {l1(0.3), l1(0.5), l1(0.0), l1(1.0)});
  check_masks("prune_l1.numbers", {l1(1), l1(7), l1(0), l1(37)});
  check_masks("prune_l1.halves", {l1(0.05), l1(0.15), l1(0.3125)});
  check_masks("prune_random.parts", {drawn(0.3), drawn(0.5), drawn(4)});
  check_masks("prune_random.large", {drawn(0.2), drawn(0.2)});
}

TEST_CASE("pruning: the channels that PyTorch prunes") {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const auto& [name, n] : {std::pair("one", 1.0), {"two", 2.0}, {"infinity", infinity}}) {
    const std::string start = std::string("prune_ln.") + name;
    check_masks(start + "_rows", {structured(0.3, n, 0), structured(2, n, 0)});
    check_masks(start + "_columns", {structured(0.3, n, 1), structured(0.5, n, -1)});
  }
  check_masks("prune_ln.conv", {structured(1, 2, 1), structured(0.4, 2, -1)});
  check_masks("prune_ln.after_l1", {l1(0.4), structured(3, 1, 0), structured(0.5, 2, 1)});
}

TEST_CASE("pruning: the elements of several parameters that PyTorch prunes") {
  for (const auto& [name, method] : {std::pair("prune_global.l1", prune::L1Unstructured),
                                     {"prune_global.random", prune::RandomUnstructured}}) {
    CAPTURE(name);
    std::vector<Weight> modules;
    prune::Parameters parameters;
    for (const char* role : {".in0", ".in1", ".in2"}) {
      modules.emplace_back(golden().at(name + std::string(role)));
      parameters.emplace_back(modules.back(), "weight");
    }
    l1(3)(modules[1]);
    manual_seed(7);
    prune::global_unstructured(parameters, method, 0.25);
    prune::global_unstructured(parameters, method, 20);
    for (std::size_t i = 0; i < modules.size(); ++i) {
      CHECK(equal(prune::mask(modules[i], "weight"),
                  golden().at(name + std::string(".mask") + std::to_string(i))));
    }
  }
}

TEST_CASE("pruning: the weights of PyTorch's training") {
  const auto check = [](const std::string& name, const auto& make_optimizer) {
    for (const bool fused : {true, false}) {
      CAPTURE(name, fused);
      nn::Linear linear(6, 5, {.dtype = float64});
      linear.weight.set_value(golden().at(name + ".param.weight"));
      linear.bias.set_value(golden().at(name + ".param.bias"));
      auto optimizer = make_optimizer(linear.parameters());
      optimizer.set_fused(fused);
      for (std::int64_t i = 0; i < 12; ++i) {
        if (i == 4 || i == 8) prune::l1_unstructured(linear, "weight", 0.4);
        optimizer.zero_grad();
        nn::mse_loss(linear(golden().at(name + ".in0")), golden().at(name + ".in1")).backward();
        optim::clip_grad_norm_(linear.parameters(), 0.2);
        optimizer.step();
        if (i % 4 != 3) continue;
        const Tensor& expected = golden().at(name + ".weight" + std::to_string(i + 1));
        CHECK(allclose(linear.weight.value(), expected, 1e-12, 1e-12));
        CHECK(equal(linear.weight.value() == 0, expected == 0));
      }
    }
  };
  using Parameters = std::vector<NamedParameter>;
  check("prune_training.sgd", [](const Parameters& all) {
    return optim::SGD(all, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01});
  });
  check("prune_training.adam",
        [](const Parameters& all) { return optim::Adam(all, {.lr = 0.05, .weight_decay = 0.01}); });
  check("prune_training.rmsprop",
        [](const Parameters& all) { return optim::RMSprop(all, {.lr = 0.02, .momentum = 0.5}); });
}

// Zeros stay zeros --------------------------------------------------------------------------------

namespace {

// Adds noise to every element, whatever its gradient is.
struct NoiseOptions {
  double lr = 0.1;
};
class Noise final : public optim::OptimizerWith<NoiseOptions> {
 public:
  explicit Noise(std::vector<NamedParameter> parameters) : OptimizerWith("Noise") {
    add_group(std::move(parameters), {});
  }

 private:
  void update(optim::Update& x, std::size_t) override { x.p = x.p + x.lr; }
};

template <class Optimizer>
void check_zeros_stay(Optimizer make) {
  manual_seed(2);
  Net net;
  auto optimizer = make(net.parameters());
  for (std::int64_t i = 0; i < 5; ++i) train(net, optimizer, i);  // moments of all elements
  prune::l1_unstructured(net, "words.weight", 0.5);
  prune::l1_unstructured(net, "head.weight", 0.5);
  const StateDict before = net.state_dict();
  for (std::int64_t i = 0; i < 40; ++i) train(net, optimizer, i);  // most rows have pending steps
  for (const char* name : {"words.weight", "head.weight"}) {
    const Tensor mask = prune::mask(net, name);
    const Tensor after = net.state_dict().at(name);
    CHECK(equal(masked_select(after, !mask), masked_select(before.at(name), !mask)));
    CHECK(zeros_in(Variable(masked_select(after, !mask))) ==
          sum(!mask).template item<std::int64_t>());
    CHECK_FALSE(equal(after, before.at(name)));
  }
}

}  // namespace

TEST_CASE("pruning: no optimizer moves what is pruned in the middle of training") {
  using P = std::vector<NamedParameter>;
  check_zeros_stay([](const P& p) { return optim::SGD(p, {.lr = 0.1}); });
  check_zeros_stay([](const P& p) {
    return optim::SGD(p, {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true});
  });
  check_zeros_stay([](const P& p) { return optim::Adam(p, {.lr = 0.1}); });
  check_zeros_stay([](const P& p) {
    return optim::AdamW(p, {.lr = 0.1, .weight_decay = 0.1, .amsgrad = true});
  });
  check_zeros_stay([](const P& p) {
    return optim::RMSprop(p, {.lr = 0.01, .momentum = 0.9, .centered = true});
  });
  check_zeros_stay([](const P& p) { return optim::Adagrad(p, {.lr = 0.1}); });
  check_zeros_stay([](const P& p) { return optim::Adadelta(p); });
  check_zeros_stay([](const P& p) { return optim::NAdam(p); });
  check_zeros_stay([](const P& p) { return optim::RAdam(p); });
  check_zeros_stay([](const P& p) { return optim::Lion(p, {.lr = 0.01, .weight_decay = 0.1}); });
  check_zeros_stay([](const P& p) { return Noise(p); });
}

TEST_CASE("pruning: L-BFGS, which remembers earlier steps, leaves zeros, too") {
  manual_seed(3);
  nn::Linear linear(4, 2);
  const Tensor x = randn({6, 4}), target = randn({6, 2});
  optim::LBFGS lbfgs(linear.parameters(), {.max_iter = 3});
  const auto step = [&] { lbfgs.step([&] { return nn::mse_loss(linear(x), target); }); };
  step();
  prune::l1_unstructured(linear, "weight", 5);
  const Tensor before = linear.weight.value();
  for (int i = 0; i < 3; ++i) step();
  CHECK(zeros_in(linear.weight) == 5);
  CHECK_FALSE(equal(linear.weight.value(), before));
}

TEST_CASE("pruning: the gradient of a table stays row-sparse, and grad() is 0, too") {
  Net net;
  prune::ln_structured(net, "words.weight", 2, 1, 1);  // two columns
  const Tensor mask = prune::mask(net, "words.weight");
  Variable loss = sum(square(net(tensor({{1, 5}, {5, 2}}))));
  loss.backward({.retain_graph = true});
  REQUIRE(net.words.weight.has_row_grad());
  CHECK(net.words.weight.row_grad().ids.numel() == 3);
  const Tensor rows = net.words.weight.row_grad().rows;
  CHECK(equal(rows != 0, index_select(mask, 0, net.words.weight.row_grad().ids)));
  const Variable again = grad(loss, {net.words.weight}, {.create_graph = true})[0];
  CHECK(allclose(again.value(), net.words.weight.grad()));
  CHECK(zeros_in(grad(sum(again), {net.words.weight})[0]) >= 2 * 12);
}

TEST_CASE("pruning: values that are set or loaded lose what is pruned") {
  nn::Linear linear(4, 3);
  prune::l1_unstructured(linear, "weight", 0.5);
  const Tensor mask = prune::mask(linear, "weight");
  const Tensor given = ones({3, 4});
  linear.weight.set_value(given);
  CHECK(equal(linear.weight.value(), where(mask, given, 0)));
  CHECK(equal(given, ones({3, 4})));
  linear.load_state_dict(nn::Linear(4, 3).state_dict());
  CHECK(zeros_in(linear.weight) == 6);
  linear.to(float64);
  CHECK(linear.weight.dtype() == float64);
  CHECK(equal(linear.weight.value() != 0, mask));

  // The state of an optimizer from before the pruning.
  Net net;
  optim::Adam adam(net.parameters(), {.lr = 0.1});
  for (std::int64_t i = 0; i < 3; ++i) train(net, adam, i);
  const StateDict saved = adam.state_dict();
  prune::l1_unstructured(net, "head.weight", 0.5);
  adam.load_state_dict(saved);
  train(net, adam, 0);
  CHECK(zeros_in(net.head.weight) == 9);
}

TEST_CASE("pruning: clones, tied parameters and other vocabularies") {
  Net net;
  prune::l1_unstructured(net, "words.weight", 0.5);
  Net copy = clone(net);
  CHECK(prune::is_pruned(copy));
  CHECK(equal(prune::mask(copy, "words.weight"), prune::mask(net, "words.weight")));
  prune::remove(copy, "words.weight");
  CHECK(prune::is_pruned(net));

  nn::Linear scores = net.words.as_linear();
  CHECK(equal(prune::mask(scores, "weight"), prune::mask(net, "words.weight")));

  const Tensor before = prune::mask(net, "words.weight");
  net.words.remap({0, 3, -1, 1});
  const Tensor after = prune::mask(net, "words.weight");
  CHECK(equal(select(after, 0, 1), select(before, 0, 3)));
  CHECK(equal(select(after, 0, 2), ones({6}, boolean)));
  CHECK(equal(select(after, 0, 3), select(before, 0, 1)));
}

TEST_CASE("pruning: of equal elements the first go") {
  Weight module(tensor({{1.0, -1.0, 2.0}, {-1.0, 1.0, 0.5}}));
  prune::l1_unstructured(module, "weight", 3);
  CHECK(equal(module.weight.value(), tensor({{0.0, 0.0, 2.0}, {-1.0, 1.0, 0.0}})));
  Weight rows(tensor({{1.0, 2.0}, {-2.0, 1.0}, {3.0, 0.0}}));
  prune::ln_structured(rows, "weight", 1, 1, 0);
  CHECK(equal(rows.weight.value(), tensor({{0.0, 0.0}, {-2.0, 1.0}, {3.0, 0.0}})));
}

TEST_CASE("pruning: errors") {
  nn::Linear linear(3, 2);
  const auto l1_error = [&](const std::string& name, prune::Amount amount) {
    return error_text<ValueError>([&] { prune::l1_unstructured(linear, name, amount); });
  };
  CHECK(l1_error("weights", 1) ==
        "prune::l1_unstructured: Linear(3, 2) has no parameter 'weights'; it has 'weight', 'bias'");
  CHECK(l1_error("weight", 7) ==
        "prune::l1_unstructured: amount is 7, needed a number from 0 to 6, what is not pruned yet");
  CHECK(
      l1_error("weight", -1) ==
      "prune::l1_unstructured: amount is -1, needed a number from 0 to 6, what is not pruned yet");
  CHECK(l1_error("weight", 1.5) ==
        "prune::l1_unstructured: amount is 1.500000, needed a part from 0.0 to 1.0, or an integer "
        "number of elements");
  CHECK_FALSE(l1_error("weight", std::nan("")).empty());
  CHECK(error_text<ShapeError>([&] { prune::ln_structured(linear, "bias", 1, 2, 0); }) ==
        "prune::ln_structured: 'bias' has shape (2), needed two dimensions or more; use "
        "l1_unstructured");
  CHECK(error_text<IndexError>([&] { prune::ln_structured(linear, "weight", 1, 2, 2); }) ==
        "prune::ln_structured: dim 2 out of range for shape (2, 3)");
  CHECK_THROWS_AS(prune::ln_structured(linear, "weight", 1, -1, 0), ValueError);
  CHECK(error_text<ShapeError>([&] {
          prune::custom_from_mask(linear, "weight", ones({3, 2}));
        }) ==
        "prune::custom_from_mask: the mask has shape (3, 2), needed that of 'weight', (2, 3)");
  CHECK(error_text<ValueError>([&] { prune::remove(linear, "weight"); }) ==
        "prune::remove: 'weight' of Linear(3, 2) is not pruned, needed a pruned parameter");
  CHECK_THROWS_AS(prune::global_unstructured({{linear, "weight"}, {linear, "weight"}},
                                             prune::L1Unstructured, 1),
                  ValueError);
  CHECK_THROWS_AS(prune::global_unstructured({}, prune::L1Unstructured, 0), ValueError);
  CHECK_THROWS_AS(linear.weight.row_policy().set_kept(ones({2, 3})), DTypeError);
  CHECK_THROWS_AS(linear.weight.row_policy().set_kept(ones({3, 2}, boolean)), ShapeError);
  CHECK_FALSE(prune::is_pruned(linear));
  nn::Linear nothing(3, 0);
  prune::l1_unstructured(nothing, "weight", 0.5);
  prune::ln_structured(nothing, "weight", 0.5, 2, 0);
  CHECK(prune::mask(nothing, "weight").numel() == 0);
}
