// Tests of values that are overwritten after a rule captured them, and of snapshots. Read next:
// row_sparse_test.cc.
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"

namespace tapegrad {

using test::error_text;

namespace {

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
    CHECK(error_text<AutogradError>([&] { loss.backward(); }) == stale);
  }
  SECTION("through a view") {
    Tensor row = a[1];
    row.add_(1);
    CHECK(error_text<AutogradError>([&] { loss.backward(); }) == stale);
  }
  SECTION("through mutable_span") {
    a.mutable_span<float>()[0] = 7;
    CHECK(error_text<AutogradError>([&] { loss.backward(); }) == stale);
  }
  SECTION("through its owner, when a view was captured") {
    const Variable other = sum(w * transpose(a));
    a.mul_(2);
    CHECK(starts_with(error_text<AutogradError>([&] { other.backward(); }),
                      "backward: a value that 'mul' (#2)"));
  }
  SECTION("through set_value") {
    const Variable product = sum(w * w);
    w.set_value(zeros({2, 2}));
    CHECK(starts_with(error_text<AutogradError>([&] { product.backward(); }),
                      "backward: a value that 'mul' (#2)"));
    loss.backward();  // needs a, not w
    CHECK(equal(w.grad(), a));
  }
  SECTION("through an optimizer's step") {
    const Variable product = sum(square(w));
    w.leaf().writable_value().add_(1);
    CHECK(starts_with(error_text<AutogradError>([&] { product.backward(); }),
                      "backward: a value that 'square'"));
  }
  SECTION("a result that the rule takes as y") {
    Variable y = exp(w);
    const Variable total = sum(y);
    Tensor value = y.value();
    value.zero_();
    CHECK(error_text<AutogradError>([&] { total.backward(); }) ==
          "backward: a value that 'exp' (#2) needs was overwritten in place since it was recorded; "
          "call backward() before changing it, or change a clone()");
  }
  SECTION("and under create_graph") {
    a.fill_(0);
    CHECK(error_text<AutogradError>([&] { grad(loss, {w}, {.create_graph = true}); }) == stale);
  }
  if (!w.has_grad()) CHECK(Tape::is_recording());
}

TEST_CASE("a rule's copy of a stale value is stale", "[autograd]") {
  const Variable x = parameter(ones({2}));
  SECTION("of a constant") {
    Tensor factor = tensor({2.0, 3.0});
    const Variable y = sum(times_copied(x, factor));
    factor.fill_(0);
    CHECK(error_text<AutogradError>([&] { y.backward(); }).find("'times_copied'") !=
          std::string::npos);
  }
  SECTION("of a leaf") {
    Variable factor = parameter(tensor({2.0, 3.0}));
    const Variable y = sum(times_copied(x, factor));
    factor.set_value(zeros({2}));
    CHECK(error_text<AutogradError>([&] { y.backward(); }).find("'times_copied'") !=
          std::string::npos);
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
    const bool caught = starts_with(error_text<AutogradError>([&] { sum(y).backward(); }),
                                    "backward: a value that");
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
  for (const char* const reduce : {"sum", "mean", "prod", "amax"}) {
    CHECK(stale(scatter_reduce(zeros({2, 2}), 0, grid, w, reduce), grid));
  }
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

}  // namespace tapegrad
