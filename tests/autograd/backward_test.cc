// Tests of backward(): sums over all paths, accumulation, consumption, exceptions, cost. Read next:
// variable_hooks_test.cc.
#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"

namespace tapegrad {
namespace {

using test::error_text;

bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

}  // namespace

// Sums --------------------------------------------------------------------------------------------

TEST_CASE("gradients of all paths from the loss to a leaf are added", "[autograd]") {
  Variable x = parameter(tensor({2.0, -3.0}, float64));
  const Variable a = x * x;
  const Variable b = a * 2.0;
  const Variable c = a * x;
  sum(b + c + x).backward();  // 2 x^2 + x^3 + x
  CHECK(equal(x.grad(), tensor({21.0, 16.0}, float64)));

  SECTION("the same input twice") {
    x.zero_grad();
    sum(x + x).backward();
    CHECK(equal(x.grad(), tensor({2.0, 2.0}, float64)));
  }
  SECTION("each entry of a chain of diamonds fires once") {
    x.zero_grad();
    int fired = 0;
    Variable y = x;
    for (int i = 0; i < 50; ++i) {
      y = (y + y) * 0.5;
      y.register_hook([&](const Variable&) { ++fired; });
    }
    sum(y).backward();
    CHECK(fired == 50);
    CHECK(equal(x.grad(), tensor({1.0, 1.0}, float64)));
  }
}

TEST_CASE("backward() adds to an existing gradient", "[autograd]") {
  Variable w = parameter(tensor({1.0, 2.0}));
  CHECK_FALSE(w.has_grad());
  sum(w * 3.0).backward();
  const Tensor first = w.grad();
  sum(w * 4.0).backward();
  CHECK(equal(w.grad(), tensor({7.0, 7.0})));
  CHECK(equal(first, tensor({3.0, 3.0})));  // a Tensor taken earlier does not change
  w.zero_grad();
  CHECK_FALSE(w.has_grad());
  w.set_grad(tensor({0.5, 0.5}));
  sum(w).backward();
  CHECK(equal(w.grad(), tensor({1.5, 1.5})));
}

TEST_CASE("two leaves never share the memory of a gradient", "[autograd]") {
  const Variable a = parameter(ones({3}));
  const Variable b = parameter(ones({3}));
  const Tensor seed = full({3}, 2.0);
  (a + b).backward(seed);
  a.grad().mul_(0.0);
  CHECK(equal(b.grad(), full({3}, 2.0)));
  CHECK(equal(seed, full({3}, 2.0)));
  const Variable c = parameter(ones({3}));
  c.backward(seed);
  c.grad().mul_(0.0);
  CHECK(equal(seed, full({3}, 2.0)));
}

TEST_CASE("backward() works on a leaf itself", "[autograd]") {
  const Variable w = parameter(tensor(2.0));
  w.backward();
  w.backward();
  CHECK(w.grad().item<float>() == 2.0F);
  CHECK(grad(w, {w})[0].item<float>() == 1.0F);
}

TEST_CASE("a gradient passed to backward() weights the output", "[autograd]") {
  Variable w = parameter(tensor({{1.0, 2.0}, {3.0, 4.0}}));
  const Variable y = w * w;
  y.backward(tensor({{1.0, 0.0}, {0.0, 10.0}}));
  CHECK(equal(w.grad(), tensor({{2.0, 0.0}, {0.0, 80.0}})));
  w.zero_grad();
  (w * w).backward(transpose(tensor({{1, 2}, {3, 4}})));  // any layout, any type
  CHECK(equal(w.grad(), tensor({{2.0, 12.0}, {12.0, 32.0}})));
}

TEST_CASE("gradients have the type and shape of their input", "[autograd]") {
  const Variable single = parameter(ones({3, 1}));
  const Variable twice = parameter(ones({2}, float64));
  const Variable y = single * twice + single.to(float64);  // (3, 2) float64
  CHECK(y.dtype() == float64);
  sum(y).backward();
  CHECK(single.grad().dtype() == float32);
  CHECK(single.grad().shape() == Shape{3, 1});
  CHECK(twice.grad().dtype() == float64);
  CHECK(equal(single.grad(), full({3, 1}, 4.0)));
  CHECK(equal(twice.grad(), full({2}, 3.0, float64)));
}

TEST_CASE("outer products of mixed types have gradients", "[autograd]") {
  const Variable a = parameter(tensor({1.0, 2.0}));
  const Variable b = parameter(tensor({3.0, 4.0, 5.0}, float64));
  sum(outer(a, b)).backward();
  CHECK(equal(a.grad(), tensor({12.0, 12.0})));
  CHECK(equal(b.grad(), tensor({3.0, 3.0, 3.0}, float64)));
}

TEST_CASE("gradients have no history, even if a rule or a hook returns one with history",
          "[autograd]") {
  const Variable w = parameter(tensor(3.0));
  const Variable other = parameter(tensor(5.0));
  {
    const Variable doubled = other * 2.0;
    // d(w * other) / dw, which is correct only if dy is 1; it has history
    const Variable y = record("shortcut", w.value() * doubled.value(),
                              from(w, [doubled](const Variable&) { return doubled; }));
    y.backward();
    const Variable z = w * 1.0;
    z.register_hook([doubled](const Variable&) { return doubled; });
    z.backward();
    w.register_hook([doubled](const Variable&) { return doubled; });
    (w * 1.0).backward();
    const Variable asked = grad(w * 1.0, {w})[0];
    CHECK_FALSE(asked.requires_grad());
  }
  CHECK(w.grad().item<float>() == 30.0F);
  w.leaf().hooks.clear();
  CHECK(tape().size() == 0);
}

// Consumption -------------------------------------------------------------------------------------

TEST_CASE("backward twice throws and names the operation", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  const Variable loss = mean(exp(w));
  loss.backward();
  const Tensor gradient = w.grad().clone();
  CHECK(error_text<AutogradError>([&] { loss.backward(); }) ==
        "backward: an earlier pass has consumed the history of 'mean' (#1); to use it "
        "twice, call backward({.retain_graph = true}) the first time; to go on from an earlier "
        "step, such as with the state of a recurrent layer, pass its detach() to the next one");
  CHECK(equal(w.grad(), gradient));
}

TEST_CASE("a rule that returns an undefined Variable gives no gradient", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  Variable v = parameter(tensor({3.0, 4.0}));
  const auto half = [&] {
    return record("half", w.value() * v.value(),
                  from(w, [](const Variable&) { return Variable(); }),
                  from(v, [w](const Variable& dy) { return dy * w; }));
  };
  sum(half() * 1.0).backward();
  CHECK_FALSE(w.has_grad());
  CHECK(equal(v.grad(), tensor({1.0, 2.0})));
  for (const bool create_graph : {false, true}) {
    const std::vector<Variable> gradients =
        grad(sum(half()), {w, v}, {.create_graph = create_graph, .allow_unused = true});
    CHECK_FALSE(gradients[0].defined());
    CHECK(equal(gradients[1].value(), tensor({1.0, 2.0})));
    CHECK_THROWS_AS(grad(sum(half()), {w}, {.create_graph = create_graph}), AutogradError);
  }
  // The rules of what the input was computed from are not called.
  const Variable power = exp(w);
  sum(record("none", power.value(), from(power, [](const Variable&) { return Variable(); })) * v)
      .backward();
  CHECK_FALSE(w.has_grad());
  // One of several gradients that come out of one rule.
  sum(record_joint("pair", w.value(), std::array{w, v},
                   [](const Variable& dy, const std::array<bool, 2>&) {
                     return std::array{Variable(), dy};
                   }))
      .backward();
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("grad() of nothing throws", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  const Variable loss = sum(w);
  CHECK(error_text<AutogradError>([&] { grad(loss, {}); }) ==
        "grad: got no inputs, needed the Variables to differentiate by");
  CHECK(grad(loss, {w}).size() == 1);  // nothing was consumed
}

TEST_CASE("retain_graph keeps the history for another backward", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  const Variable loss = sum(square(w));
  loss.backward({.retain_graph = true});
  loss.backward({.retain_graph = true});
  loss.backward();
  CHECK(equal(w.grad(), tensor({6.0, 12.0})));
  CHECK_THROWS_AS(loss.backward(), AutogradError);
}

TEST_CASE("the first of two losses consumes the history that they share", "[autograd]") {
  Variable w = parameter(tensor({1.0, 2.0}));
  const Variable v = parameter(tensor({1.0, 2.0}));
  const Variable shared = exp(w);
  const Variable first = sum(shared * 2.0);
  const Variable second = sum(shared * v);
  first.backward();
  const Tensor gradient = w.grad().clone();
  CHECK(starts_with(error_text<AutogradError>([&] { second.backward(); }),
                    "backward: an earlier pass has consumed the history of 'exp' (#0)"));
  CHECK(equal(w.grad(), gradient));
  CHECK_FALSE(v.has_grad());  // a failed pass adds no gradients at all

  SECTION("a value computed from it afterwards throws, too") {
    CHECK_THROWS_AS(sum(shared * 3.0).backward(), AutogradError);
  }
  SECTION("grad() does not treat it as unrelated to its inputs") {
    const Variable half = sum(shared) + sum(w);  // one path is consumed, one is not
    CHECK_THROWS_AS(grad(half, {w}), AutogradError);
    CHECK_THROWS_AS(grad(first, {w}, {.allow_unused = true}), AutogradError);
  }
  SECTION("unless the first one retains it") {
    const Variable kept = exp(w);
    w.zero_grad();
    sum(kept * 2.0).backward({.retain_graph = true});
    sum(kept * v).backward();
    CHECK(allclose(w.grad(), exp(w.value()) * (2.0 + v.value())));
  }
}

TEST_CASE("memory falls while backward runs", "[autograd]") {
  const Variable w = parameter(ones({4}));
  std::vector<std::size_t> sizes;
  Variable y = w;
  for (int i = 0; i < 5; ++i) {
    y = exp(y * 0.1);
    y.register_hook([&](const Variable&) { sizes.push_back(tape().size()); });
  }
  const Variable loss = sum(std::exchange(y, Variable()));
  loss.backward();
  REQUIRE(sizes.size() == 5);
  for (std::size_t i = 1; i < sizes.size(); ++i) CHECK(sizes[i] < sizes[i - 1]);
}

// Exceptions --------------------------------------------------------------------------------------

TEST_CASE("an exception in a rule leaves gradients and tape as they were", "[autograd]") {
  Variable w = parameter(tensor({1.0, 2.0}));
  const Variable v = parameter(tensor({3.0, 4.0}));
  const Variable table = parameter(ones({3, 2}));
  sum(w * v).backward();
  const Tensor dw = w.grad().clone();
  const Tensor dv = v.grad().clone();
  const std::size_t before = tape().size();
  {
    const Variable y = record(
        "fragile", w.value().clone(),
        from(w, [](const Variable&) -> Variable { throw std::runtime_error("the rule gave up"); }));
    const Variable loss = sum(embedding(table, tensor({0, 2})) * v) + sum(y * v) + sum(exp(w));
    const std::size_t recorded = tape().size();
    CHECK_THROWS_AS(loss.backward({.retain_graph = true}), std::runtime_error);
    CHECK(tape().size() == recorded);
    CHECK_THROWS_AS(grad(loss, {w}, {.retain_graph = true}), std::runtime_error);
    CHECK(Tape::is_recording());
    CHECK(grad(loss, {v}, {.retain_graph = true}).size() == 1);  // does not need the failing rule
  }
  CHECK(equal(w.grad(), dw));
  CHECK(equal(v.grad(), dv));
  CHECK_FALSE(table.has_grad());
  CHECK(tape().size() == before);
  w.zero_grad();
  sum(exp(w)).backward();  // no gradient is still pending
  CHECK(equal(w.grad(), exp(w.value())));
}

TEST_CASE("the error for a gradient of the wrong shape names the operation", "[autograd]") {
  const Variable w = parameter(ones({2, 3}));
  const Variable y = record("skewed", w.value().clone(), from(w, [](const Variable&) {
                              return Variable(ones({3, 2}));
                            }));
  CHECK(error_text<ShapeError>([&] { sum(y).backward(); }) ==
        "backward: the gradient from a rule of 'skewed' has shape (3, 2), needed the input's shape "
        "(2, 3)");
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("errors of backward() and of leaves say what is wrong", "[autograd]") {
  Variable w = parameter(ones({2, 3}));
  CHECK(
      error_text<AutogradError>([&] { (w * 2.0).backward(); }) ==
      "backward: the output has shape (2, 3), needed one element; reduce it with sum() or mean(), "
      "or pass a gradient of its shape");
  CHECK(error_text<AutogradError>([&] { Variable(ones({})).backward(); }) ==
        "backward: this value does not depend on anything that requires a gradient, or it was "
        "computed "
        "while recording was off (NoGrad)");
  CHECK(error_text<ShapeError>([&] { (w * 2.0).backward(ones({3})); }) ==
        "backward: got a gradient of shape (3), needed the output's shape (2, 3)");
  CHECK(error_text<DTypeError>([&] {
          parameter(tensor({1, 2}));
        }) ==
        "parameter: int64 cannot require a gradient, needed float32 or float64; convert with "
        "to(float32)");
  CHECK(error_text<DTypeError>([&] {
          Variable ids = tensor({1, 2});
          ids.set_requires_grad(true);
        }) ==
        "set_requires_grad: int64 cannot require a gradient, needed float32 or float64; convert "
        "with to(float32)");
  CHECK(error_text<AutogradError>([&] { Variable(ones({2})).grad(); }) ==
        "leaf: this is a constant, needed a leaf; make one with parameter(tensor)");
  CHECK(
      error_text<AutogradError>([&] { exp(w).grad(); }) ==
      "leaf: this is the result of an operation, and only leaves store a gradient; compute it with "
      "grad(output, {this}), or call retain_grad() before backward()");
  CHECK(error_text<AutogradError>([&] { w.grad(); }) ==
        "grad: there is no gradient; call backward() on a value computed from this, or check "
        "has_grad() first");
  CHECK(error_text<AutogradError>([&] { exp(w).set_requires_grad(false); }) ==
        "set_requires_grad: this is the result of an operation, and only leaves can be frozen; "
        "detach() "
        "returns the value without history");
  CHECK(error_text<ShapeError>([&] {
          w.set_grad(ones({3, 2}));
        }) == "set_grad: got float32 (3, 2), needed float32 (2, 3)");
  CHECK(error_text<ShapeError>([&] {
          Variable(w).set_value(ones({2, 3}, float64));
        }) == "set_value: got float64 (2, 3), needed float32 (2, 3)");
}

TEST_CASE("a parameter made inside a rule can be read there", "[autograd]") {
  const Variable x = parameter(ones({2}));
  const Variable y = record("doubled", x.value() * 2.0, from(x, [](const Variable& dy) {
                              const Variable two = parameter(full({2}, 2.0));
                              return dy * two.value();
                            }));
  sum(y).backward();
  CHECK(equal(x.grad(), tensor({2.0, 2.0})));
}

TEST_CASE("backward() inside a rule or a hook throws", "[autograd]") {
  const Variable w = parameter(tensor(2.0));
  const std::string refusal =
      "backward: called by a rule or a hook while a pass is running; a rule must return its "
      "gradient "
      "as an expression instead";
  const Variable y = record("nested", w.value().clone(), from(w, [w](const Variable& dy) {
                              square(w).backward();
                              return dy;
                            }));
  // Recording is off inside a rule, so there is no history.
  CHECK(starts_with(error_text<AutogradError>([&] { y.backward(); }),
                    "backward: this value does not depend"));
  const Variable before = square(w);
  const Variable z = w * 1.0;
  z.register_hook([before](const Variable&) { before.backward(); });
  CHECK(error_text<AutogradError>([&] { z.backward(); }) == refusal);
  CHECK_FALSE(w.has_grad());
  before.backward();
  CHECK(w.grad().item<float>() == 4.0F);
}

// Cost --------------------------------------------------------------------------------------------

TEST_CASE("the backward of T slices of one sequence costs O(T)", "[autograd]") {
  // CPU time, not wall-clock time, because other programs may be running.
  const auto ticks = [](std::int64_t steps, bool along_rows) {
    const Variable x = parameter(ones(along_rows ? Shape{steps, 512} : Shape{8, steps, 64}));
    std::clock_t best = std::numeric_limits<std::clock_t>::max();
    constexpr int kAttempts = 7;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      Variable total = Variable(zeros({}));
      const Variable sequence = x * 1.0;
      for (std::int64_t t = 0; t < steps; ++t) {
        total = total + sum(along_rows ? select(sequence, 0, t) : narrow(sequence, 1, t, 1));
      }
      const std::clock_t start = std::clock();
      total.backward();
      best = std::min(best, std::clock() - start);
    }
    CHECK(equal(x.grad(), full_like(x.value(), kAttempts)));
    return static_cast<double>(best);
  };
  for (const bool along_rows : {true, false}) {
    const double few = ticks(100, along_rows);
    const double many = ticks(400, along_rows);
    CAPTURE(along_rows, few, many);
    CHECK(many < 10 * few);  // 4 times if it grows with T, 16 times if with T^2
  }
}

}  // namespace tapegrad
