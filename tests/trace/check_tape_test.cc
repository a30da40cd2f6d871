// check_tape() finds planted mistakes and names the operation. Read next:
// autograd/trace/check_tape.h.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/autograd/trace/check_tape.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/nn/rnn_cell.h>

#include <sstream>
#include <string>

#include "catch.h"

namespace tg = tapegrad;
using tg::Variable;

namespace {

enum class Mistake { none, sign, factor, missing, broadcast, transposed };

// An elementwise product whose rule for b has the mistake.
Variable product(const Variable& a, const Variable& b, Mistake mistake) {
  return record("product", mul(a.value(), b.value()),
                from(a, [b](const Variable& dy) { return dy * b; }),
                from(b, [a, mistake, n = b.numel()](const Variable& dy) {
                  const Variable right = dy * a;
                  if (mistake == Mistake::sign) return -right;
                  if (mistake == Mistake::factor) return right * 2.0;
                  if (mistake == Mistake::missing) return Variable();
                  // The mean over the rows that b was broadcast to, not their sum.
                  if (mistake == Mistake::broadcast) return mean(right, {0});
                  return right;
                }));
}

}  // namespace

TEST_CASE("check_tape agrees with right rules, also of layers") {
  tg::manual_seed(1);
  const tg::nn::Embedding table(5, 3);
  const tg::nn::LSTMCell cell(3, 2);
  const tg::nn::Linear head(2, 2);
  const tg::TapeCheck check = tg::check_tape([&] {
    const Variable x = table(tg::tensor({{1, 2}, {2, 4}}));
    auto state = cell.initial_state(2);
    for (std::int64_t t = 0; t < 2; ++t) state = cell(select(x, 1, t), state);
    return tg::nn::cross_entropy(head(state.h), tg::tensor({0, 1}));
  });
  INFO(check);
  CHECK(check.passed);
  CHECK(check.faults.empty());
  CHECK(check.elements > 60);
  CHECK(table.weight.dtype() == tg::float32);
  CHECK_FALSE(table.weight.has_grad());
}

TEST_CASE("check_tape names the operation with a wrong rule, and its argument") {
  tg::manual_seed(2);
  const Variable w = tg::parameter(tg::randn({3})), v = tg::parameter(tg::randn({4, 3}));
  for (const auto& [mistake, factor] : {std::pair(Mistake::sign, -1.0),
                                        {Mistake::factor, 2.0},
                                        {Mistake::missing, 0.0},
                                        {Mistake::broadcast, 0.25}}) {
    const tg::TapeCheck check = tg::check_tape(
        [&, wrong = mistake] { return sum(tanh(product(sigmoid(v), exp(w), wrong)) * v); });
    INFO(check);
    CHECK_FALSE(check.passed);
    REQUIRE(check.faults.size() == 1);
    CHECK(check.faults[0].operation == "product");
    CHECK(check.faults[0].entry == 2);
    CHECK(check.faults[0].input == 1);
    CHECK(check.faults[0].gradient ==
          Approx(factor * check.faults[0].difference).epsilon(1e-3).margin(1e-9));
  }
}

TEST_CASE("check_tape: the fault in words") {
  const Variable a = tg::parameter(tg::tensor(2.0)), b = tg::parameter(tg::tensor(3.0));
  std::ostringstream out;
  out << tg::check_tape([&] { return square(product(a, b, Mistake::sign)); });
  CHECK(out.str() ==
        "product (#0): the gradient of argument 2, element 0, is -24, but finite differences give "
        "24; the sign is wrong\n");
  std::ostringstream good;
  good << tg::check_tape([&] { return square(product(a, b, Mistake::none)); });
  CHECK(good.str() == "4 elements of gradients agree with finite differences\n");
}

TEST_CASE("check_tape: data in float32 is checked in float32") {
  const Variable w = tg::parameter(tg::tensor({{0.5F, -1.0F}}));
  const tg::Tensor x = tg::tensor({{1.0F, 2.0F}});
  const auto right = tg::check_tape([&] { return sum(square(linear(tg::Variable(x), w, {}))); });
  CHECK(right.passed);
  CHECK_FALSE(right.in_float64);
  const auto wrong = tg::check_tape([&] {
    return sum(square(
        product(linear(tg::Variable(x), w, {}), linear(tg::Variable(x), w, {}), Mistake::factor)));
  });
  CHECK_FALSE(wrong.passed);
}

TEST_CASE("check_tape gives leaves back as they were, also after an exception") {
  Variable w = tg::parameter(tg::tensor({1.0F, 2.0F}));
  w.set_grad(tg::tensor({5.0F, 6.0F}));
  tg::manual_seed(3);
  const std::uint32_t next = tg::Generator(3).random();
  tg::check_tape([&] { return sum(square(w)); });
  CHECK_THROWS_AS(tg::check_tape([&]() -> Variable {
                    sum(w);
                    throw tg::ValueError("stop");
                  }),
                  tg::ValueError);
  CHECK(w.dtype() == tg::float32);
  CHECK(tg::to_vector<float>(w.value()) == std::vector<float>{1, 2});
  CHECK(tg::to_vector<float>(w.grad()) == std::vector<float>{5, 6});
  CHECK(tg::default_generator().random() == next);
  CHECK(tg::tape().size() == 0);
}

TEST_CASE("check_tape: what it refuses") {
  Variable w = tg::parameter(tg::tensor({1.0, 2.0}));
  CHECK_THROWS_WITH(tg::check_tape([&] { return square(w); }),
                    "check_tape: the function returned a value (2), needed a loss of one element "
                    "with history");
  CHECK_THROWS_WITH(
      tg::check_tape([&] { return Variable(tg::tensor(1.0)); }),
      "check_tape: the function returned a value () without history, needed a loss of "
      "one element with history");
  double calls = 0;
  CHECK_THROWS_WITH(tg::check_tape([&] { return sum(w) * (calls += 1); }),
                    Catch::Contains("needed the same loss in each call"));
  const Variable before = square(w);
  CHECK_THROWS_WITH(tg::check_tape([&] { return sum(before); }),
                    Catch::Contains("recorded before it began"));
  CHECK_THROWS_WITH(tg::check_tape([&] { return sum(w); }, {.step = 0}),
                    Catch::Contains("needed positive numbers"));
}
