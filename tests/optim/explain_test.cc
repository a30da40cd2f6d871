// Why a row has changed: the sum of the parts of explain_update() is the change.
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include <tapegrad/optim/sparse_adam.h>

#include "catch.h"
#include "optim/kinds.h"

using namespace tapegrad;

namespace {

// The change of a row in float64, and its explanation.
struct Explained {
  Tensor change;
  optim::UpdateParts parts;
};

// One more step of a table: row 1 is looked up in it; row 7 is not, but was in earlier steps.
Explained explain(
    const Kind& one, std::int64_t row, DType dtype,
    const std::function<void(Leaf&)>& prepare = [](Leaf&) {}, bool dense = false) {
  Generator generator(9);
  Variable table = parameter(randn({12, 5}, dtype, generator));
  const auto optimizer = one.make(table);
  const auto learn = [&](const Tensor& ids) {
    table.zero_grad();
    const Variable rows = dense ? index_select(table, 0, ids) : embedding(table, ids);
    sum(rows * Variable(sin(rows.value() * 3.0) * 0.3)).backward();
  };
  for (int step = 0; step < 20; ++step) {
    learn(randint(0, 12, {6}, generator));
    optimizer->step();
  }
  prepare(table.leaf());
  const Tensor before = table.value()[row].to(float64).clone();
  learn(tensor({1, 2, 1}));
  optimizer->step();
  optim::UpdateParts parts = optimizer->explain_update(table, row);
  const Tensor change = table.value()[row].to(float64) - before;
  return {change, std::move(parts)};
}

bool zero(const Tensor& x) { return max(abs(x)).item<double>() == 0; }

}  // namespace

TEST_CASE("the sum of the parts is the update") {
  for (const Kind& one : all_kinds()) {
    for (const DType dtype : {float64, float32}) {
      for (const std::int64_t row : {1, 7}) {
        for (const bool dense : {false, true}) {
          CAPTURE(one.name, dtype, row, dense);
          const auto [change, parts] = explain(
              one, row, dtype, [](Leaf&) {}, dense);
          const double error = max(abs(parts.total - change)).item<double>();
          CHECK(error <= (dtype == float64 ? 1e-14 : 1e-6));
          CHECK(equal(parts.total, parts.gradient + parts.momentum + parts.weight_decay +
                                       parts.renormalization));
          CHECK(zero(parts.gradient) == (row == 7));
          CHECK(zero(parts.weight_decay) ==
                !(one.name.find("decay") != std::string::npos || one.name.find("AdamW") == 0 ||
                  one.name.find("SGD, dampened") == 0 || one.name.find("SGD, Nesterov") == 0));
          CHECK(zero(parts.renormalization));
        }
      }
    }
  }
}

TEST_CASE("momentum is the effect of the same step without a gradient") {
  // Row 7 has no gradient, so Adam moves it by momentum only.
  const auto [change, parts] =
      explain(kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01}), 7, float64);
  CHECK_FALSE(zero(change));
  CHECK(allclose(parts.momentum, change, 1e-12, 1e-15));
  CHECK(parts.reason == "moved by momentum of earlier gradients; it was not looked up");
}

TEST_CASE("the effect of a constraint is a separate part") {
  using Kind_ = RowConstraint::Kind;
  for (const Kind& one : all_kinds()) {
    for (const RowConstraint constraint :
         {RowConstraint{Kind_::max_norm, 0.7}, RowConstraint{Kind_::non_negative},
          RowConstraint{Kind_::unit_norm}}) {
      for (const std::int64_t row : {1, 7}) {
        CAPTURE(one.name, static_cast<int>(constraint.kind), row);
        const auto [change, parts] = explain(
            one, row, float64, [&](Leaf& leaf) { leaf.row_policy().set_constraint(constraint); });
        CHECK(max(abs(parts.total - change)).item<double>() <= 1e-14);
        CHECK_FALSE(zero(parts.renormalization));
        CHECK(parts.reason.find("renormalization") != std::string::npos);
      }
    }
  }
}

TEST_CASE("the explanation of a frozen row has the reason") {
  const Kind adamw = kind<optim::AdamW>("AdamW", optim::AdamWOptions{});
  const auto frozen = explain(adamw, 1, float32, [](Leaf& leaf) {
    leaf.row_policy().freeze_rows(std::vector<std::int64_t>{1});
  });
  CHECK(zero(frozen.change));
  CHECK(zero(frozen.parts.total));
  CHECK(frozen.parts.reason == "the row is frozen");
  const auto padding =
      explain(adamw, 1, float32, [](Leaf& leaf) { leaf.row_policy().set_padding_row(1); });
  CHECK(zero(padding.change));
  CHECK(padding.parts.reason == "it is the padding row");
  Variable w = parameter(ones({2}));
  optim::SGD sgd({w}, {.lr = 0.1});
  sum(w).backward();
  sgd.step();
  w.set_requires_grad(false);
  CHECK(sgd.explain_update(w, 0).reason == "the parameter is frozen (requires_grad is false)");
  const auto columns = explain(adamw, 1, float64, [](Leaf& leaf) {
    leaf.row_policy().freeze_columns(std::vector<std::int64_t>{0, 2});
  });
  CHECK(columns.change.item<double>({0}) == 0);
  CHECK(columns.parts.total.item<double>({2}) == 0);
  CHECK(max(abs(columns.parts.total - columns.change)).item<double>() <= 1e-14);
  CHECK(columns.parts.reason.find("; some columns are frozen") != std::string::npos);
  const auto rests = explain(kind<optim::SGD>("SGD", optim::SGDOptions{}), 7, float32);
  CHECK(rests.parts.reason == "nothing moved it; it was not looked up");
  const auto sparse = explain(kind<optim::Adam>("Adam", optim::AdamOptions{}), 7, float32,
                              [](Leaf& leaf) { leaf.row_policy().set_sparse(true); });
  CHECK(zero(sparse.change));
  CHECK(sparse.parts.reason == "nothing moved it; it was not looked up");
}

TEST_CASE("SparseAdam does not move a row without a gradient") {
  Variable table = parameter(randn({4, 2}, float64));
  optim::SparseAdam optimizer({table}, {});
  for (const std::int64_t row : {1, 2}) {
    table.zero_grad();
    sum(sin(embedding(table, tensor({row})))).backward();
    optimizer.step();
  }
  CHECK(zero(optimizer.explain_update(table, 1).total));
  CHECK_FALSE(zero(optimizer.explain_update(table, 2).total));
}

TEST_CASE("the effect of max_norm at the lookups before a step is a separate part") {
  for (const std::int64_t row : {1, 2, 3}) {
    Variable table = parameter(randn({5, 4}, float64) + 3);
    optim::AdamW adamw({table}, {.lr = 0.1});
    table.row_policy().freeze_columns(std::vector<std::int64_t>{1});
    table.row_policy().set_padding_row(3);
    const Tensor before = table.value()[row].clone();
    const EmbeddingLookup strict{.max_norm = 1}, mild{.max_norm = 2};
    const Tensor ids = tensor({1, 3});
    sum(sin(embedding(table, ids, mild)) + cos(embedding(table, ids, strict))).backward();
    adamw.step();
    const optim::UpdateParts parts = adamw.explain_update(table, row);
    CAPTURE(row, parts.reason);
    CHECK(allclose(parts.total, table.value()[row] - before, 0, 1e-14));
    CHECK(zero(parts.renormalization) == (row == 2));
    CHECK(parts.total.item<double>({1}) == 0);
  }
}

TEST_CASE("an explanation prints as a table") {
  const auto [change, parts] =
      explain(kind<optim::AdamW>("AdamW", optim::AdamWOptions{.lr = 0.1}), 1, float64);
  std::ostringstream text;
  text << parts;
  CHECK(text.str().starts_with(
      "moved by its gradient, momentum of earlier gradients, weight decay\n  gradient"));
  CHECK(text.str().find("\n  total ") != std::string::npos);
}

TEST_CASE("an explanation prints the length and the first elements of each part") {
  const auto row = [](std::initializer_list<double> elements) {
    return Tensor(tensor(std::vector<double>(elements)));
  };
  const optim::UpdateParts parts{.gradient = row({3, -4, 0, 0}),
                                 .momentum = row({0.5, 0, 0, 0, 1.25}),
                                 .weight_decay = row({}),
                                 .renormalization = row({-1.0 / 3}),
                                 .total = row({1e-7, 12345.678}),
                                 .reason = "moved by its gradient"};
  std::ostringstream text;
  text << std::hex << std::showpos << parts;
  CHECK(text.str() ==
        "moved by its gradient\n"
        "  gradient                  5  (3, -4, 0, 0)\n"
        "  momentum              1.346  (0.5, 0, 0, 0, ...)\n"
        "  weight decay              0  ()\n"
        "  renormalization      0.3333  (-0.3333)\n"
        "  total             1.235e+04  (1e-07, 1.235e+04)");
}

TEST_CASE("explain_update throws if a step cannot be explained") {
  using Catch::Contains;
  Variable table = parameter(ones({4, 2}));
  Variable other = parameter(ones({4, 2}));
  optim::Adam adam({table}, {});
  CHECK_THROWS_WITH(adam.explain_update(other, 0),
                    Contains("Adam: explain_update: got a parameter that is in no group of this "
                             "optimizer, needed one of its own"));
  CHECK_THROWS_WITH(adam.explain_update(table, 0), Contains("has not taken a step"));
  sum(embedding(table, tensor({1}))).backward();
  adam.step();
  CHECK_THROWS_WITH(adam.explain_update(table, 4), Contains("row 4 out of range for 4 rows"));
  CHECK_THROWS_WITH(adam.explain_update(table, -1), Contains("row -1 out of range for 4 rows"));
  CHECK_NOTHROW(adam.explain_update(table, 1));
  adam.load_state_dict(adam.state_dict());  // its last step was another optimizer's
  CHECK_THROWS_AS(adam.explain_update(table, 1), ValueError);
  adam.step();
  CHECK_NOTHROW(adam.explain_update(table, 1));
  adam.zero_grad();
  CHECK_THROWS_WITH(adam.explain_update(table, 1),
                    Contains("the gradient of the last step is gone; ask before zero_grad()"));
  sum(embedding(table, tensor({1}))).backward();
  CHECK_THROWS_AS(adam.explain_update(table, 1), ValueError);
}
