// The derivatives of functions against formulas, against each other, and their errors.
#include <tapegrad/autograd/functional.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"

namespace tapegrad {

using test::error_text;

namespace {

Variable bent(const Variable& x) {
  return tanh(matmul(Tensor(arange(6).reshape(2, 3)).to(float64), x));
}
Variable scalar(const Variable& x) { return sum(x * x * x) + prod(x); }
bool close(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && allclose(a, b, 1e-10, 1e-12);
}

}  // namespace

TEST_CASE("jacobian and hessian are those of the formulas", "[autograd]") {
  const Tensor x = tensor({0.1, -0.2, 0.3}, float64);
  const Tensor m = arange(6).reshape(2, 3).to(float64);
  const Tensor y = tanh(matmul(m, x));
  CHECK(close(jacobian(bent, x), unsqueeze(1 - square(y), 1) * m));
  CHECK(close(jacobian([](const Variable& v) { return square(v); }, tensor({{1.0, 2.0}}, float64)),
              tensor({{{{2.0, 0.0}}, {{0.0, 4.0}}}}, float64)));
  // d2/dx2 of x^3 + y^3 + z^3 + x y z
  const double a = 0.1, b = -0.2, c = 0.3;
  CHECK(close(hessian(scalar, x), tensor({{6 * a, c, b}, {c, 6 * b, a}, {b, a, 6 * c}}, float64)));
  CHECK(tape().size() == 0);
}

TEST_CASE("products with vectors are those with the matrices", "[autograd]") {
  Generator generator(2);
  const Tensor x = randn({3}, float64, generator) * 0.3;
  const Tensor v = randn({3}, float64, generator), u = randn({2}, float64, generator);
  const Tensor j = jacobian(bent, x);
  CHECK(close(vjp(bent, x, u).product, matmul(u, j)));
  CHECK(close(vjp(bent, x, u).output, bent(x).value()));
  CHECK(close(jvp(bent, x, v).product, matmul(j, v)));
  CHECK(close(jvp(bent, x, v).output, bent(x).value()));
  CHECK(close(hvp(scalar, x, v).product, matmul(hessian(scalar, x), v)));
  CHECK(close(vjp(scalar, x).product, jacobian(scalar, x)));
  CHECK(tape().size() == 0);
}

TEST_CASE("a result that does not depend on x has the derivative 0", "[autograd]") {
  const Tensor x = ones({2}, float64);
  const auto constant = [](const Variable&) { return Variable(tensor({3.0}, float64)); };
  CHECK(close(jacobian(constant, x), zeros({1, 2}, float64)));
  CHECK(close(hessian(constant, x), zeros({2, 2}, float64)));
  CHECK(close(hessian([](const Variable& v) { return sum(v); }, x), zeros({2, 2}, float64)));
  CHECK(close(jvp(constant, x, x).product, zeros({1}, float64)));
  CHECK(close(hvp([](const Variable& v) { return sum(v); }, x, x).product, zeros({2}, float64)));
  CHECK(close(jacobian([](const Variable& v) { return v; }, zeros({0}, float64)),
              zeros({0, 0}, float64)));
}

TEST_CASE("derivatives of functions: errors", "[autograd]") {
  const Tensor x = ones({2}, float64);
  CHECK(error_text<DTypeError>([&] {
          jacobian(scalar, tensor({1, 2}));
        }) == "jacobian: x is int64, needed a floating-point type; convert it with to(float32)");
  CHECK(error_text<ShapeError>([&] { hessian([](const Variable& v) { return v; }, x); }) ==
        "hessian: the function returned (2), needed one element, such as a sum; use jacobian for "
        "several");
  CHECK(error_text<ShapeError>([&] { hvp(scalar, x, ones({3}, float64)); }) ==
        "hvp: v is (3), needed (2), the shape of x");
  CHECK_THROWS_AS(vjp([](const Variable& v) { return v; }, x), ShapeError);
  const NoGrad guard;  // zeros would be a wrong answer without a word
  CHECK(error_text<AutogradError>([&] { jacobian(scalar, x); }) ==
        "jacobian: recording is off, so no derivative would be found; call it where no NoGrad "
        "exists");
  CHECK_THROWS_AS(hessian(scalar, x), AutogradError);
  CHECK_THROWS_AS(vjp(scalar, x), AutogradError);
  CHECK_THROWS_AS(jvp(scalar, x, x), AutogradError);
  CHECK_THROWS_AS(hvp(scalar, x, x), AutogradError);
}

}  // namespace tapegrad
