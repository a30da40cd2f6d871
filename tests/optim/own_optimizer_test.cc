// Optimizers as a user writes them, with one function, and the work that Optimizer does for them.
#include <tapegrad/tapegrad.h>

#include <string>
#include <utility>
#include <vector>

#include "catch.h"

using namespace tapegrad;
using Catch::Contains;

namespace {

// SGD with momentum.
struct MomentumOptions {
  double lr = 0.1;
  double momentum = 0.9;
};
class Momentum final : public optim::OptimizerWith<MomentumOptions> {
 public:
  explicit Momentum(std::vector<NamedParameter> parameters, MomentumOptions options = {})
      : OptimizerWith("Momentum") {
    add_group(std::move(parameters), options);
  }

 private:
  std::vector<optim::Moment> moments(std::size_t) const override { return {{"buffer"}}; }
  void update(optim::Update& x, std::size_t group) override {
    Tensor& b = x.moments[0];
    b = x.step == 1 ? x.g : options(group).momentum * b + x.g;
    x.p = x.p - x.lr * b;
  }
};

// Gradient descent that moves every element at every step, but claims that rows without a gradient
// do not move, and records the shapes that it gets.
struct DriftOptions {
  double lr = 1;
};
class Drift final : public optim::OptimizerWith<DriftOptions> {
 public:
  Drift(std::vector<NamedParameter> parameters, bool moves_all)
      : OptimizerWith("Drift"), moves_all_(moves_all) {
    add_group(std::move(parameters), {});
  }
  std::vector<std::string> seen;
  bool sparse = false;

 private:
  bool moves_rows_without_gradient(std::size_t) const override { return moves_all_; }
  std::vector<optim::Moment> moments(std::size_t) const override { return {{"count", 10}}; }
  void update(optim::Update& x, std::size_t) override {
    seen.push_back(to_string(x.p.sizes()) + to_string(x.g.sizes()) +
                   to_string(x.moments[0].sizes()));
    sparse = x.sparse;
    x.moments[0] = x.moments[0] + 1;
    x.p = x.p - x.lr * (x.g + 1);
  }
  bool moves_all_;
};

// An optimizer whose update() leaves the given p and moments.
class Wrong final : public optim::OptimizerWith<DriftOptions> {
 public:
  Wrong(std::vector<NamedParameter> parameters, Tensor p, std::vector<Tensor> moments)
      : OptimizerWith("Wrong"), p_(std::move(p)), moments_(std::move(moments)) {
    add_group(std::move(parameters), {});
  }

 private:
  std::vector<optim::Moment> moments(std::size_t) const override { return {{"a"}}; }
  void update(optim::Update& x, std::size_t) override {
    x.p = p_;
    x.moments = moments_;
  }
  Tensor p_;
  std::vector<Tensor> moments_;
};

void look_up(Variable table, const Tensor& ids) {
  table.zero_grad();
  sum(embedding(table, ids)).backward();
}

}  // namespace

TEST_CASE("an optimizer of one function takes the same steps as the library's own") {
  using Kind = RowConstraint::Kind;
  const std::vector<std::int64_t> rows = {3}, columns = {1};
  for (const bool lookups : {true, false}) {
    Generator generator(1);
    Variable a = parameter(randn({9, 4}, float64, generator));
    Variable b = parameter(a.value().clone());
    Variable c = parameter(ones({2}, float64)), d = parameter(ones({2}, float64));
    Momentum own({a}, {.lr = 0.1, .momentum = 0.8});
    optim::SGD sgd({b}, {.lr = 0.1, .momentum = 0.8});
    own.add_group({c}, {.lr = 0.2});
    sgd.add_group({d}, {.lr = 0.2, .momentum = 0.9});
    for (Variable table : {a, b}) {
      table.row_policy().freeze_rows(rows);
      table.row_policy().freeze_columns(columns);
      table.row_policy().set_padding_row(0);
      table.row_policy().set_constraint({Kind::max_norm, 1.2});
      table.row_policy().set_rate_multiplier(0.5);
    }
    const optim::OneCycleLROptions cycle{.max_lr = {0.2, 0.3}, .total_steps = 40};
    optim::OneCycleLR of_own(own, cycle), of_sgd(sgd, cycle);  // changes momentum, too
    for (int step = 0; step < 30; ++step) {
      const Tensor ids = randint(0, 9, {5}, generator);
      for (auto [table, vector] : {std::pair(a, c), std::pair(b, d)}) {
        table.zero_grad();
        vector.zero_grad();
        const Variable found = lookups ? embedding(table, ids) : index_select(table, 0, ids);
        sum(sin(found * 2.0)).backward();
        if (step != 7) sum(square(vector)).backward();
      }
      own.step();
      sgd.step();
      of_own.step();
      of_sgd.step();
    }
    CAPTURE(lookups);
    CHECK(allclose(a.value(), b.value(), 0, 1e-14));
    CHECK(allclose(c.value(), d.value(), 0, 1e-14));
    CHECK(own.momentum(0) == sgd.momentum(0));
  }
}

TEST_CASE("update gets a row-sparse gradient as a dense one, unless other rows do not move") {
  const Tensor ids = tensor({4, 1, 4});
  Variable table = parameter(zeros({6, 2}, float64));
  SECTION("all rows move") {
    Drift drift({table}, true);
    look_up(table, ids);
    drift.step();
    CHECK(drift.seen == std::vector<std::string>{"(6, 2)(6, 2)(6, 2)"});
    CHECK(
        equal(select(table.value(), 1, 0), tensor({-1.0, -2.0, -1.0, -1.0, -3.0, -1.0}, float64)));
    CHECK(equal(select(drift.state(table).moments[0], 1, 0), full({6}, 11, float64)));
  }
  SECTION("only rows with a gradient move") {
    Drift drift({table}, false);
    table.row_policy().freeze_rows(std::vector<std::int64_t>{1});
    look_up(table, tensor({4, 1, 4, 2}));
    drift.step();
    CHECK(drift.seen == std::vector<std::string>{"(3, 2)(3, 2)(3, 2)"});
    CHECK_FALSE(drift.sparse);
    CHECK(equal(select(table.value(), 1, 0), tensor({0.0, 0.0, -2.0, 0.0, -3.0, 0.0}, float64)));
    CHECK(equal(select(drift.state(table).moments[0], 1, 0),
                tensor({10.0, 10.0, 11.0, 10.0, 11.0, 10.0}, float64)));
    table.set_grad(ones({6, 2}, float64));  // a dense gradient moves all rows
    drift.step();
    CHECK(drift.seen.back() == "(6, 2)(6, 2)(6, 2)");
  }
  SECTION("the table is sparse") {
    Drift drift({table}, true);
    table.row_policy().set_sparse(true);
    look_up(table, ids);
    drift.step();
    CHECK(drift.seen == std::vector<std::string>{"(2, 2)(2, 2)(2, 2)"});
    CHECK(drift.sparse);
    CHECK(equal(select(table.value(), 1, 0), tensor({0.0, -2.0, 0.0, 0.0, -3.0, 0.0}, float64)));
  }
  SECTION("a constraint is applied to rows that do not move") {
    table.set_grad(zeros({6, 2}, float64));
    Variable(table).set_value(full({6, 2}, 5.0, float64));
    table.row_policy().set_constraint({RowConstraint::Kind::unit_norm});
    Drift drift({table}, false);
    look_up(table, ids);
    drift.step();
    CHECK(allclose(norm(table.value(), 2, {1}), ones({6}, float64), 0, 1e-6));
  }
}

TEST_CASE("an update must keep shapes and types") {
  Variable w = parameter(ones({2, 3}));
  w.set_grad(ones({2, 3}));
  const Tensor good = zeros({2, 3});
  const auto step = [&](const Tensor& p, const std::vector<Tensor>& moments) {
    Wrong({w}, p, moments).step();
  };
  CHECK_THROWS_WITH(step(ones({3}), {good}),
                    "Wrong: update() made p float32 (3), needed float32 (2, 3)");
  CHECK_THROWS_WITH(step(ones({2, 3}, float64), {good}), Contains("made p float64 (2, 3)"));
  CHECK_THROWS_WITH(step(Tensor(), {good}), Contains("made p undefined"));
  CHECK_THROWS_WITH(step(good, {ones({2, 1})}), Contains("made moment 0 float32 (2, 1)"));
  CHECK_THROWS_WITH(step(good, {}), Contains("made moment 0 undefined"));
  CHECK(equal(w.value(), ones({2, 3})));
  step(good, {good});
  CHECK(equal(w.value(), good));
}

TEST_CASE("a step by update() cannot be explained") {
  Variable table = parameter(ones({4, 2}));
  Momentum own({table});
  CHECK_THROWS_WITH(own.explain_update(table, 1), Contains("has not taken a step"));
  look_up(table, tensor({1}));
  own.step();
  CHECK_THROWS_WITH(own.explain_update(table, 1),
                    "Momentum: explain_update: the last step was not fused, and the parts of "
                    "update() are unknown");
}

TEST_CASE("an optimizer returns the state of its own parameters only") {
  Variable w = parameter(ones({2})), other = parameter(ones({2}));
  Momentum own({{"w", w}});
  CHECK_THROWS_WITH(own.state(other),
                    "Momentum: state: got a parameter that is in no group of this optimizer, "
                    "needed one of its own");
  w.set_grad(full({2}, 3.0));
  own.step();
  CHECK(equal(own.state(w).moments[0], full({2}, 3.0)));
  CHECK(own.state_dict().contains("state.w.buffer"));
  own.zero_grad();
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("tensors read before a step by update() are snapshots") {
  Variable w = parameter(ones({2}));
  const Tensor before = w.value();
  Momentum own({w});
  w.set_grad(ones({2}));
  own.step();
  CHECK(equal(before, ones({2})));
  CHECK_FALSE(equal(w.value(), before));
}
