// Tests of the invariants of a BackwardPass, which autograd/backward.h lists. Read next:
// tests/autograd/backward_test.cc.
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/autograd/slice_gradient.h>

#include "catch.h"

namespace tapegrad {
namespace {

// Returns the same value. Its rule appends the sum of its gradient to `fired`.
Variable watched(const Variable& x, std::vector<double>& fired) {
  return record("watched", x.value().clone(), from(x, [&fired](const Variable& dy) {
                  fired.push_back(sum(dy).item<double>());
                  return dy;
                }));
}

Variable broken(const Variable& x) {
  return record("broken", x.value().clone(), from(x, [](const Variable&) -> Variable {
                  throw std::runtime_error("the rule gave up");
                }));
}

}  // namespace

TEST_CASE("pass 1. An entry fires once, when its gradient is complete", "[autograd]") {
  const Variable x = parameter(tensor({1.0, 2.0}));
  std::vector<double> fired;
  const Variable shared = watched(x * 1.0, fired);
  // Three paths of different lengths lead from the loss to `shared`.
  const Variable loss = sum(shared) + sum(exp(shared * 0.0)) + sum(watched(shared * 3.0, fired));
  loss.backward();
  CHECK(fired == std::vector<double>{2.0, 2 * (1 + 3.0)});
  CHECK(equal(x.grad(), tensor({4.0, 4.0})));
}

TEST_CASE("pass 2. A pending entry stays, and the walk ends when none is left", "[autograd]") {
  const Variable x = parameter(tensor(1.0));
  std::vector<double> fired;
  // `far` has a pending gradient until the walk reaches it; by then the entries that referred to it
  // are consumed and dropped.
  Variable far = watched(x * 2.0, fired);
  Variable near = exp(far);
  for (int i = 0; i < 5; ++i) near = near * 1.0;
  Variable loss = near + far;
  far = near = Variable();
  loss.backward();
  CHECK(fired.size() == 1);
  // The walk never reaches entries that are older than all entries that the output depends on.
  const Variable unrelated = watched(parameter(tensor(1.0)) * 1.0, fired);
  const Variable y = parameter(tensor(3.0));
  square(y).backward();
  CHECK(fired.size() == 1);
  CHECK(unrelated.defined());
}

TEST_CASE("pass 3. Leaves change last: after an exception every grad() is unchanged",
          "[autograd]") {
  Variable a = parameter(ones({2}));
  const Variable table = parameter(ones({3, 2}));
  a.set_grad(tensor({7.0, 7.0}));
  const auto unchanged = [&] {
    return equal(a.grad(), tensor({7.0, 7.0})) && !table.has_grad() && tape().size() == 0;
  };
  SECTION("a rule throws after other leaves have received gradients") {
    Variable loss = sum(broken(a)) + sum(embedding(table, tensor({1}))) + sum(a);
    CHECK_THROWS_AS(loss.backward(), std::runtime_error);
    loss = Variable();
    CHECK(unchanged());
  }
  SECTION("a leaf's hook throws, when all rules are done") {
    const auto hook = table.register_hook(
        [](const Variable&) -> Variable { throw std::runtime_error("the hook gave up"); });
    CHECK_THROWS_AS((sum(a) + sum(embedding(table, tensor({1})))).backward(), std::runtime_error);
    table.remove_hook(hook);
    CHECK(unchanged());
  }
  SECTION("a rule returns a gradient of the wrong shape") {
    const Variable bad = record("bad", a.value().clone(),
                                from(a, [](const Variable&) { return Variable(ones({5})); }));
    CHECK_THROWS_AS((sum(bad) + sum(a)).backward(), ShapeError);
    CHECK(equal(a.grad(), tensor({7.0, 7.0})));
  }
}

TEST_CASE(
    "pass 4. After a pass, even one ended by an exception, nothing is pending, firing or marked",
    "[autograd]") {
  const Variable x = parameter(tensor(2.0));
  Variable shared = square(x);
  Variable failing = broken(shared) + shared;
  CHECK_THROWS(failing.backward({.retain_graph = true}));
  CHECK_THROWS(grad(failing, {x}, {.retain_graph = true}));
  failing = Variable();
  // The failed passes leave no gradients for the next passes.
  CHECK(grad(shared * 3.0, {x}, {.retain_graph = true})[0].item<float>() == 12);
  (shared * 1.0).backward();
  CHECK(x.grad().item<float>() == 4);
  // Outside a rule, no value is stale.
  x.leaf().writable_value().add_(1);
  CHECK(x.value().item<float>() == 3);
  shared = Variable();
  CHECK(tape().size() == 0);
}

TEST_CASE("pass 5. A pass adds to a sum in place only if nothing else shares its memory",
          "[autograd]") {
  const Variable x = parameter(ones({3}));
  const Variable y = parameter(ones({3}));
  const Tensor dy = ones({3});
  const Variable both = x * 1.0 + y * 1.0;  // its rules return dy itself to both
  (both + select(reshape(x, {1, 3}), 0, 0)).backward(dy);
  CHECK(equal(dy, ones({3})));
  CHECK(equal(x.grad(), full({3}, 2.0)));
  CHECK(equal(y.grad(), ones({3})));
  // A gradient that a hook has kept does not change when the leaf receives another one.
  Variable kept;
  const Variable z = parameter(ones({3}));
  const Variable part = z * 2.0;
  part.register_hook([&](const Variable& gradient) { kept = gradient; });
  (part + narrow(z, 0, 0, 3)).backward(dy);
  CHECK(equal(kept.value(), ones({3})));
  CHECK(equal(z.grad(), full({3}, 3.0)));
}

// The gradient of a sum goes to both terms as the same tensor, which is contiguous.
TEST_CASE("pass 5. A gradient that two inputs share keeps its elements", "[autograd]") {
  const Tensor c = tensor({2.0, 3.0});
  for (const bool rows : {false, true}) {
    const Variable a = parameter(tensor({1.0, 1.0})), b = parameter(tensor({1.0, 1.0}));
    const Variable x = a * 1.0, y = b * 1.0;
    // The walk comes to the sum first, and then adds to the gradient of x.
    const Variable earlier = rows ? sum(embedding(x.unsqueeze(1), tensor({0, 0}))) : sum(x * 5.0);
    (earlier + sum((x + y) * c)).backward();
    CHECK(equal(b.grad(), c));
    CHECK(equal(a.grad(), rows ? tensor({4.0, 3.0}) : tensor({7.0, 8.0})));
  }
}

TEST_CASE("pass 6. A thread runs one pass at a time, and passes on other threads share no state",
          "[autograd][threads]") {
  // Every thread differentiates its own history of the same leaves; some use many leaves.
  std::vector<Variable> leaves;
  for (int i = 0; i < 40; ++i) leaves.push_back(parameter(full({4, 2}, i + 1.0)));
  std::atomic<int> wrong = 0;
  const auto work = [&](int thread) {
    for (int round = 0; round < 200; ++round) {
      Variable loss = Variable(tensor(0.0));
      const double factor = thread + round % 3;
      for (const Variable& leaf : leaves) loss = loss + sum(square(leaf)) * factor;
      loss = loss + sum(embedding(leaves[0], tensor({1})));
      const std::vector<Variable> gradients = grad(loss, leaves);
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        Tensor expected = full({4, 2}, 2 * factor * static_cast<double>(i + 1));
        if (i == 0) select(expected, 0, 1).add_(1);
        if (!allclose(gradients[i].value(), expected)) ++wrong;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  for (const Variable& leaf : leaves) CHECK_FALSE(leaf.has_grad());
}

TEST_CASE("an undefined gradient adds nothing", "[autograd]") {
  const Variable x = parameter(ones({2}));
  const auto silent = [&] {
    return record("silent", x.value().clone(), from(x, [](const Variable&) { return Variable(); }));
  };
  (sum(silent()) + sum(x)).backward();
  CHECK(equal(x.grad(), ones({2})));
  CHECK_THROWS_WITH(
      grad(sum(silent()), {x}),
      "grad: the output does not depend on input 0; to allow this, pass {.allow_unused = "
      "true}");
}

TEST_CASE("row-sparse gradients of the wrong shape throw, and the error names the operation",
          "[autograd]") {
  const Variable table = parameter(ones({3, 2}));
  const Variable y = record("lookup", ones({1, 2}), from(table, [](const Variable&) {
                              return RowSparse{tensor({1}), ones({1, 5})};
                            }));
  CHECK_THROWS_WITH(
      sum(y).backward(),
      "backward: a rule of 'lookup' returned ids (1) and rows (1, 5), needed (count) and "
      "(count, width) for a table of shape (3, 2)");
}

}  // namespace tapegrad
