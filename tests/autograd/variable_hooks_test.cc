// Tests of the hooks of a Variable: what they receive and replace, and how they are removed. Read
// next: grad_test.cc.
#include <memory>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"

namespace tapegrad {

using test::error_text;

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
    CHECK(error_text<ShapeError>([&] { sum(y).backward(); }) ==
          "backward: the gradient given or returned by a hook has shape (3), needed the input's "
          "shape (2)");
    CHECK_FALSE(w.has_grad());
  }
  SECTION("not on a constant") {
    CHECK(error_text<AutogradError>(
              [&] { Variable(ones({2})).register_hook([](const Variable&) {}); }) ==
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

TEST_CASE("a result retains its gradient if it is asked to", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  Variable y = w * 3.0;
  CHECK_FALSE(y.retains_grad());
  y.retain_grad();
  y.retain_grad();
  CHECK(y.retains_grad());
  CHECK_FALSE(y.has_grad());
  CHECK(error_text<AutogradError>([&] { y.grad(); }).starts_with("grad: there is no gradient"));

  SECTION("it is the sum over all paths and passes") {
    const Variable loss = sum(y * y) + sum(y);
    loss.backward({.retain_graph = true});
    CHECK(equal(y.grad(), tensor({7.0, 13.0})));
    CHECK(equal(w.grad(), tensor({21.0, 39.0})));
    const Tensor snapshot = y.grad();
    loss.backward();
    CHECK(equal(y.grad(), tensor({14.0, 26.0})));
    CHECK(equal(snapshot, tensor({7.0, 13.0})));
    CHECK(y.retains_grad());
    y.zero_grad();
    CHECK_FALSE(y.has_grad());
  }
  SECTION("the history may be consumed, and the gradient stays") {
    const Variable z = exp(y);
    z.retain_grad();
    sum(z).backward();
    CHECK(equal(z.grad(), ones({2})));
    CHECK(equal(y.grad(), z.value()));
    CHECK_FALSE(y.has_row_grad());
    CHECK_THROWS_AS(y.row_grad(), AutogradError);
    CHECK_THROWS_AS(y.set_grad(ones({2})), AutogradError);
  }
  SECTION("it comes after the hooks, whenever they were added") {
    y.register_hook([](const Variable& dy) { return dy * 10.0; });
    sum(y).backward();
    CHECK(equal(y.grad(), tensor({10.0, 10.0})));
    CHECK(equal(w.grad(), tensor({30.0, 30.0})));
  }
  SECTION("removed hooks leave it") {
    y.remove_hook(y.register_hook([](const Variable& dy) { return dy * 10.0; }));
    sum(y).backward();
    CHECK(equal(y.grad(), ones({2})));
  }
  SECTION("grad() does not change it") {
    grad(sum(y), {w});
    CHECK_FALSE(y.has_grad());
  }
  SECTION("a pass that throws does not change it") {
    const Variable failing =
        record("failing", w.value(),
               from(w, [](const Variable&) -> Variable { throw ValueError("this rule fails"); }));
    const Variable after = failing * 2.0;
    after.retain_grad();
    CHECK_THROWS_AS(sum(after + y).backward(), ValueError);
    CHECK_FALSE(after.has_grad());
    CHECK_FALSE(y.has_grad());
  }
  SECTION("of a lookup it is dense") {
    const Variable table = parameter(ones({3, 2}));
    const Variable scaled = table * 2.0;
    scaled.retain_grad();
    sum(embedding(scaled, tensor({1, 1}))).backward();
    CHECK(equal(scaled.grad(), tensor({{0.0, 0.0}, {2.0, 2.0}, {0.0, 0.0}})));
    CHECK_FALSE(scaled.has_row_grad());
  }
  SECTION("a leaf has its gradient anyway, and a constant none") {
    w.retain_grad();
    CHECK_FALSE(w.retains_grad());
    sum(w).backward();
    CHECK(equal(w.grad(), ones({2})));
    CHECK(error_text<AutogradError>([] { Variable(ones({2})).retain_grad(); }) ==
          "retain_grad: this variable does not require a gradient, needed one that does; make it "
          "with parameter(), or compute it from a parameter");
    CHECK_FALSE(Variable(ones({2})).retains_grad());
  }
}

}  // namespace tapegrad
