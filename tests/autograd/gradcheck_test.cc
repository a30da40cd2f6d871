// Tests of gradcheck() itself: its arguments, the mistakes that it finds, its messages. Read next:
// op_cases.cc.
#include <sstream>
#include <string>
#include <vector>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"

namespace tapegrad {
namespace {

using test::error_text;

Variable cube(const Variable& x) {
  return record("cube", x.value() * x.value() * x.value(),
                from(x, [x](const Variable& dy) { return dy * 3.0 * x * x; }));
}

// x^3 with a wrong factor in its derivative.
Variable wrong_cube(const Variable& x) {
  return record("wrong_cube", x.value() * x.value() * x.value(),
                from(x, [x](const Variable& dy) { return dy * 2.0 * x * x; }));
}

// The right derivative, but it cannot be differentiated again: its rule uses x as a constant.
Variable cut_cube(const Variable& x) {
  return record("cut_cube", x.value() * x.value() * x.value(),
                from(x, [x = x.detach()](const Variable& dy) { return dy * 3.0 * x * x; }));
}

// Gradients at the wrong elements, which a plain sum of the outputs would not detect.
Variable flipped(const Variable& x) {
  return record("flipped", x.value().clone(),
                from(x, [](const Variable& dy) { return flip(dy, 0); }));
}

// A rule that reads dy as if it were contiguous.
Variable assumes_contiguous(const Variable& x) {
  return record("assumes_contiguous", x.value().clone(), from(x, [](const Variable& dy) {
                  const double* first = dy.value().data<double>();
                  return Variable(tensor(std::vector<double>(first, first + dy.numel())));
                }));
}

}  // namespace

TEST_CASE("gradcheck prints 1 for a right gradient", "[autograd]") {
  std::ostringstream out;
  out << gradcheck([](auto& v) { return cube(v[0]); }, {randn({2, 3}, float64)}) << '\n';
  CHECK(out.str() == "1\n");
}

TEST_CASE("gradcheck finds a wrong gradient and says where", "[autograd]") {
  const Tensor x = tensor({{0.0, 2.0}, {1.0, 0.0}}, float64);
  const auto wrong = [](auto& v) { return wrong_cube(v[0] * v[1]); };
  const std::string text = error_text<AutogradError>([&] {
    gradcheck(wrong, {ones({2, 2}, float64), x});
  });
  CAPTURE(text);
  CHECK(text.rfind("gradcheck: input 0, element 1 of (2, 2): numerical ", 0) == 0);
  CHECK(text.find(", analytical ") != std::string::npos);
  CHECK(text.ends_with("; check the rule of this input"));
  CHECK_FALSE(gradcheck(wrong, {ones({2, 2}, float64), x}, {.raise_exception = false}));
  CHECK(tape().size() == 0);
}

TEST_CASE("gradcheck finds gradients at the wrong elements", "[autograd]") {
  CHECK(error_text<AutogradError>([] {
          gradcheck([](auto& v) { return flipped(v[0]); }, {ones({4}, float64)});
        }).rfind("gradcheck: input 0, element 0", 0) == 0);
}

TEST_CASE("gradcheck passes non-contiguous gradients to rules", "[autograd]") {
  const std::string text = error_text<AutogradError>(
      [] { gradcheck([](auto& v) { return assumes_contiguous(v[0]); }, {ones({4}, float64)}); });
  CHECK(text.find(" (of a strided output gradient)") != std::string::npos);
}

TEST_CASE("gradgradcheck finds rules that cannot be differentiated", "[autograd]") {
  const Tensor x = tensor({0.5, -1.5}, float64);
  const auto cut = [](auto& v) { return cut_cube(v[0]); };
  CHECK(gradcheck(cut, {x}));
  const std::string text = error_text<AutogradError>([&] { gradgradcheck(cut, {x}); });
  CHECK(text.rfind("gradgradcheck: input 0, element 0 of (2): numerical ", 0) == 0);
  CHECK_FALSE(gradcheck(cut, {x}, {.raise_exception = false, .second_order = true}));
  CHECK(gradcheck([](auto& v) { return cube(v[0]); }, {x}, {.second_order = true}));
}

TEST_CASE("gradcheck takes several inputs and outputs", "[autograd]") {
  const auto several = [](std::vector<Variable>& v) {
    const Variable product = v[0] * v[1];
    return std::vector<Variable>{product, exp(product) + v[0], Variable(ones({3}, int64)),
                                 Variable(ones({2}, float64)), v[1]};
  };
  const Tensor a = tensor({{0.5}, {1.5}}, float64);
  const Tensor b = tensor({0.3, -0.7, 1.1}, float64);
  CHECK(gradcheck(several, {a, b}, {.second_order = true}));
  // Integers pass through as constants.
  CHECK(gradcheck([](auto& v) { return index_select(v[0], 0, v[1].value()); },
                  {b, tensor({2, 0, 2})}, {.second_order = true}));
}

TEST_CASE("gradcheck finds a missing gradient", "[autograd]") {
  CHECK(error_text<AutogradError>([] {
          gradcheck([](auto& v) { return v[0].detach() * 2.0; }, {ones({2}, float64)});
        }).rfind("gradcheck: input 0, element 0 of (2): numerical ", 0) == 0);
}

TEST_CASE("gradcheck throws for inputs that it cannot check", "[autograd]") {
  const auto function = [](auto& v) { return v[0] * 2.0; };
  CHECK(error_text<DTypeError>([&] { gradcheck(function, {ones({2})}); }) ==
        "gradcheck: input 0 is float32, needed float64, because float32 differences are mostly "
        "rounding errors; "
        "convert with to(float64)");
  CHECK(error_text<DTypeError>([&] { gradgradcheck(function, {ones({2})}); }) ==
        "gradgradcheck: input 0 is float32, needed float64, because float32 differences are mostly "
        "rounding errors; convert with to(float64)");
  CHECK(error_text<ValueError>([&] { gradcheck(function, {ones({2}, int64)}); }) ==
        "gradcheck: got no float64 input, needed at least one; convert with to(float64)");
}

TEST_CASE("gradcheck does not change its inputs, the tape or the generator", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}, float64));
  const Tensor before = w.value();
  manual_seed(7);
  const Tensor expected = randn({5});
  manual_seed(7);
  CHECK(gradcheck([](auto& v) { return cube(v[0]); }, {w}, {.second_order = true}));
  CHECK(equal(randn({5}), expected));
  CHECK(equal(before, tensor({1.0, 2.0}, float64)));
  CHECK(w.value().shares_memory_with(before));
  CHECK_FALSE(w.has_grad());
  CHECK(tape().size() == 0);
}

TEST_CASE("gradcheck takes functions of one, two and three Variables", "[autograd]") {
  Generator generator(3);
  const Tensor x = randn({2, 2}, float64, generator);
  CHECK(gradcheck([](const Variable& a) { return a * a; }, {x}));
  CHECK(gradcheck([](const Variable& a, const Variable& b) { return a * b; }, {x, x + 1}));
  CHECK(gradcheck([](const Variable& a, const Variable& b, Variable c) { return a * b + c; },
                  {x, x + 1, x - 1}));
  CHECK_THROWS_AS(gradcheck([](const Variable& a) { return flipped(a); }, {x}), AutogradError);
}

}  // namespace tapegrad
