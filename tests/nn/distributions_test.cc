// Distributions: formulas, gradients, the frequencies of draws, and limits such as probabilities of
// 0 and 1.
#include <cmath>
#include <limits>
#include <numbers>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/nn/distributions.h>

#include "catch.h"
#include "error_text.h"

using namespace tapegrad;
using distributions::Bernoulli;
using distributions::Categorical;
using distributions::Normal;
using tapegrad::test::error_text;

namespace {

bool near(const Variable& a, const Tensor& b, double tolerance = 1e-12) {
  return a.shape() == b.shape() && allclose(a.value(), b, tolerance, tolerance);
}

}  // namespace

TEST_CASE("Categorical: probabilities, entropy and divergence") {
  const Tensor p = tensor({{0.1, 0.2, 0.7}, {0.0, 0.5, 0.5}}, float64);
  const Categorical from_probs = Categorical::from_probs(Variable(p * 3));
  CHECK(near(from_probs.probs(), p));
  CHECK(near(from_probs.log_prob(tensor({2, 1})), tensor({std::log(0.7), std::log(0.5)}, float64)));
  CHECK(near(from_probs.log_prob(tensor(1)), tensor({std::log(0.2), std::log(0.5)}, float64)));
  const double first = -(0.1 * std::log(0.1) + 0.2 * std::log(0.2) + 0.7 * std::log(0.7));
  CHECK(near(from_probs.entropy(), tensor({first, std::log(2.0)}, float64)));
  const Categorical even(Variable(zeros({3}, float64)));
  CHECK(near(kl_divergence(from_probs, even),
             tensor({std::log(3.0) - first, std::log(3.0) - std::log(2.0)}, float64)));
  CHECK(gradcheck(
      [](const Variable& x) {
        const Categorical d(x);
        return sum(d.entropy()) + sum(d.log_prob(tensor({0, 2}))) +
               sum(kl_divergence(d, Categorical(square(x))));
      },
      {tensor({{0.3, -0.4, 1.0}, {2.0, 0.1, -1.0}}, float64)}, {.second_order = true}));
}

TEST_CASE("draws have the frequencies of the probabilities") {
  Generator generator(12);
  const Categorical categorical(
      Variable(expand(log(tensor({0.1, 0.6, 0.3}, float64)), {20000, 3})));
  const Tensor counts = bincount(categorical.sample(generator), Tensor(), 3);
  CHECK(allclose(counts.to(float64) / 20000, tensor({0.1, 0.6, 0.3}, float64), 0, 0.015));
  const Normal normal(Variable(full({40000}, 2.0, float64)), Variable(full({}, 0.5, float64)));
  const Tensor drawn = normal.sample(generator);
  CHECK_THAT(mean(drawn).item(), Catch::Matchers::WithinAbs(2, 0.02));
  CHECK_THAT(stddev(drawn).item(), Catch::Matchers::WithinAbs(0.5, 0.02));
  const Bernoulli bernoulli = Bernoulli::from_probs(Variable(full({20000}, 0.3, float64)));
  CHECK_THAT(mean(bernoulli.sample(generator)).item(), Catch::Matchers::WithinAbs(0.3, 0.015));
  CHECK(Categorical(Variable(zeros({0, 3}))).sample(generator).shape() == Shape{0});
  CHECK(Categorical(Variable(zeros({3}))).sample(generator).shape() == Shape{});
}

TEST_CASE("Normal: density, entropy, divergence, and gradients through draws") {
  const Normal d(Variable(tensor({1.0, -2.0}, float64)), Variable(full({}, 0.5, float64)));
  const double half_log = 0.5 * std::log(2 * std::numbers::pi);
  CHECK(near(d.log_prob(full({}, 1.0, float64)),
             tensor({-half_log - std::log(0.5), -18 - half_log - std::log(0.5)}, float64)));
  CHECK(near(d.entropy(), full({2}, 0.5 + half_log + std::log(0.5), float64)));
  const Normal standard(Variable(zeros({}, float64)), Variable(ones({}, float64)));
  // (scale^2 + loc^2 - 1) / 2 - log(scale)
  CHECK(near(
      kl_divergence(d, standard),
      tensor({(0.25 + 1 - 1) / 2 + std::log(2.0), (0.25 + 4 - 1) / 2 + std::log(2.0)}, float64)));
  const Variable loc = parameter(zeros({3}, float64)), scale = parameter(ones({3}, float64));
  Generator first(1), second(1);
  const Variable y = Normal(loc, scale).rsample(first);
  const Tensor noise = randn({3}, float64, second);
  sum(y).backward();
  CHECK(equal(loc.grad(), ones({3}, float64)));
  CHECK(equal(scale.grad(), noise));
  CHECK_FALSE(Variable(Normal(loc, scale).sample(first)).requires_grad());
  CHECK(gradcheck(
      [](const Variable& x) {
        const Normal p(x, exp(x));
        return sum(p.log_prob(0.3 * x)) + sum(p.entropy()) +
               sum(kl_divergence(p, Normal(square(x), exp(-x))));
      },
      {tensor({0.3, -0.4}, float64)}, {.second_order = true}));
}

TEST_CASE("Bernoulli: also of probabilities 0 and 1") {
  const Bernoulli d = Bernoulli::from_probs(Variable(tensor({0.25, 0.0, 1.0}, float64)));
  CHECK(near(d.probs(), tensor({0.25, 0.0, 1.0}, float64)));
  CHECK(near(d.log_prob(Variable(tensor({1.0, 0.0, 1.0}, float64))),
             tensor({std::log(0.25), 0.0, 0.0}, float64)));
  CHECK(d.log_prob(Variable(ones({3}, float64))).value()[1].item() ==
        -std::numeric_limits<double>::infinity());
  const double entropy = -0.25 * std::log(0.25) - 0.75 * std::log(0.75);
  CHECK(near(d.entropy(), tensor({entropy, 0.0, 0.0}, float64)));
  const Bernoulli even(Variable(zeros({}, float64)));
  CHECK(near(kl_divergence(d, even),
             tensor({std::log(2.0) - entropy, std::log(2.0), std::log(2.0)}, float64)));
  CHECK(gradcheck(
      [](const Variable& x) {
        const Bernoulli p(x);
        return sum(p.log_prob(Variable(tensor({1.0, 0.0}, float64)))) + sum(p.entropy()) +
               sum(kl_divergence(p, Bernoulli(square(x))));
      },
      {tensor({0.3, -0.4}, float64)}, {.second_order = true}));
}

TEST_CASE("distributions: errors") {
  CHECK(error_text<ShapeError>([] { Categorical(Variable(full({}, 1.0))); }) ==
        "Categorical: logits are (), needed (..., classes) with at least one class");
  CHECK_THROWS_AS(Categorical(Variable(zeros({2, 0}))), ShapeError);
  CHECK_THROWS_AS(Categorical(Variable(tensor({1, 2}))), DTypeError);
  CHECK_THROWS_AS(Categorical::from_probs(Variable(tensor({-0.1, 1.1}))), ValueError);
  CHECK(error_text<ValueError>([] {
          Categorical::from_probs(Variable(tensor({{0.5, 0.5}, {0.0, 0.0}})));
        }) == "Categorical: the probabilities of a distribution have no positive sum");
  CHECK_THROWS_AS(Categorical::from_probs(Variable(tensor({0.0, 0.0}))), ValueError);
  const Tensor rows_of_two = tensor({{{0.0, 0.0}, {1.0, 1.0}}, {{0.5, 0.5}, {0.5, 0.5}}});
  CHECK_THROWS_AS(Categorical::from_probs(Variable(rows_of_two)), ValueError);
  CHECK_THROWS_AS(Categorical::from_probs(Variable(full({}, 0.0))), ShapeError);
  CHECK(error_text<ValueError>([] {
          Normal(Variable(zeros({2})), Variable(tensor({1.0, 0.0}).to(float32)));
        }) == "Normal: a scale is not above 0; exp() or softplus() make it positive");
  CHECK_THROWS_AS(Bernoulli::from_probs(Variable(tensor({1.5}))), ValueError);
  CHECK_THROWS_AS(Categorical(Variable(zeros({2, 3}))).log_prob(tensor({0.0, 1.0})), DTypeError);
  CHECK_THROWS_AS(Categorical(Variable(zeros({2, 3}))).log_prob(tensor({0, 3})), IndexError);
}
