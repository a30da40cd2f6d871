// Adagrad, RMSprop, Adadelta and SparseAdam beyond PyTorch's values: the names of their moments,
// resuming, row-sparse gradients, and errors.
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/optim/adadelta.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/rmsprop.h>
#include <tapegrad/optim/sparse_adam.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"

using namespace tapegrad;
using tapegrad::test::error_text;
using namespace tapegrad::optim;

namespace {

std::vector<std::string> names(const StateDict& state) {
  std::vector<std::string> found;
  for (const auto& [name, value] : state) found.push_back(name);
  return found;
}

// The optimizer's state after a step.
template <class Algorithm, class Options>
std::vector<std::string> names_after_step(Options options) {
  Variable w = parameter(ones({2}));
  Algorithm optimizer({{"w", w}}, options);
  w.set_grad(ones({2}));
  optimizer.step();
  return names(optimizer.state_dict());
}

void look_up(Variable& table, const Tensor& ids) {
  table.zero_grad();
  sum(square(embedding(table, ids))).backward();
}

// 20 steps with few, many and repeated ids. `pause` saves in the middle and continues with another
// optimizer; `as_dense` sets each gradient in its dense form.
template <class Algorithm, class Options>
Tensor train(Options options, bool pause, bool as_dense) {
  Generator generator(5);
  Variable table = parameter(randn({23, 7}, float32, generator));
  auto optimizer = std::make_unique<Algorithm>(std::vector<NamedParameter>{table}, options);
  for (int t = 0; t < 20; ++t) {
    if (pause && t == 10) {
      auto next = std::make_unique<Algorithm>(std::vector<NamedParameter>{table}, options);
      next->load_state_dict(optimizer->state_dict());
      optimizer = std::move(next);
    }
    look_up(table, randint(0, 23, {t % 3 == 0 ? 4 : 60}, generator));
    if (as_dense) table.set_grad(table.grad());
    REQUIRE(table.has_row_grad() != as_dense);
    optimizer->step();
  }
  return table.value();
}

template <class Algorithm, class Options>
void check_saved_state_goes_on(Options options) {
  CHECK(equal(train<Algorithm>(options, true, false), train<Algorithm>(options, false, false)));
}

// The sum of the parts of the last step is the change of each row.
template <class Algorithm, class Options>
void check_explained(Options options, bool other_rows) {
  Generator generator(3);
  Variable table = parameter(randn({6, 3}, float64, generator));
  Algorithm optimizer({table}, options);
  for (int t = 0; t < 12; ++t) {
    look_up(table, tensor({t % 5, 5, 5}));
    const Tensor before = table.value().clone();
    optimizer.step();
    const Tensor change = table.value() - before;
    for (int row = 0; row < 6; ++row) {
      CAPTURE(t, row);
      const bool looked_up = row == t % 5 || row == 5;
      if (!looked_up && !other_rows) continue;
      const UpdateParts parts = optimizer.explain_update(table, row);
      CHECK(allclose(parts.total, select(change, 0, row), 1e-9, 1e-13));
      CHECK((max(abs(parts.gradient)).template item<double>() > 0) == looked_up);
      if constexpr (requires { options.weight_decay; }) {
        CHECK((max(abs(parts.weight_decay)).template item<double>() > 0) ==
              (options.weight_decay > 0));
      }
    }
  }
}

template <class Algorithm, class Options>
void check_rows_are_like_dense(Options options) {
  CHECK(equal(train<Algorithm>(options, false, true), train<Algorithm>(options, false, false)));
}

}  // namespace

TEST_CASE("moments have PyTorch's names") {
  using Names = std::vector<std::string>;
  const std::string p = "state.w.", lr = "param_groups.0.lr";
  CHECK(names_after_step<Adagrad>(AdagradOptions{}) == Names{p + "step", p + "sum", lr});
  CHECK(names_after_step<RMSprop>(RMSpropOptions{}) == Names{p + "step", p + "square_avg", lr});
  CHECK(names_after_step<RMSprop>(RMSpropOptions{.momentum = 0.9}) ==
        Names{p + "step", p + "square_avg", p + "momentum_buffer", lr});
  CHECK(names_after_step<RMSprop>(RMSpropOptions{.centered = true}) ==
        Names{p + "step", p + "square_avg", p + "grad_avg", lr});
  CHECK(names_after_step<RMSprop>(RMSpropOptions{.momentum = 0.9, .centered = true}) ==
        Names{p + "step", p + "square_avg", p + "grad_avg", p + "momentum_buffer", lr});
  CHECK(names_after_step<Adadelta>(AdadeltaOptions{}) ==
        Names{p + "step", p + "square_avg", p + "acc_delta", lr});
}

TEST_CASE("the adaptive optimizers continue exactly from a saved state") {
  check_saved_state_goes_on<Adagrad>(
      AdagradOptions{.lr = 0.1, .lr_decay = 0.1, .initial_accumulator_value = 0.3});
  check_saved_state_goes_on<RMSprop>(RMSpropOptions{.momentum = 0.9, .centered = true});
  check_saved_state_goes_on<Adadelta>(AdadeltaOptions{.weight_decay = 0.1});
  check_saved_state_goes_on<SparseAdam>(SparseAdamOptions{.lr = 0.1});
}

TEST_CASE("row-sparse and dense gradients give the adaptive optimizers the same elements") {
  check_rows_are_like_dense<Adagrad>(AdagradOptions{.lr = 0.1, .lr_decay = 0.1});
  check_rows_are_like_dense<Adagrad>(AdagradOptions{.lr = 0.1, .weight_decay = 0.1});
  check_rows_are_like_dense<RMSprop>(RMSpropOptions{});
  check_rows_are_like_dense<RMSprop>(RMSpropOptions{.weight_decay = 0.1, .maximize = true});
  check_rows_are_like_dense<RMSprop>(RMSpropOptions{.momentum = 0.9, .centered = true});
  check_rows_are_like_dense<Adadelta>(AdadeltaOptions{});
  check_rows_are_like_dense<Adadelta>(AdadeltaOptions{.weight_decay = 0.1});
}

TEST_CASE("the steps of the adaptive optimizers can be explained") {
  check_explained<Adagrad>(AdagradOptions{.lr = 0.1}, true);
  check_explained<Adagrad>(AdagradOptions{.lr = 0.1, .weight_decay = 0.1, .maximize = true}, true);
  check_explained<RMSprop>(RMSpropOptions{}, true);
  check_explained<RMSprop>(RMSpropOptions{.weight_decay = 0.1, .centered = true}, true);
  check_explained<RMSprop>(RMSpropOptions{.momentum = 0.9}, true);
  check_explained<RMSprop>(RMSpropOptions{.weight_decay = 0.1, .momentum = 0.9, .centered = true},
                           true);
  check_explained<Adadelta>(AdadeltaOptions{}, true);
  check_explained<Adadelta>(AdadeltaOptions{.lr = 0.5, .weight_decay = 0.1}, true);
  check_explained<SparseAdam>(SparseAdamOptions{.lr = 0.1}, false);
}

TEST_CASE("SparseAdam moves only rows that were looked up, and refuses dense gradients") {
  Variable table = parameter(ones({4, 2}));
  SparseAdam optimizer({{"table", table}}, {.lr = 0.1});
  look_up(table, tensor({1, 3}));
  optimizer.step();
  const Tensor after = table.value();
  CHECK(equal(select(after, 0, 0), ones({2})));
  CHECK(after.item<float>({1, 0}) == Approx(0.9));
  look_up(table, tensor({2, 2}));
  optimizer.step();
  CHECK(equal(select(table.value(), 0, 1), select(after, 0, 1)));
  CHECK(table.item<float>({2, 0}) < 1);
  const Tensor before = table.value();
  table.set_grad(ones({4, 2}));
  CHECK(error_text<ValueError>([&] { optimizer.step(); }) ==
        "SparseAdam: got a dense gradient, needed a row-sparse one, which embedding() gives; use "
        "Adam");
  CHECK(equal(table.value(), before));
}

TEST_CASE("options of the adaptive optimizers out of range are refused") {
  Variable w = parameter(ones({2}));
  const auto adagrad = [&](AdagradOptions o) {
    return error_text<ValueError>([&] { Adagrad{{w}, o}; });
  };
  const auto rmsprop = [&](RMSpropOptions o) {
    return error_text<ValueError>([&] { RMSprop{{w}, o}; });
  };
  const auto adadelta = [&](AdadeltaOptions o) {
    return error_text<ValueError>([&] { Adadelta{{w}, o}; });
  };
  const auto sparse = [&](SparseAdamOptions o) {
    return error_text<ValueError>([&] { SparseAdam{{w}, o}; });
  };
  CHECK(adagrad({.lr = -1}) == "Adagrad: invalid learning rate: -1, needed a number >= 0");
  CHECK(adagrad({.lr_decay = -1}) == "Adagrad: invalid lr_decay: -1, needed a number >= 0");
  CHECK(adagrad({.weight_decay = -1}) == "Adagrad: invalid weight_decay: -1, needed a number >= 0");
  CHECK(adagrad({.initial_accumulator_value = -1}) ==
        "Adagrad: invalid initial_accumulator_value: -1, needed a number >= 0");
  CHECK(adagrad({.eps = -1}) == "Adagrad: invalid eps: -1, needed a number >= 0");
  CHECK(rmsprop({.alpha = -1}) == "RMSprop: invalid alpha: -1, needed a number >= 0");
  CHECK(rmsprop({.eps = -1}) == "RMSprop: invalid eps: -1, needed a number >= 0");
  CHECK(rmsprop({.momentum = -1}) == "RMSprop: invalid momentum: -1, needed a number >= 0");
  CHECK(rmsprop({.weight_decay = -1}) == "RMSprop: invalid weight_decay: -1, needed a number >= 0");
  CHECK(adadelta({.lr = -1}) == "Adadelta: invalid learning rate: -1, needed a number >= 0");
  CHECK(adadelta({.rho = 1.5}) == "Adadelta: invalid rho: 1.5, needed a number in [0, 1]");
  CHECK(adadelta({.eps = -1}) == "Adadelta: invalid eps: -1, needed a number >= 0");
  CHECK(sparse({.betas = {1, 0.9}}) == "SparseAdam: invalid beta 0: 1, needed a number in [0, 1)");
  CHECK(sparse({.eps = 0}) == "SparseAdam: invalid eps: 0, needed a number > 0");
}
