// Faults of the tape that a reader found: copies that hide a stale value, hooks that change the
// list of hooks, empty slices, types that rules forgot. Read next: tests/nn/module_test.cc.
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/optim/clip.h>

#include "catch.h"

namespace tapegrad {
namespace {

template <class Exception = AutogradError, class Function>
std::string text_of(const Function& function) {
  try {
    function();
  } catch (const Exception& error) {
    return error.what();
  }
  return {};
}

// y = x * factor, whose rule works on a copy of what it captured.
Variable times_copied(const Variable& x, const Variable& factor) {
  return record("times_copied", x.value() * factor.value(), from(x, [factor](const Variable& dy) {
                  const Variable copy = factor;  // NOLINT: the copy is the point
                  return dy * copy;
                }));
}

TEST_CASE("a rule's copy of a stale value is stale", "[autograd]") {
  const Variable x = parameter(ones({2}));
  SECTION("of a constant") {
    Tensor factor = tensor({2.0, 3.0});
    const Variable y = sum(times_copied(x, factor));
    factor.fill_(0);
    CHECK(text_of([&] { y.backward(); }).find("'times_copied'") != std::string::npos);
  }
  SECTION("of a leaf") {
    Variable factor = parameter(tensor({2.0, 3.0}));
    const Variable y = sum(times_copied(x, factor));
    factor.set_value(zeros({2}));
    CHECK(text_of([&] { y.backward(); }).find("'times_copied'") != std::string::npos);
  }
  SECTION("a fresh one is not") {
    const Variable y = sum(times_copied(x, tensor({2.0, 3.0})));
    y.backward();
    CHECK(equal(x.grad(), tensor({2.0, 3.0})));
  }
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

TEST_CASE("the gradient of an empty slice with a step", "[autograd]") {
  for (const std::int64_t start : {0, 1, 5, 6}) {
    const Variable x = parameter(ones({6}, float64));
    const Variable part = slice(x, 0, start, start, 3);
    (sum(part) + sum(x)).backward();
    CHECK(equal(x.grad(), ones({6}, float64)));
    const auto once =
        grad(sum(slice(x, 0, start, start, 3) * 2.0) + sum(square(x)), {x}, {.create_graph = true});
    CHECK(equal(grad(sum(once[0]), {x})[0].value(), full({6}, 2.0, float64)));
  }
}

TEST_CASE("integers carry no gradient", "[autograd]") {
  const Variable x = parameter(tensor({1.5, 2.5}));
  CHECK_FALSE(x.to(int64).requires_grad());
  CHECK_FALSE(x.to(boolean).requires_grad());
  CHECK(x.to(float64).requires_grad());
  CHECK(tape().size() == 0);
}

TEST_CASE("outer products of mixed types have gradients", "[autograd]") {
  const Variable a = parameter(tensor({1.0, 2.0}));
  const Variable b = parameter(tensor({3.0, 4.0, 5.0}, float64));
  sum(outer(a, b)).backward();
  CHECK(equal(a.grad(), tensor({12.0, 12.0})));
  CHECK(equal(b.grad(), tensor({3.0, 3.0, 3.0}, float64)));
}

TEST_CASE("cat passes over empty vectors, as on tensors", "[autograd]") {
  const Variable x = parameter(ones({2, 3}));
  const Variable nothing = zeros({0});
  for (const std::int64_t dim : {0, 1, -1}) {
    const Variable joined = cat({nothing, x, nothing, x}, dim);
    CHECK(equal(joined.value(), cat({x.value(), x.value()}, dim)));
    sum(joined).backward();
    CHECK(equal(x.grad(), full({2, 3}, 2.0)));
    x.zero_grad();
  }
  CHECK(cat({nothing, parameter(zeros({0}))}).shape() == Shape{0});
}

TEST_CASE("a dimension that there is not is refused by the operation's name", "[autograd]") {
  const Variable x = parameter(ones({2, 3}));
  CHECK(text_of<IndexError>([&] { sum(x, 5); }) == text_of<IndexError>([&] { sum(x.value(), 5); }));
  CHECK(text_of<IndexError>([&] { mean(x, -3); }) ==
        text_of<IndexError>([&] { mean(x.value(), -3); }));
  CHECK(tape().size() == 0);
}

TEST_CASE("padding_idx counts from the end if negative", "[autograd]") {
  const Variable table = parameter(ones({4, 2}));
  sum(embedding(table, tensor({0, 3, 3}), -1)).backward();
  CHECK(equal(table.grad(), tensor({{1.0, 1.0}, {0.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}})));
}

TEST_CASE("rows of another type are converted to the table's", "[autograd]") {
  const Variable table = parameter(ones({3, 2}));
  const Tensor ids = tensor({2, 0});
  const Variable y = record("wide_lookup", embedding(table.value(), ids).to(float64),
                            from(table, [at = Variable(ids)](const Variable& dy) {
                              return RowSparse{at.value(), dy.value() * 2.0};
                            }));
  sum(y).backward();
  CHECK(equal(table.grad(), tensor({{2.0, 2.0}, {0.0, 0.0}, {2.0, 2.0}})));
}

TEST_CASE("clipping refuses what is no leaf before it changes anything", "[autograd]") {
  const Variable w = parameter(ones({2}));
  w.set_grad(tensor({5.0, -5.0}));
  CHECK_FALSE(text_of([&] {
                optim::clip_grad_value({NamedParameter(w), NamedParameter(w * 2.0)}, 1.0);
              }).empty());
  CHECK(equal(w.grad(), tensor({5.0, -5.0})));
  const Variable empty = parameter(zeros({3, 0}));
  empty.set_grad(zeros({3, 0}));
  CHECK(optim::clip_grad_norm({NamedParameter(empty)}, 1.0,
                              std::numeric_limits<double>::infinity()) == 0);
}

}  // namespace
}  // namespace tapegrad
