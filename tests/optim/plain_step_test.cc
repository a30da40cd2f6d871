// Each fused kernel takes the same step as its optimizer's update() in Tensor operations. Both
// start from the same state and take one step. The results differ only by rounding: by at most 4
// units in the last place of the largest element of the table (or of the moment), and by at most 32
// for centered RMSprop, which divides by a difference of means.
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/optim/sparse_adam.h>

#include "catch.h"
#include "optim/kinds.h"

using namespace tapegrad;

namespace {

std::vector<Kind> kinds_to_compare() {
  using namespace optim;
  std::vector<Kind> kinds = all_kinds();
  kinds.push_back(kind<SGD>(
      "SGD, all",
      SGDOptions{
          .lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true, .maximize = true}));
  kinds.push_back(kind<Adam>("Adam, all", AdamOptions{.lr = 0.01,
                                                      .betas = {0.5, 0.8},
                                                      .weight_decay = 0.1,
                                                      .amsgrad = true,
                                                      .maximize = true}));
  kinds.push_back(kind<AdamW>("AdamW, maximize", AdamWOptions{.lr = 0.01, .maximize = true}));
  kinds.push_back(kind<Adagrad>("Adagrad, all", AdagradOptions{.lr = 0.1,
                                                               .lr_decay = 0.1,
                                                               .weight_decay = 0.01,
                                                               .initial_accumulator_value = 0.5,
                                                               .eps = 1e-3,
                                                               .maximize = true}));
  kinds.push_back(kind<RMSprop>("RMSprop, centered, all", RMSpropOptions{.lr = 0.001,
                                                                         .alpha = 0.9,
                                                                         .eps = 1e-3,
                                                                         .weight_decay = 0.01,
                                                                         .momentum = 0.5,
                                                                         .centered = true,
                                                                         .maximize = true}));
  kinds.push_back(kind<RMSprop>("RMSprop, momentum", RMSpropOptions{.lr = 0.01, .momentum = 0.9}));
  kinds.push_back(kind<Adadelta>(
      "Adadelta, all",
      AdadeltaOptions{.lr = 0.5, .rho = 0.8, .eps = 1e-4, .weight_decay = 0.01, .maximize = true}));
  return kinds;
}

// The difference in units of the last place of the largest element.
double apart(const Tensor& a, const Tensor& b) {
  const double unit = a.dtype() == float32
                          ? static_cast<double>(std::numeric_limits<float>::epsilon())
                          : std::numeric_limits<double>::epsilon();
  const double largest = max(abs(b)).item<double>();
  const double most = max(abs(a.to(float64) - b.to(float64))).item<double>();
  return most == 0 ? 0 : most / (largest * unit);
}

using Change = std::function<void(RowPolicy&)>;

// Takes steps with gradients from look_up(). Before each step, the plain optimizer gets the state
// of the fused one.
void compare(const Kind& one, DType dtype, const Change& change, bool lookups) {
  Generator generator(8);
  Variable fused = parameter(randn({12, 7}, dtype, generator));
  Variable plain = parameter(fused.value().clone());
  change(fused.row_policy());
  change(plain.row_policy());
  const auto of_fused = one.make(fused), of_plain = one.make(plain);
  of_plain->set_fused(false);
  const double most = one.name.find("centered") != std::string::npos ? 32 : 4;
  for (int step = 0; step < 12; ++step) {
    Variable(plain).set_value(fused.value().clone());
    of_plain->load_state_dict(of_fused->state_dict());
    const Tensor ids = randint(0, 12, {6}, generator);
    const Tensor weights = randn({6, 7}, dtype, generator);
    for (Variable table : {fused, plain}) {
      table.zero_grad();
      const Variable rows = lookups ? embedding(table, ids) : index_select(table, 0, ids);
      sum(rows * Variable(weights)).backward();
      REQUIRE(table.has_row_grad() == lookups);
    }
    of_fused->step();
    of_plain->step();
    CAPTURE(step);
    CHECK(apart(plain.value(), fused.value()) <= most);
    const optim::Optimizer::State &a = of_plain->state(plain), &b = of_fused->state(fused);
    REQUIRE(a.moments.size() == b.moments.size());
    for (std::size_t i = 0; i < a.moments.size(); ++i) {
      CAPTURE(i);
      CHECK(apart(a.moments[i], b.moments[i]) <= most);
    }
  }
}

struct Policy {
  const char* name;
  Change change;
};

std::vector<Policy> policies() {
  using Kind_ = RowConstraint::Kind;
  static const std::vector<std::int64_t> rows = {2, 5}, columns = {0, 4};
  return {{"none", [](RowPolicy&) {}},
          {"sparse", [](RowPolicy& p) { p.set_sparse(true); }},
          {"frozen",
           [](RowPolicy& p) {
             p.freeze_rows(rows);
             p.freeze_columns(columns);
             p.set_padding_row(7);
             p.set_rate_multiplier(0.5);
           }},
          {"constrained",
           [](RowPolicy& p) {
             p.set_constraint({Kind_::max_norm, 1.5});
             p.freeze_rows(rows);
           }},
          {"sparse, constrained", [](RowPolicy& p) {
             p.set_constraint({Kind_::non_negative});
             p.set_sparse(true);
           }}};
}

}  // namespace

TEST_CASE("a fused step equals the step in Tensor operations") {
  for (const Kind& one : kinds_to_compare()) {
    for (const DType dtype : {float32, float64}) {
      for (const Policy& policy : policies()) {
        for (const bool lookups : {false, true}) {
          CAPTURE(one.name, dtype, policy.name, lookups);
          compare(one, dtype, policy.change, lookups);
        }
      }
    }
  }
}

TEST_CASE("SparseAdam's fused step equals the step in Tensor operations") {
  const Kind plain = kind<optim::SparseAdam>("SparseAdam", optim::SparseAdamOptions{.lr = 0.01});
  const Kind maximize = kind<optim::SparseAdam>(
      "SparseAdam, maximize",
      optim::SparseAdamOptions{.lr = 0.01, .betas = {0.5, 0.8}, .eps = 1e-3, .maximize = true});
  for (const Kind& one : {plain, maximize}) {
    for (const DType dtype : {float32, float64}) {
      for (const Policy& policy : policies()) {
        CAPTURE(one.name, dtype, policy.name);
        compare(one, dtype, policy.change, true);
      }
    }
  }
}

TEST_CASE("fused and plain steps may alternate") {
  for (const Kind& one : all_kinds()) {
    CAPTURE(one.name);
    Twins twins(one, 40, 3);
    for (int step = 0; step < 90; ++step) {
      twins.lazy_optimizer->set_fused(step / 15 % 2 == 0);  // steps are pending when it changes
      twins.step();
    }
    CHECK(twins.difference() <= 1e-10);
  }
}
