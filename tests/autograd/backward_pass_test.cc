// The invariants of a BackwardPass, in the words of autograd/backward.h. Read next:
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

// The same value; notes the gradient that it was fired with.
Variable noting(const Variable& x, std::vector<double>& fired) {
  return record("noting", x.value().clone(), from(x, [&fired](const Variable& dy) {
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
  const Variable shared = noting(x * 1.0, fired);
  // Three ways lead from the loss to it, of different lengths.
  const Variable loss = sum(shared) + sum(exp(shared * 0.0)) + sum(noting(shared * 3.0, fired));
  loss.backward();
  CHECK(fired == std::vector<double>{2.0, 2 * (1 + 3.0)});
  CHECK(equal(x.grad(), tensor({4.0, 4.0})));
}

TEST_CASE("pass 2. A pending entry stays, and the walk ends when none is left", "[autograd]") {
  const Variable x = parameter(tensor(1.0));
  std::vector<double> fired;
  // `far` waits for its turn while the entries that referred to it are consumed and gone.
  Variable far = noting(x * 2.0, fired);
  Variable near = exp(far);
  for (int i = 0; i < 5; ++i) near = near * 1.0;
  Variable loss = near + far;
  far = near = Variable();
  loss.backward();
  CHECK(fired.size() == 1);
  // What is older than everything that the output needs is never reached.
  const Variable unrelated = noting(parameter(tensor(1.0)) * 1.0, fired);
  const Variable y = parameter(tensor(3.0));
  square(y).backward();
  CHECK(fired.size() == 1);
  CHECK(unrelated.defined());
}

TEST_CASE("pass 3. Leaves change last: after an exception every grad() is what it was",
          "[autograd]") {
  Variable a = parameter(ones({2}));
  const Variable table = parameter(ones({3, 2}));
  a.set_grad(tensor({7.0, 7.0}));
  const auto unchanged = [&] {
    return equal(a.grad(), tensor({7.0, 7.0})) && !table.has_grad() && tape().size() == 0;
  };
  SECTION("a rule throws after other leaves were reached") {
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
  SECTION("a rule returns a gradient that fits nowhere") {
    const Variable bad = record("bad", a.value().clone(),
                                from(a, [](const Variable&) { return Variable(ones({5})); }));
    CHECK_THROWS_AS((sum(bad) + sum(a)).backward(), ShapeError);
    CHECK(equal(a.grad(), tensor({7.0, 7.0})));
  }
}

TEST_CASE("pass 4. Afterwards nothing is pending, firing or marked, also after an exception",
          "[autograd]") {
  const Variable x = parameter(tensor(2.0));
  Variable shared = square(x);
  Variable failing = broken(shared) + shared;
  CHECK_THROWS(failing.backward({.retain_graph = true}));
  CHECK_THROWS(grad(failing, {x}, {.retain_graph = true}));
  failing = Variable();
  // The next passes see none of what the failed ones had begun.
  CHECK(grad(shared * 3.0, {x}, {.retain_graph = true})[0].item<float>() == 12);
  (shared * 1.0).backward();
  CHECK(x.grad().item<float>() == 4);
  // Nor do captured values count as stale outside of a rule.
  x.leaf().writable_value().add_(1);
  CHECK(x.value().item<float>() == 3);
  shared = Variable();
  CHECK(tape().size() == 0);
}

TEST_CASE("pass 5. A sum is added to in place only if nobody else holds its memory", "[autograd]") {
  const Variable x = parameter(ones({3}));
  const Variable y = parameter(ones({3}));
  const Tensor dy = ones({3});
  const Variable both = x * 1.0 + y * 1.0;  // hands dy itself to both
  (both + select(reshape(x, {1, 3}), 0, 0)).backward(dy);
  CHECK(equal(dy, ones({3})));
  CHECK(equal(x.grad(), full({3}, 2.0)));
  CHECK(equal(y.grad(), ones({3})));
  // A hook that keeps a gradient keeps its elements, although more arrives at the leaf later.
  Variable kept;
  const Variable z = parameter(ones({3}));
  const Variable part = z * 2.0;
  part.register_hook([&](const Variable& gradient) { kept = gradient; });
  (part + narrow(z, 0, 0, 3)).backward(dy);
  CHECK(equal(kept.value(), ones({3})));
  CHECK(equal(z.grad(), full({3}, 3.0)));
}

TEST_CASE("pass 6. One pass at a time on a thread, and passes on other threads share no state",
          "[autograd][threads]") {
  // Every thread differentiates its own history of the same leaves, some with many of them.
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

TEST_CASE("an undefined gradient counts as none", "[autograd]") {
  const Variable x = parameter(ones({2}));
  const auto silent = [&] {
    return record("silent", x.value().clone(), from(x, [](const Variable&) { return Variable(); }));
  };
  (sum(silent()) + sum(x)).backward();
  CHECK(equal(x.grad(), ones({2})));
  CHECK_THROWS_WITH(grad(sum(silent()), {x}),
                    "grad: the output does not depend on input 0; allow it with {.allow_unused = "
                    "true}");
}

TEST_CASE("rows that fit no table are refused, and the operation is named", "[autograd]") {
  const Variable table = parameter(ones({3, 2}));
  const Variable y = record("lookup", ones({1, 2}), from(table, [](const Variable&) {
                              return RowSparse{tensor({1}), ones({1, 5})};
                            }));
  CHECK_THROWS_WITH(sum(y).backward(),
                    "backward: a rule of 'lookup' gave ids (1) and rows (1, 5), needed (count) and "
                    "(count, width) for a table (3, 2)");
}

}  // namespace tapegrad
