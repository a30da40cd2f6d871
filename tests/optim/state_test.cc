// The numbered invariants of Optimizer::State in optim/optimizer.h.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include <tapegrad/optim/optimizer.h>

#include "catch.h"
#include "error_text.h"
#include "optim/kinds.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

// A step of a table. All its rows have a gradient that depends on their elements.
void learn(Variable table, optim::Optimizer& optimizer) {
  table.zero_grad();
  sum(sin(table * 3.0)).backward();
  optimizer.step();
}

std::vector<Tensor> copies(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> copied;
  for (const Tensor& x : tensors) copied.push_back(x.clone());
  return copied;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& x, const Tensor& y) { return equal(x, y); });
}

// Gradient descent whose update() can throw after it has written to all its tensors.
struct FailingOptions {
  double lr = 0.1;
};
class Failing final : public optim::OptimizerWith<FailingOptions> {
 public:
  explicit Failing(std::vector<NamedParameter> parameters) : OptimizerWith("Failing") {
    add_group(std::move(parameters), {});
  }
  bool fails = false;

 private:
  std::vector<optim::Moment> moments(std::size_t) const override { return {{"sum"}}; }
  void update(optim::Update& x, std::size_t) override {
    x.moments[0].add_(x.g);
    x.p.sub_(x.lr * x.moments[0]);
    x.g.fill_(7.0);
    if (fails) throw std::runtime_error("no");
  }
};

}  // namespace

TEST_CASE("1. A parameter has moments after its first step, with its own shape and type") {
  for (const Kind& one : all_kinds()) {
    for (const bool fused : {true, false}) {
      for (const DType dtype : {float32, float64}) {
        CAPTURE(one.name, fused, dtype);
        Variable table = parameter(ones({4, 3}, dtype));
        const auto optimizer = one.make(table);
        optimizer->set_fused(fused);
        const optim::Optimizer::State& state = optimizer->state(table);
        CHECK(state.step == 0);
        CHECK(state.moments.empty());
        for (int step = 1; step <= 2; ++step) {
          learn(table, *optimizer);
          CHECK(state.step == step);
          CHECK(state.moments.size() + 2 == optimizer->state_dict().size());  // step, and the rate
          for (const Tensor& moment : state.moments) {
            CHECK(moment.shape() == table.shape());
            CHECK(moment.dtype() == dtype);
          }
        }
      }
    }
  }
}

TEST_CASE("2. A row and its moments have taken the same steps") {
  for (const Kind& one : all_kinds()) {
    CAPTURE(one.name);
    Twins twins(one, 40, 3);
    for (int step = 0; step < 60; ++step) twins.step();
    const optim::Optimizer::State& lazy = twins.lazy_optimizer->state(twins.lazy);  // flushes
    const optim::Optimizer::State& dense = twins.dense_optimizer->state(twins.dense);
    CHECK(difference(twins.lazy.stored(), twins.dense.stored()) <= 1e-10);
    for (std::size_t i = 0; i < lazy.moments.size(); ++i) {
      CHECK(allclose(lazy.moments[i], dense.moments[i], 1e-9, 1e-14));
    }
  }
}

TEST_CASE("3. Steps do not change the moments of frozen rows and columns and of padding") {
  const std::vector<std::int64_t> rows = {3}, columns = {1};
  for (const Kind& one : all_kinds()) {
    for (const bool fused : {true, false}) {
      for (const bool sparse : {true, false}) {
        CAPTURE(one.name, fused, sparse);
        Twins twins(one, 20, 3);
        Variable& table = sparse ? twins.lazy : twins.dense;
        optim::Optimizer& optimizer = sparse ? *twins.lazy_optimizer : *twins.dense_optimizer;
        optimizer.set_fused(fused);
        for (int step = 0; step < 10; ++step) twins.step();
        table.row_policy().freeze_rows(rows);
        table.row_policy().freeze_columns(columns);
        table.row_policy().set_padding_row(0);
        std::vector<Tensor> before = copies(optimizer.state(table).moments);
        before.push_back(table.value().clone());
        for (int step = 0; step < 10; ++step) twins.step();
        std::vector<Tensor> after = optimizer.state(table).moments;
        after.push_back(table.value());
        for (std::size_t i = 0; i < after.size(); ++i) {
          CHECK(equal(after[i][0], before[i][0]));
          CHECK(equal(after[i][3], before[i][3]));
          CHECK(equal(select(after[i], 1, 1), select(before[i], 1, 1)));
          CHECK_FALSE(equal(after[i][1], before[i][1]));
        }
      }
    }
  }
}

TEST_CASE("4. Moments follow their row, and those of a new row have their initial values") {
  Variable table = parameter(randn({3, 2}, float64));
  optim::Adagrad adagrad({table}, {.initial_accumulator_value = 0.5});
  learn(table, adagrad);
  const Tensor before = adagrad.state(table).moments[0].clone();
  const std::vector<std::int64_t> sources = {2, -1, 0};
  table.row_policy().remap_rows(sources, zeros({1, 2}, float64));
  const Tensor& after = adagrad.state(table).moments[0];
  CHECK(equal(after[0], before[2]));
  CHECK(equal(after[1], full({2}, 0.5, float64)));
  CHECK(equal(after[2], before[0]));
}

TEST_CASE("5. step, moments and rates are all that is needed to continue") {
  for (const Kind& one : all_kinds()) {
    for (const bool fused : {true, false}) {
      CAPTURE(one.name, fused);
      const auto finish = [&](bool interrupted) {
        Twins twins(one, 40, 3, float32);
        twins.lazy_optimizer->set_fused(fused);
        for (int step = 0; step < 40; ++step) twins.step();
        twins.lazy_optimizer->set_lr(0.003);
        const StateDict saved = twins.lazy_optimizer->state_dict();
        if (interrupted) {
          twins.lazy = parameter(twins.lazy.value().clone());
          twins.lazy_optimizer = one.make(twins.lazy);
          twins.lazy_optimizer->set_fused(fused);
          twins.lazy_optimizer->load_state_dict(saved);
        }
        for (int step = 0; step < 40; ++step) twins.step();
        return twins.lazy.value();
      };
      CHECK(equal(finish(false), finish(true)));
    }
  }
}

// Unlike state_dict(), it does not even change when steps are taken.
TEST_CASE("5. Saving and loading with pending steps changes no bits") {
  const RowConstraint constraint{.kind = RowConstraint::Kind::max_norm, .limit = 0.9};
  for (const Kind& one : all_kinds()) {
    for (const DType dtype : {float32, float64}) {
      CAPTURE(one.name, dtype);
      const auto finish = [&](bool saves, bool loads) {
        Twins twins(one, 40, 3, dtype);
        for (int step = 0; step < 120; ++step) {
          if (step == 30) twins.lazy.row_policy().set_constraint(constraint);
          if (step % 7 == 0) twins.lazy_optimizer->set_lr(0.01 / (1 + step));
          twins.step();
          if (!saves || step % 17 != 9) continue;
          const StateDict saved = twins.lazy_optimizer->state_dict_with_pending_steps();
          if (!loads) continue;
          twins.lazy = parameter(twins.lazy.leaf().stored().clone());
          if (step >= 30) twins.lazy.row_policy().set_constraint(constraint);
          twins.lazy_optimizer = one.make(twins.lazy);
          twins.lazy_optimizer->load_state_dict(saved);
          const StateDict again = twins.lazy_optimizer->state_dict_with_pending_steps();
          REQUIRE(again.size() == saved.size());
          for (const auto& [name, value] : saved) CHECK(equal(again.at(name), value));
        }
        return twins.lazy.value();
      };
      const Tensor expected = finish(false, false);
      CHECK(equal(finish(true, false), expected));
      CHECK(equal(finish(true, true), expected));
    }
  }
}

TEST_CASE("pending steps that do not fit are refused") {
  const Kind adam = kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01});
  Twins twins(adam, 40, 3);
  for (int step = 0; step < 20; ++step) twins.step();
  const StateDict good = twins.lazy_optimizer->state_dict_with_pending_steps();
  REQUIRE(good.at("state.table.pending.lr").size(0) > 5);
  Variable other = parameter(randn({40, 3}, float64));
  const auto optimizer = adam.make(other);
  const auto text_with = [&](const std::string& name, const Tensor& by) {
    StateDict changed;
    for (const auto& [key, value] : good) {
      if (key != name) changed.insert(key, value);
    }
    if (by.defined()) changed.insert(name, by);
    return error_text<FormatError>([&] { optimizer->load_state_dict(changed); });
  };
  const std::string start = "Adam: the state does not fit this optimizer: state.table.pending";
  const std::string taken = "state.table.pending.taken", lr = "state.table.pending.lr";
  for (const Tensor& wrong : {full({40}, -1, int64), full({40}, 1000, int64), zeros({39}, int64),
                              zeros({40}, float64), tensor(3)}) {
    CHECK(text_with(taken, wrong) == start + " does not fit float64 (40, 3)");
  }
  for (const Tensor& wrong : {zeros({0}, float64), zeros({99}, float64), tensor(0.1, float64),
                              -good.at(lr), good.at(lr).to(float32)}) {
    CHECK(text_with(lr, wrong) == start + " does not fit float64 (40, 3)");
  }
  CHECK(text_with(lr, {}) ==
        "Adam: the state does not fit this optimizer: missing state.table.pending.lr");
  CHECK(text_with("state.table.step", tensor(2)) == start + " does not fit float64 (40, 3)");
  optimizer->set_fused(false);
  CHECK(error_text<FormatError>([&] { optimizer->load_state_dict(good); }) ==
        "Adam: the state does not fit this optimizer: state.table.pending needs an optimizer with "
        "set_fused(true)");
}

TEST_CASE(
    "6. A step that is refused, or whose update throws, changes neither parameter nor state") {
  Variable table = parameter(ones({3, 2}));
  Failing failing({table});
  const optim::Optimizer::State& state = failing.state(table);
  failing.fails = true;
  for (int step = 0; step < 2; ++step) {  // without moments, then with them
    const Tensor before = table.value().clone();
    const std::vector<Tensor> moments = copies(state.moments);
    const std::int64_t steps = state.step;
    table.set_grad(ones({3, 2}));
    failing.fails = true;
    CHECK_THROWS_AS(failing.step(), std::runtime_error);
    CHECK(equal(table.value(), before));
    CHECK(equal(table.grad(), ones({3, 2})));
    CHECK(same(state.moments, moments));
    CHECK(state.step == steps);
    failing.fails = false;
    failing.step();
    CHECK(state.step == steps + 1);
    CHECK_FALSE(equal(table.value(), before));
  }
  const Tensor before = table.value().clone();
  table.leaf().set_value(ones({3, 2}, float64));
  CHECK_THROWS_AS(failing.step(), ValueError);
  CHECK(state.step == 2);
  CHECK(state.moments[0].dtype() == float32);
}

TEST_CASE("7. The destructor of a state leaves no step pending") {
  Twins twins(kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01}), 60, 4);
  for (int step = 0; step < 50; ++step) twins.step();
  CHECK(twins.lazy.row_policy().has_pending_rows());
  SECTION("with its optimizer") { twins.lazy_optimizer.reset(); }
  SECTION("when another optimizer replaces it") {
    Variable other = parameter(ones({2}));
    optim::Adam& lazy = dynamic_cast<optim::Adam&>(*twins.lazy_optimizer);
    lazy = optim::Adam({other});
  }
  CHECK_FALSE(twins.lazy.row_policy().has_pending_rows());
  CHECK(difference(twins.lazy.stored(), twins.dense.value()) <= 1e-12);
}
