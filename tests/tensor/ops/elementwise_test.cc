// Broadcasting of two operands. Read next: inplace_test.cc.
#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("both operands are broadcast along the rows", "[tensor]") {
  const Tensor column = tensor({{2.0}, {3.0}, {4.0}});
  const Tensor expected = tensor({{2.0, 2.0}, {3.0, 3.0}, {4.0, 4.0}});
  CHECK(equal(expand(ones({}), {3, 2}) * column, expected));
  CHECK(equal(column * expand(ones({}), {3, 2}), expected));
  CHECK(equal(expand(column, {3, 2}) * ones({1, 1}), expected));
  CHECK(equal(expand(column, {3, 2}) == expand(column, {3, 2}), ones({3, 2}, boolean)));
  CHECK(equal(expand(tensor(1), {3, 2}) * column.to(int64), expected.to(int64)));
}

// The answers are PyTorch 1.13's.
TEST_CASE("integers to negative integer powers") {
  const Tensor base = tensor({2, -2, 1, -1, 0, 3});
  CHECK(matches(pow(base, full({}, -1)), tensor({0, 0, 1, -1, 0, 0})));
  CHECK(matches(pow(base, full({6}, -2)), tensor({0, 0, 1, 1, 0, 0})));
  CHECK(matches(pow(base, full({6}, -3)), tensor({0, 0, 1, -1, 0, 0})));
  CHECK(matches(pow(2, tensor({-1, 1})), tensor({0, 2})));
  CHECK(matches(pow(-1, tensor({-1, -2, INT64_MIN})), tensor({-1, 1, 1})));
  CHECK(matches(pow(tensor({true, false}), tensor({-1, 1})), tensor({1, 0})));
  CHECK(error_text<ValueError>([&] { pow(base, -1); }) ==
        "pow: integer to the negative power -1; convert to float32 first");
  CHECK(error_text<ValueError>([&] { pow(base == 1, -2); }) ==
        "pow: integer to the negative power -2; convert to float32 first");
  CHECK(matches(pow(base, 0), ones({6}, int64)));
}

// PyTorch refuses these, too.
TEST_CASE("powers of 1/2 and -1/2 are PyTorch's, also of -0 and -infinity", "[tensor]") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const DType dtype : {float32, float64}) {
    const Tensor x = tensor({-0.0, 0.0, -kInfinity, kInfinity, -1.0, 4.0}, dtype);
    const auto same = [&](const Tensor& y, const std::vector<double>& wanted) {
      CHECK(allclose(y.to(float64), tensor(wanted), 0, 0, true));
      for (std::int64_t i = 0; i < 2; ++i) {
        CHECK(std::signbit(y[i].item<double>()) ==
              std::signbit(wanted[static_cast<std::size_t>(i)]));
      }
    };
    same(pow(x, 0.5), {-0.0, 0.0, NAN, kInfinity, NAN, 2.0});
    same(pow(x, -0.5), {-kInfinity, kInfinity, NAN, 0.0, NAN, 0.5});
  }
}

TEST_CASE("booleans are not subtracted") {
  const Tensor x = tensor({0.5, 2.0});
  const Tensor yes = tensor({true, false});
  for (const std::string& text : {
           error_text<DTypeError>([&] { x - true; }),
           error_text<DTypeError>([&] { true - x; }),
           error_text<DTypeError>([&] {
             tensor({1, 2}) - false;
           }),
           error_text<DTypeError>([&] { sub(x, true); }),
       }) {
    CHECK(text == "sub: not defined for true and false; write 1 or 0");
  }
  for (const std::string& text : {
           error_text<DTypeError>([&] { x - yes; }),
           error_text<DTypeError>([&] { yes - 1; }),
           error_text<DTypeError>([&] { 1.5 - yes; }),
           error_text<DTypeError>([&] { yes - yes; }),
           error_text<DTypeError>([&] { full({}, true) - x; }),
       }) {
    CHECK(text == "sub: not defined for boolean; convert with to(int64), or use logical_not");
  }
  CHECK(matches(x + true, tensor({1.5, 3.0})));
  CHECK(matches(x * true, x));
}
