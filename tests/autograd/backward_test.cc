// Tests of backward() and grad(): sums over all paths, accumulation, consumption, hooks, higher
// derivatives, stale values, errors. Read next: row_sparse_test.cc.
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

namespace tapegrad {
namespace {

// The text of the error that `function` throws, or an empty string.
template <class Exception = AutogradError, class Function>
std::string error_of(const Function& function) {
  try {
    function();
  } catch (const Exception& error) {
    return error.what();
  }
  return {};
}

bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

// y = x * factor, with a rule that copies the Variable that it captured.
Variable times_copied(const Variable& x, const Variable& factor) {
  return record("times_copied", x.value() * factor.value(), from(x, [factor](const Variable& dy) {
                  const Variable copy = factor;  // NOLINT: the copy is the point
                  return dy * copy;
                }));
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
  CHECK(error_of([&] { loss.backward(); }) ==
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
  CHECK(error_of([&] { grad(loss, {}); }) ==
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
  CHECK(starts_with(error_of([&] { second.backward(); }),
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
    CHECK(tape().recording());
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
  CHECK(error_of<ShapeError>([&] { sum(y).backward(); }) ==
        "backward: the gradient from a rule of 'skewed' has shape (3, 2), needed the input's shape "
        "(2, 3)");
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("errors of backward() and of leaves say what is wrong", "[autograd]") {
  Variable w = parameter(ones({2, 3}));
  CHECK(
      error_of([&] { (w * 2.0).backward(); }) ==
      "backward: the output has shape (2, 3), needed one element; reduce it with sum() or mean(), "
      "or pass a gradient of its shape");
  CHECK(error_of([&] { Variable(ones({})).backward(); }) ==
        "backward: this value does not depend on anything that requires a gradient, or it was "
        "computed "
        "while recording was off (NoGrad)");
  CHECK(error_of<ShapeError>([&] { (w * 2.0).backward(ones({3})); }) ==
        "backward: got a gradient of shape (3), needed the output's shape (2, 3)");
  CHECK(error_of<DTypeError>([&] {
          parameter(tensor({1, 2}));
        }) ==
        "parameter: int64 cannot require a gradient, needed float32 or float64; convert with "
        "to(float32)");
  CHECK(error_of<DTypeError>([&] {
          Variable ids = tensor({1, 2});
          ids.set_requires_grad(true);
        }) ==
        "set_requires_grad: int64 cannot require a gradient, needed float32 or float64; convert "
        "with to(float32)");
  CHECK(error_of([&] { Variable(ones({2})).grad(); }) ==
        "leaf: this is a constant, needed a leaf; make one with parameter(tensor)");
  CHECK(
      error_of([&] { exp(w).grad(); }) ==
      "leaf: this is the result of an operation, and only leaves store a gradient; compute it with "
      "grad(output, {this})");
  CHECK(error_of([&] { w.grad(); }) ==
        "grad: there is no gradient; call backward() on a value computed from this, or check "
        "has_grad() first");
  CHECK(error_of([&] { exp(w).set_requires_grad(false); }) ==
        "set_requires_grad: this is the result of an operation, and only leaves can be frozen; "
        "detach() "
        "returns the value without history");
  CHECK(error_of<ShapeError>([&] {
          w.set_grad(ones({3, 2}));
        }) == "set_grad: got float32 (3, 2), needed float32 (2, 3)");
  CHECK(error_of<ShapeError>([&] {
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
  CHECK(starts_with(error_of([&] { y.backward(); }), "backward: this value does not depend"));
  const Variable before = square(w);
  const Variable z = w * 1.0;
  z.register_hook([before](const Variable&) { before.backward(); });
  CHECK(error_of([&] { z.backward(); }) == refusal);
  CHECK_FALSE(w.has_grad());
  before.backward();
  CHECK(w.grad().item<float>() == 4.0F);
}

// Hooks -------------------------------------------------------------------------------------------

TEST_CASE("hooks receive gradients, can replace them, and can be removed", "[autograd]") {
  Variable w = parameter(tensor({1.0, 2.0}));
  std::vector<Tensor> seen;

  SECTION("on a result") {
    const Variable y = w * 3.0;
    y.register_hook([&](const Variable& dy) { seen.push_back(dy.value()); });
    const std::size_t doubling = y.register_hook([](const Variable& dy) { return dy * 2.0; });
    y.register_hook([&](const Variable& dy) { seen.push_back(dy.value()); });
    (sum(y) + sum(y * 4.0)).backward({.retain_graph = true});
    REQUIRE(seen.size() == 2);
    CHECK(equal(seen[0], tensor({5.0, 5.0})));  // complete: the sum over both paths
    CHECK(equal(seen[1], tensor({10.0, 10.0})));
    CHECK(equal(w.grad(), tensor({30.0, 30.0})));
    y.remove_hook(doubling);
    w.zero_grad();
    sum(y).backward();
    CHECK(equal(w.grad(), tensor({3.0, 3.0})));
  }
  SECTION("on a leaf") {
    w.register_hook([&](const Variable& dw) { seen.push_back(dw.value()); });
    const std::size_t negating = w.register_hook([](const Variable& dw) { return -dw; });
    sum(w * 2.0 + w).backward();
    sum(w).backward();
    REQUIRE(seen.size() == 2);  // once for each backward, with the gradient that this one added
    CHECK(equal(seen[0], tensor({3.0, 3.0})));
    CHECK(equal(seen[1], tensor({1.0, 1.0})));
    CHECK(equal(w.grad(), tensor({-4.0, -4.0})));
    CHECK(equal(grad(sum(w), {w})[0].value(), tensor({-1.0, -1.0})));
    w.remove_hook(negating);
    CHECK(equal(grad(sum(w), {w})[0].value(), tensor({1.0, 1.0})));
  }
  SECTION("of the wrong shape") {
    const Variable y = w * 3.0;
    y.register_hook([](const Variable&) { return Variable(ones({3})); });
    CHECK(error_of<ShapeError>([&] { sum(y).backward(); }) ==
          "backward: the gradient given or returned by a hook has shape (3), needed the input's "
          "shape (2)");
    CHECK_FALSE(w.has_grad());
  }
  SECTION("not on a constant") {
    CHECK(error_of([&] { Variable(ones({2})).register_hook([](const Variable&) {}); }) ==
          "register_hook: this variable does not require a gradient, needed one that does; make it "
          "with parameter(), or call set_requires_grad(true)");
  }
  SECTION("on a result that is an input of grad()") {
    const Variable y = w * 3.0;
    y.register_hook([](const Variable& dy) { return dy * 2.0; });
    CHECK(equal(grad(sum(y), {y})[0].value(), tensor({2.0, 2.0})));
  }
}

TEST_CASE("a hook can remove itself and add others while it runs", "[autograd]") {
  const Variable w = parameter(ones({2}));
  const auto check = [&](const Variable& hooked, const Variable& loss) {
    int first = 0;
    int added = 0;
    auto number = std::make_shared<std::size_t>();
    const Variable* const target = &hooked;
    *number = hooked.register_hook([&first, &added, number, target](const Variable&) {
      ++first;
      target->remove_hook(*number);
      for (int i = 0; i < 20; ++i) target->register_hook([&added](const Variable&) { ++added; });
      ++first;  // still there
    });
    loss.backward({.retain_graph = true});
    CHECK(first == 2);
    CHECK(added == 0);
  };
  SECTION("on a leaf") {
    const Variable loss = sum(w);
    check(w, loss);
    w.leaf().hooks.clear();
  }
  SECTION("on a result") {
    const Variable y = w * 2.0;
    check(y, sum(y));
  }
}

// grad() ------------------------------------------------------------------------------------------

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
    CHECK(error_of([&] { grad(y, {a}); }) ==
          "grad: the output has shape (2), needed one element; reduce it with sum() or mean(), or "
          "pass a gradient of its shape");
    CHECK(error_of<ShapeError>([&] { grad(y, {a}, {.grad_output = ones({3})}); }) ==
          "grad: got a gradient of shape (3), needed the output's shape (2)");
  }
}

TEST_CASE("grad() says which input is not used", "[autograd]") {
  const Variable a = parameter(tensor({1.0, 2.0}));
  const Variable unused = parameter(ones({2}));
  const Variable aside = unused * 2.0;
  const Variable loss = sum(exp(a));
  CHECK(error_of([&] {
          grad(loss, {a, unused}, {.retain_graph = true});
        }) ==
        "grad: the output does not depend on input 1; to allow this, pass {.allow_unused = true}");
  CHECK(error_of([&] {
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

// Overwritten values ------------------------------------------------------------------------------

TEST_CASE("a captured value that was overwritten since is caught", "[autograd]") {
  const std::string stale =
      "backward: a value that 'mul' (#0) needs was overwritten in place since it was recorded; "
      "call "
      "backward() before changing it, or change a clone()";
  Tensor a = tensor({{1.0, 2.0}, {3.0, 4.0}});
  Variable w = parameter(ones({2, 2}));
  const Variable loss = sum(w * a);
  SECTION("through the tensor") {
    a.fill_(0);
    CHECK(error_of([&] { loss.backward(); }) == stale);
  }
  SECTION("through a view") {
    Tensor row = a[1];
    row.add_(1);
    CHECK(error_of([&] { loss.backward(); }) == stale);
  }
  SECTION("through mutable_span") {
    a.mutable_span<float>()[0] = 7;
    CHECK(error_of([&] { loss.backward(); }) == stale);
  }
  SECTION("through its owner, when a view was captured") {
    const Variable other = sum(w * transpose(a));
    a.mul_(2);
    CHECK(starts_with(error_of([&] { other.backward(); }), "backward: a value that 'mul' (#2)"));
  }
  SECTION("through set_value") {
    const Variable product = sum(w * w);
    w.set_value(zeros({2, 2}));
    CHECK(starts_with(error_of([&] { product.backward(); }), "backward: a value that 'mul' (#2)"));
    loss.backward();  // needs a, not w
    CHECK(equal(w.grad(), a));
  }
  SECTION("through an optimizer's step") {
    const Variable product = sum(square(w));
    w.leaf().writable_value().add_(1);
    CHECK(starts_with(error_of([&] { product.backward(); }), "backward: a value that 'square'"));
  }
  SECTION("a result that the rule takes as y") {
    Variable y = exp(w);
    const Variable total = sum(y);
    Tensor value = y.value();
    value.zero_();
    CHECK(error_of([&] { total.backward(); }) ==
          "backward: a value that 'exp' (#2) needs was overwritten in place since it was recorded; "
          "call backward() before changing it, or change a clone()");
  }
  SECTION("and under create_graph") {
    a.fill_(0);
    CHECK(error_of([&] { grad(loss, {w}, {.create_graph = true}); }) == stale);
  }
  if (!w.has_grad()) CHECK(tape().recording());
}

TEST_CASE("a rule's copy of a stale value is stale", "[autograd]") {
  const Variable x = parameter(ones({2}));
  SECTION("of a constant") {
    Tensor factor = tensor({2.0, 3.0});
    const Variable y = sum(times_copied(x, factor));
    factor.fill_(0);
    CHECK(error_of([&] { y.backward(); }).find("'times_copied'") != std::string::npos);
  }
  SECTION("of a leaf") {
    Variable factor = parameter(tensor({2.0, 3.0}));
    const Variable y = sum(times_copied(x, factor));
    factor.set_value(zeros({2}));
    CHECK(error_of([&] { y.backward(); }).find("'times_copied'") != std::string::npos);
  }
  SECTION("a fresh one is not") {
    const Variable y = sum(times_copied(x, tensor({2.0, 3.0})));
    y.backward();
    CHECK(equal(x.grad(), tensor({2.0, 3.0})));
  }
}

TEST_CASE("overwritten masks, indices and ids are caught, too", "[autograd]") {
  const Variable w = parameter(tensor({{1.0, 2.0}, {3.0, 4.0}}));
  Tensor rows = tensor({0, 1});
  Tensor grid = tensor({{0, 1}, {1, 0}});
  Tensor mask = w.value() > 2.0;
  const auto stale = [&](const Variable& y, Tensor& captured) {
    const Tensor before = captured.clone();
    captured.copy_(captured.clone());
    const bool caught = starts_with(error_of([&] { sum(y).backward(); }), "backward: a value that");
    return caught && equal(before, captured);
  };
  CHECK(stale(where(mask, w, 0), mask));
  CHECK(stale(masked_fill(w, mask, 0), mask));
  CHECK(stale(masked_select(w, mask), mask));
  CHECK(stale(index_select(w, 0, rows), rows));
  CHECK(stale(gather(w, 0, grid), grid));
  CHECK(stale(take_along_dim(w, grid, 1), grid));
  CHECK(stale(scatter(w, 0, grid, ones({2, 2})), grid));
  CHECK(stale(scatter_add(zeros({2, 2}), 0, grid, w), grid));
  CHECK(stale(index_add(zeros({2, 2}), 0, rows, w), rows));
  CHECK(stale(embedding(w, rows), rows));
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("a value that no rule needs may be overwritten", "[autograd]") {
  Tensor a = tensor({1.0, 2.0});
  Variable w = parameter(ones({2}));
  const Variable y = exp(w + a);  // the rule of exp needs its result; the rules of add need nothing
  const Variable loss = sum(y - a);
  a.fill_(0);
  w.set_value(zeros({2}));
  loss.backward();
  CHECK(equal(w.grad(), y.value()));
}

TEST_CASE("a Tensor taken from a parameter is a snapshot", "[autograd]") {
  Variable w = parameter(tensor({1.0, 2.0}));
  const Variable alias = w;
  const Tensor before = w.value();
  w.set_value(tensor({5.0, 6.0}));
  CHECK(equal(before, tensor({1.0, 2.0})));
  CHECK(equal(alias.value(), tensor({5.0, 6.0})));  // the same leaf
  CHECK(alias.node() == w.node());
  const Tensor again = w.value();
  w.leaf().writable_value().mul_(0);
  CHECK(equal(again, tensor({5.0, 6.0})));
  CHECK(equal(alias.value(), zeros({2})));

  SECTION("and set_value() copies memory that something else shares") {
    Tensor mine = tensor({7.0, 8.0});
    w.set_value(mine);
    mine.fill_(0);
    CHECK(equal(w.value(), tensor({7.0, 8.0})));
  }
  SECTION("an update by hand keeps the leaf") {
    w.set_value(tensor({1.0, 2.0}));
    for (int i = 0; i < 3; ++i) {
      w.zero_grad();
      sum(square(w)).backward();
      w.set_value(w.value() - 0.25 * w.grad());
    }
    CHECK(allclose(w.value(), tensor({0.125, 0.25})));
    CHECK(alias.node() == w.node());
  }
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
