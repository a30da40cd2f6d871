// Tests of grad(): the order of its results, unused inputs, what it consumes, and higher
// derivatives. Read next: overwritten_values_test.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"

namespace tapegrad {

using test::error_text;

TEST_CASE("grad() returns gradients in the order of its inputs and changes no leaf's grad()",
          "[autograd]") {
  const Variable a = parameter(tensor({1.0, 2.0}, float64));
  const Variable b = parameter(tensor({3.0, 5.0}, float64));
  const Variable y = a * b;
  const Variable loss = sum(y * y);
  const auto gradients = grad(loss, {b, y, a, b}, {.retain_graph = true});
  REQUIRE(gradients.size() == 4);
  CHECK(equal(gradients[0].value(), 2.0 * y.value() * a.value()));
  CHECK(equal(gradients[1].value(), 2.0 * y.value()));
  CHECK(equal(gradients[2].value(), 2.0 * y.value() * b.value()));
  CHECK(equal(gradients[3].value(), gradients[0].value()));
  for (const Variable& gradient : gradients) CHECK_FALSE(gradient.requires_grad());
  CHECK_FALSE(a.has_grad());
  CHECK_FALSE(b.has_grad());

  SECTION("independent of the gradients that backward() has added") {
    loss.backward({.retain_graph = true});
    const Tensor before = a.grad().clone();
    grad(loss, {a});
    CHECK(equal(a.grad(), before));
  }
  SECTION("weighted by grad_output") {
    const auto weighted = grad(y, {a}, {.grad_output = tensor({10.0, 0.0}, float64)});
    CHECK(equal(weighted[0].value(), tensor({30.0, 0.0}, float64)));
    CHECK(error_text<AutogradError>([&] { grad(y, {a}); }) ==
          "grad: the output has shape (2), needed one element; reduce it with sum() or mean(), or "
          "pass a gradient of its shape");
    CHECK(error_text<ShapeError>([&] { grad(y, {a}, {.grad_output = ones({3})}); }) ==
          "grad: got a gradient of shape (3), needed the output's shape (2)");
  }
}

TEST_CASE("grad() says which input is not used", "[autograd]") {
  const Variable a = parameter(tensor({1.0, 2.0}));
  const Variable unused = parameter(ones({2}));
  const Variable aside = unused * 2.0;
  const Variable loss = sum(exp(a));
  CHECK(error_text<AutogradError>([&] {
          grad(loss, {a, unused}, {.retain_graph = true});
        }) ==
        "grad: the output does not depend on input 1; to allow this, pass {.allow_unused = true}");
  CHECK(error_text<AutogradError>([&] {
          grad(loss, {a, Variable(ones({2}))});
        }) == "grad: input 1 does not require a gradient; make it with parameter()");
  const auto gradients =
      grad(loss, {unused, a, aside}, {.retain_graph = true, .allow_unused = true});
  CHECK_FALSE(gradients[0].defined());
  CHECK(equal(gradients[1].value(), exp(a.value())));
  CHECK_FALSE(gradients[2].defined());
  CHECK(grad(loss, {unused}, {.allow_unused = true}).size() == 1);
  CHECK(grad(loss, {a}).size() == 1);  // the call for `unused` consumed nothing
}

TEST_CASE("grad() fires and consumes only entries that its inputs need", "[autograd]") {
  const Variable a = parameter(tensor(2.0));
  const Variable b = parameter(tensor(3.0));
  const Variable left = square(a);
  int fired = 0;
  left.register_hook([&](const Variable&) { ++fired; });
  const Variable middle = left * b;
  const Variable loss = square(middle);
  CHECK(grad(loss, {middle}, {.retain_graph = true})[0].item<float>() == 24.0F);
  CHECK(fired == 0);
  CHECK(grad(loss, {b})[0].item<float>() == 96.0F);  // fires square and mul, not the left square
  CHECK(fired == 0);
  CHECK_THROWS_AS(loss.backward(), AutogradError);
  left.backward();
  CHECK(a.grad().item<float>() == 4.0F);
}

// Higher derivatives ------------------------------------------------------------------------------

TEST_CASE("gradients recorded by create_graph can be differentiated again, and again",
          "[autograd]") {
  const Variable x = parameter(tensor({0.5, -1.5}, float64));
  const auto derivative = [&](const Variable& y) {
    return grad(sum(y), {x}, {.create_graph = true})[0];
  };
  const Variable first = derivative(square(x) * square(x));  // x^4
  const Variable second = derivative(first);
  const Variable third = derivative(second);
  const Variable fourth = derivative(third);
  CHECK(allclose(first.value(), 4.0 * pow(x.value(), 3)));
  CHECK(allclose(second.value(), 12.0 * pow(x.value(), 2)));
  CHECK(allclose(third.value(), 24.0 * x.value()));
  CHECK(allclose(fourth.value(), full({2}, 24.0, float64)));
  CHECK_FALSE(x.has_grad());

  const Tensor t = tanh(x.value());
  const Variable slope = derivative(tanh(x));
  const Variable curvature = derivative(slope);
  CHECK(allclose(slope.value(), 1.0 - t * t));
  CHECK(allclose(curvature.value(), -2.0 * t * (1.0 - t * t)));
  CHECK(allclose(derivative(curvature).value(), (1.0 - t * t) * (6.0 * t * t - 2.0)));
}

TEST_CASE("a penalty on the gradient trains through backward()", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}, float64));
  const Variable y = sum(w * w * w);
  const Variable slope = grad(y, {w}, {.create_graph = true})[0];
  (y + sum(square(slope))).backward();  // w^3 + 9 w^4
  const Tensor v = w.value();
  CHECK(allclose(w.grad(), 3.0 * v * v + 36.0 * v * v * v));
}

TEST_CASE("a gradient that does not depend on the inputs has no second derivative", "[autograd]") {
  const Variable x = parameter(tensor(3.0));
  const Variable first = grad(x * 2.0, {x}, {.create_graph = true})[0];
  CHECK_FALSE(first.requires_grad());
  CHECK_THROWS_AS(grad(first, {x}), AutogradError);
}

}  // namespace tapegrad
