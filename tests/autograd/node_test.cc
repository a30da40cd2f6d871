// Tests of the invariants of a leaf, which autograd/node.h lists. Read next:
// tests/autograd/tape_test.cc.
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/sgd.h>

#include "catch.h"

namespace tapegrad {
namespace {

// A row state whose pending step adds 1 to each row.
class PendingOnes : public RowState {
 public:
  explicit PendingOnes(Leaf& leaf)
      : leaf_(leaf), pending_(static_cast<std::size_t>(leaf.stored().size(0)), true) {
    leaf_.row_policy().add_state(*this);
    leaf_.row_policy().set_pending_rows(*this, true);
  }
  ~PendingOnes() { leaf_.row_policy().remove_state(*this); }

  void flush() override {
    std::vector<std::int64_t> all;
    for (std::size_t i = 0; i < pending_.size(); ++i) all.push_back(static_cast<std::int64_t>(i));
    flush_rows(all);
    leaf_.row_policy().set_pending_rows(*this, false);
  }
  void flush_rows(std::span<const std::int64_t> ids) override {
    Tensor& table = leaf_.writable_stored();
    for (const std::int64_t id : ids) {
      if (!pending_[static_cast<std::size_t>(id)]) continue;
      pending_[static_cast<std::size_t>(id)] = false;
      select(table, 0, id).add_(1);
    }
  }
  void remap_rows(std::span<const std::int64_t>) override {}

 private:
  Leaf& leaf_;
  std::vector<bool> pending_;
};

Variable broken(const Variable& x) {
  return record("broken", x.value().clone(), from(x, [](const Variable&) -> Variable {
                  throw std::runtime_error("the rule gave up");
                }));
}

}  // namespace

TEST_CASE("leaf 1. A Tensor taken from value() is a snapshot", "[autograd]") {
  Variable w = parameter(tensor({1.0, 2.0}));
  const Tensor before = w.value();
  SECTION("set_value") { w.set_value(tensor({5.0, 6.0})); }
  SECTION("writable_value") { w.leaf().writable_value().fill_(7); }
  SECTION("a step of an optimizer") {
    optim::SGD sgd({w}, {.lr = 1});
    w.set_grad(ones({2}));
    sgd.step();
  }
  CHECK(equal(before, tensor({1.0, 2.0})));
  CHECK_FALSE(equal(w.value(), before));
}

TEST_CASE("leaf 2. version() grows with every change of the value, and with nothing else",
          "[autograd]") {
  Variable w = parameter(ones({3, 2}));
  Leaf& leaf = w.leaf();
  CHECK(leaf.version() == 0);
  const auto grows = [&](const auto& change) {
    const std::uint32_t before = leaf.version();
    change();
    return leaf.version() != before;
  };
  CHECK(grows([&] { w.set_value(zeros({3, 2})); }));
  CHECK(grows([&] { leaf.writable_value().add_(1); }));
  const Tensor held = w.value();
  CHECK(grows([&] { leaf.writable_value().add_(1); }));  // moves to a copy

  CHECK_FALSE(grows([&] { w.value(); }));
  CHECK_FALSE(grows([&] { w.set_grad(ones({3, 2})); }));
  CHECK_FALSE(grows([&] { sum(w).backward(); }));
  CHECK_FALSE(grows([&] { w.set_requires_grad(false); }));
  PendingOnes pending(leaf);
  CHECK_FALSE(grows([&] { leaf.flush_rows(tensor({1})); }));
  CHECK_FALSE(grows([&] { leaf.flush(); }));
}

TEST_CASE("leaf 3. value() has no pending rows, and stored() may have", "[autograd]") {
  const Variable w = parameter(zeros({3, 2}));
  Leaf& leaf = w.leaf();
  PendingOnes pending(leaf);
  CHECK(equal(leaf.stored(), zeros({3, 2})));
  CHECK(equal(embedding(w, tensor({2})).value(), ones({1, 2})));  // reads, so flushes, one row
  CHECK(equal(leaf.stored(), tensor({{0.0, 0.0}, {0.0, 0.0}, {1.0, 1.0}})));
  CHECK(leaf.row_policy().has_pending_rows());
  CHECK(equal(w.value(), ones({3, 2})));
  CHECK_FALSE(leaf.row_policy().has_pending_rows());
}

TEST_CASE("leaf 4. The gradient has the value's shape and type, and no history", "[autograd]") {
  const Variable w = parameter(ones({2, 3}));
  const Variable wide = parameter(ones({2, 3}, float64));
  const Variable other = parameter(ones({3}));
  sum(w * wide * other).backward();  // promoted and broadcast
  for (const Variable& leaf : {w, wide, other}) {
    CHECK(leaf.grad().shape() == leaf.shape());
    CHECK(leaf.grad().dtype() == leaf.dtype());
  }
  CHECK(tape().size() == 0);
  // A rule may return one Tensor for several inputs; each leaf still has its own gradient.
  const Variable a = parameter(ones({2}));
  const Variable b = parameter(ones({2}));
  (a + b).backward(ones({2}));
  CHECK_FALSE(a.grad().shares_memory_with(b.grad()));
}

TEST_CASE("leaf 5. Only a pass that succeeded, clipping, set_grad() and zero_grad() change it",
          "[autograd]") {
  Variable w = parameter(ones({4, 2}));
  Leaf& leaf = w.leaf();
  const auto grows = [&](const auto& change) {
    const std::uint64_t before = leaf.grad.version();
    change();
    return leaf.grad.version() != before;
  };
  CHECK(grows([&] { sum(w).backward(); }));
  CHECK(grows([&] { sum(embedding(w, tensor({1, 1}))).backward(); }));
  CHECK(grows([&] { optim::clip_grad_norm({NamedParameter(w)}, 0.1); }));
  CHECK(grows([&] { w.set_grad(ones({4, 2})); }));

  const Tensor held = w.grad();
  CHECK_FALSE(grows([&] { grad(sum(square(w)), {w}); }));
  CHECK_FALSE(grows([&] { CHECK_THROWS((sum(w) + sum(broken(w))).backward()); }));
  CHECK_FALSE(grows([&] { w.set_value(zeros({4, 2})); }));
  CHECK(equal(held, w.grad()));
  CHECK(grows([&] { w.zero_grad(); }));
  CHECK_FALSE(w.has_grad());
}

}  // namespace tapegrad
