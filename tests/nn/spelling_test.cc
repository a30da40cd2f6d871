// Spellings that people who know PyTorch try first.
#include <tapegrad/tapegrad.h>

#include "catch.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
namespace F = tapegrad::nn::functional;

TEST_CASE("functions of torch.nn.functional are in nn::functional", "[nn]") {
  const tg::Variable x = tg::parameter(tg::tensor({{-1.0, 2.0}, {3.0, -4.0}}));
  const tg::Tensor labels = tg::tensor({0, 1});
  CHECK(equal(F::relu(x).value(), relu(x).value()));
  CHECK(equal(F::softmax(x, 1).value(), softmax(x, 1).value()));
  CHECK(equal(F::cross_entropy(x, labels).value(), nn::cross_entropy(x, labels).value()));
  const tg::Tensor half = tg::full({2, 2}, 0.5);
  CHECK(equal(F::binary_cross_entropy(half, half).value(), nn::bce_loss(half, half).value()));
  CHECK(equal(F::one_hot(labels), tg::tensor({{1, 0}, {0, 1}})));
}

TEST_CASE("shapes without braces, numbers on both sides, ids without classes", "[nn]") {
  CHECK(tg::zeros(3, 2).shape() == tg::Shape{3, 2});
  CHECK(equal(tg::ones(2, 3), tg::ones({2, 3})));
  const tg::Tensor x = tg::tensor({-1.0, 2.0});
  CHECK(equal(tg::where(x > 0, 1.0, 0.0), tg::tensor({0.0, 1.0})));
  CHECK(tg::where(x > 0, 1, 0).dtype() == tg::int64);
  CHECK(tg::where(x > 0, 1, 0.5).dtype() == tg::float32);
  CHECK(equal(tg::one_hot(tg::tensor({2, 0})), tg::tensor({{0, 0, 1}, {1, 0, 0}})));
  CHECK_THROWS_AS(tg::one_hot(tg::zeros({0}, tg::int64)), tg::ValueError);
  tg::Generator a(1), b(1);
  CHECK(equal(tg::randint(10, {5}, a), tg::randint(0, 10, {5}, b)));
}

TEST_CASE("grad of one Variable, of a list and of a vector", "[nn]") {
  const tg::Variable w = tg::parameter(tg::tensor({1.0, 2.0})), v = tg::parameter(tg::tensor(3.0));
  const auto loss = [&] { return sum(w * w * v); };
  const tg::Variable one = tg::grad(loss(), w);
  CHECK(equal(one.value(), tg::tensor({6.0, 12.0})));
  const std::vector<tg::Variable> list = tg::grad(loss(), {w});
  CHECK(equal(list.at(0).value(), one.value()));
  const std::vector<tg::Variable> both = tg::grad(loss(), {w, v});
  CHECK(equal(both.at(1).value(), tg::tensor(5.0)));
  const std::vector<tg::Variable> inputs = {w, v};
  CHECK(tg::grad(loss(), inputs).size() == 2);
}

TEST_CASE("optimizers take Variables and Parameters in braces", "[nn]") {
  nn::Linear layer(2, 1);
  tg::Variable w = tg::parameter(tg::ones({2}));
  tg::optim::SGD of_layer({layer.weight, layer.bias}, {.lr = 1});
  tg::optim::SGD of_variables({w}, {.lr = 1});
  sum(layer(tg::ones({1, 2})) * sum(w)).backward();
  CHECK(tg::optim::clip_grad_norm_({w}, 1e9) > 0);
  tg::optim::clip_grad_value_({w}, 0.25);
  const tg::Tensor before = layer.bias.value();
  of_layer.step();
  of_variables.step();
  CHECK(!equal(before, layer.bias.value()));
  CHECK(allclose(w.value(), tg::ones({2}) - w.grad()));
  nn::Parameter same = layer.weight;
  CHECK(same.defined());
}
