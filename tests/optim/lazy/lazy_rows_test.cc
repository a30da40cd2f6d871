// The numbered invariants of lazy rows in optim/lazy/lazy_rows.h, for every optimizer, with and
// without momentum, decay and a schedule; and the closed forms that they use.
#include <cmath>
#include <sstream>
#include <vector>

#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/lazy/closed_form_steps.h>
#include <tapegrad/optim/sparse_adam.h>

#include "catch.h"
#include "optim/kinds.h"
#include "tensor/kernels/plain.h"

using namespace tapegrad;

// A lookup flushes its rows and no others. state() would flush all, so the test reads the moments
// through an earlier reference.
TEST_CASE("1. A row has taken the first steps of the recorded ones, and its moments have too") {
  Twins twins(kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01}), 12, 3);
  const Tensor all = arange(12);
  twins.lazy.zero_grad();
  sum(sin(embedding(twins.lazy, all))).backward();
  twins.dense.set_grad(twins.lazy.grad());
  twins.both([](Variable&, optim::Optimizer& o) { o.step(); });
  const optim::Optimizer::State& lazy = twins.lazy_optimizer->state(twins.lazy);
  const optim::Optimizer::State& dense = twins.dense_optimizer->state(twins.dense);
  const auto tables = [](const Variable& w, const optim::Optimizer::State& state) {
    return std::vector<Tensor>{w.stored(), state.moments[0], state.moments[1]};
  };
  std::vector<Tensor> first;
  for (const Tensor& table : tables(twins.dense, dense)) first.push_back(table.clone());
  for (int step = 0; step < 4; ++step) {
    twins.lazy.zero_grad();
    sum(sin(embedding(twins.lazy, tensor({0})))).backward();
    twins.dense.set_grad(twins.lazy.grad());
    twins.both([](Variable&, optim::Optimizer& o) { o.step(); });
  }
  embedding(twins.lazy, tensor({7}));
  const std::vector<Tensor> now = tables(twins.lazy, lazy), last = tables(twins.dense, dense);
  for (std::size_t i = 0; i < now.size(); ++i) {
    for (const std::int64_t row : {0, 7}) CHECK(equal(now[i][row], last[i][row]));
    for (const std::int64_t row : {1, 11}) CHECK(equal(now[i][row], first[i][row]));
  }
}

TEST_CASE("2. A row that is read has taken all steps") {
  const Kind adam = kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01});
  const auto after = [&](const auto& read) {
    Twins twins(adam, 50, 3);
    for (int step = 0; step < 60; ++step) twins.step();
    CHECK(difference(twins.lazy.stored(), twins.dense.value()) > 1e-4);  // steps are pending
    return difference(read(twins.lazy), read(twins.dense));
  };
  CHECK(after([](const Variable& w) { return w.value(); }) < 1e-12);
  CHECK(after([](const Variable& w) { return w.detach().value(); }) < 1e-12);
  CHECK(after([](const Variable& w) { return matmul(w, transpose(w)).value(); }) < 1e-12);
  CHECK(after([](const Variable& w) {
          return index_select(w, 0, tensor({3, 49})).value();
        }) < 1e-12);
  CHECK(after([](const Variable& w) { return embedding(w, tensor({{3, 49}})).value(); }) < 1e-12);
  CHECK(after([](const Variable& w) {
          return embedding_bag(w, tensor({{3, 49}}), {}).value();
        }) < 1e-12);
  CHECK(after([](Variable w) {
          std::ostringstream text;
          text << w;
          return tensor(static_cast<double>(text.str().size()));
        }) < 1e-12);
  CHECK(after([](const Variable& w) { return w.value()[7]; }) < 1e-12);
}

TEST_CASE("3. Up to six pending steps give the bits of steps with a gradient of zeros") {
  for (const Kind& one : all_kinds()) {
    for (const DType dtype : {float64, float32}) {
      CAPTURE(one.name, dtype);
      Twins twins(one, 400, 6, dtype);
      for (int step = 0; step < 120; ++step) {
        twins.step();
        if (step % 6 == 5) REQUIRE(equal(twins.lazy.value(), twins.dense.value()));
      }
    }
  }
}

// In double precision the two agree up to the last bits. In single precision, a dense optimizer
// rounds every row at every step, and after 1,000 steps it differs from double precision by one or
// two millionths of the largest element. The two differ by no more than that.
TEST_CASE("3. Pending steps give the elements that steps with a gradient of zeros give") {
  for (const Kind& one : all_kinds()) {
    for (const bool scheduled : {false, true}) {
      for (const DType dtype : {float64, float32}) {
        CAPTURE(one.name, scheduled, dtype);
        Twins twins(one, 400, 6, dtype);
        Variable exact = parameter(twins.dense.value().to(float64).clone());
        const auto exact_optimizer = one.make(exact);
        const double lr = exact_optimizer->lr();
        for (int step = 0; step < 1000; ++step) {
          if (scheduled) {
            const double rate = lr * (1 + std::sin(0.01 * step)) / 2;
            twins.both([rate](Variable&, optim::Optimizer& o) { o.set_lr(rate); });
            exact_optimizer->set_lr(rate);
          }
          twins.step();
          REQUIRE(twins.lazy.has_row_grad());
          exact.set_grad(twins.lazy.grad().to(float64));
          exact_optimizer->step();
          if (step % 331 == 330) CHECK(twins.lazy.value().defined());  // reads all rows
        }
        if (dtype == float64) {
          CHECK(twins.difference() <= 1e-10);
        } else {
          CHECK(twins.difference() <= 2.5e-6);
          CHECK(twins.difference() <= 1.5 * difference(twins.dense.value(), exact.value()) + 1e-7);
        }
      }
    }
  }
}

// One-cycle schedules change the momentum, too.
TEST_CASE("4. A step is recorded with its own rate and momentum") {
  for (const Kind& one :
       {kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01}),
        kind<optim::SGD>("SGD", optim::SGDOptions{.lr = 0.01, .momentum = 0.9})}) {
    CAPTURE(one.name);
    Twins twins(one, 300, 4);
    for (int step = 0; step < 600; ++step) {
      const double rate = 0.01 * (1.1 + std::sin(0.03 * step));
      const double momentum = 0.9 + 0.05 * std::cos(0.02 * step);
      twins.both([&](Variable&, optim::Optimizer& o) {
        o.set_momentum(momentum, 0);
        o.set_lr(rate);
      });
      twins.step();
    }
    CHECK(twins.difference() <= 1e-10);
  }
}

TEST_CASE("5. Frozen elements stay the same, and freezing affects only later steps") {
  for (const Kind& one : all_kinds()) {
    CAPTURE(one.name);
    Twins twins(one, 80, 5);
    const std::vector<std::int64_t> rows = {0, 3, 40, 79}, columns = {1, 4};
    const auto run = [&](int steps, const std::function<void(Leaf&)>& change) {
      for (int step = 0; step < steps; ++step) twins.step();
      twins.both([&](Variable& w, optim::Optimizer&) { change(w.leaf()); });
    };
    run(50, [&](Leaf& leaf) { leaf.row_policy().freeze_rows(rows); });
    const Tensor before = twins.lazy.value().clone();
    run(100, [&](Leaf& leaf) { leaf.row_policy().freeze_columns(columns); });
    for (const std::int64_t row : rows) CHECK(equal(twins.lazy.value()[row], before[row]));
    run(100, [](Leaf& leaf) { leaf.row_policy().unfreeze_rows(); });
    run(100, [](Leaf& leaf) { leaf.row_policy().unfreeze_columns(); });
    run(100, [](Leaf& leaf) { leaf.row_policy().set_rate_multiplier(0.25); });
    run(100, [](Leaf& leaf) { leaf.row_policy().set_padding_row(2); });
    const Tensor padding = twins.lazy.value()[2].clone();
    run(100, [](Leaf&) {});
    CHECK(equal(twins.lazy.value()[2], padding));
    CHECK(twins.difference() <= 1e-10);
  }
}

TEST_CASE("6. A constraint is applied after every pending step") {
  using Kind_ = RowConstraint::Kind;
  for (const Kind& one : all_kinds()) {
    for (const RowConstraint constraint :
         {RowConstraint{Kind_::max_norm, 1.5}, RowConstraint{Kind_::non_negative},
          RowConstraint{Kind_::unit_norm}}) {
      CAPTURE(one.name, static_cast<int>(constraint.kind));
      Twins twins(one, 40, 4);
      twins.both([&](Variable& w, optim::Optimizer&) {
        w.row_policy().set_constraint(constraint);
        w.row_policy().freeze_rows(std::vector<std::int64_t>{5});
      });
      const Tensor frozen = twins.lazy.value()[5].clone();
      for (int step = 0; step < 120; ++step) twins.step();
      CHECK(twins.difference() <= 1e-10);
      CHECK(equal(twins.lazy.value()[5], frozen));
      const Tensor rows = index_select(twins.lazy.value(), 0, tensor({0, 1, 17, 39}));
      const Tensor norms = norm(rows, 2, {1});
      if (constraint.kind == Kind_::max_norm) CHECK(max(norms).item<double>() <= 1.5);
      if (constraint.kind == Kind_::non_negative) CHECK(min(rows).item<double>() == 0);
      if (constraint.kind == Kind_::unit_norm) CHECK(allclose(norms, ones_like(norms), 0, 1e-6));
    }
  }
}

TEST_CASE("7. After 32,768 pending steps all rows are flushed") {
  // Of 3 rows, one is looked up in each of 70,000 steps, another one now and then, and the third
  // once.
  Variable lazy = parameter(ones({3, 2}, float64)), dense = parameter(ones({3, 2}, float64));
  optim::AdamW lazy_optimizer({lazy}, {.lr = 1e-3, .weight_decay = 1e-3});
  optim::AdamW dense_optimizer({dense}, {.lr = 1e-3, .weight_decay = 1e-3});
  Tensor first;
  for (int step = 0; step < 70'000; ++step) {
    lazy.zero_grad();
    const Tensor ids = step == 0           ? tensor({0, 1, 2})
                       : step % 9'999 == 0 ? tensor({0, 1})
                                           : tensor({0});
    sum(embedding(lazy, ids) * (0.1 + std::sin(0.1 * step))).backward();
    dense.set_grad(lazy.grad());
    lazy_optimizer.step();
    dense_optimizer.step();
    if (step == 0) first = lazy.stored()[2].clone();
    if (step == 32'767) CHECK(equal(lazy.stored()[2], first));
    if (step == 32'768) CHECK_FALSE(equal(lazy.stored()[2], first));
  }
  CHECK(difference(lazy.value(), dense.value()) <= 1e-10);
}

TEST_CASE("8. Only one state of a table has pending steps") {
  Twins twins(kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01}), 60, 4);
  optim::SGD lazy_sgd({twins.lazy}, {.lr = 0.1, .momentum = 0.9});
  optim::SGD dense_sgd({twins.dense}, {.lr = 0.1, .momentum = 0.9});
  for (int step = 0; step < 200; ++step) {
    twins.backward();
    if (step / 10 % 2 == 0) {
      twins.lazy_optimizer->step();
      twins.dense_optimizer->step();
    } else {
      lazy_sgd.step();
      dense_sgd.step();
    }
  }
  CHECK(twins.difference() <= 1e-10);
}

TEST_CASE("a flush does not make values of a table on the tape stale") {
  Twins twins(kind<optim::Adam>("Adam", optim::AdamOptions{}), 50, 3);
  for (int step = 0; step < 30; ++step) twins.step();
  const Variable projected = matmul(embedding(twins.lazy, tensor({1, 2})),
                                    transpose(twins.lazy));  // reads all rows
  const Variable later = embedding(twins.lazy, tensor({40}));
  CHECK_NOTHROW((sum(projected) + sum(later)).backward());
}

TEST_CASE("plain SGD updates all rows at once, with the bits of a step row by row") {
  for (const bool maximize : {false, true}) {
    Twins twins(kind<optim::SGD>("SGD", optim::SGDOptions{.lr = 0.1, .maximize = maximize}), 30, 13,
                float32);
    for (int step = 0; step < 50; ++step) {
      twins.step();
      REQUIRE(equal(twins.lazy.value(), twins.dense.value()));
    }
  }
}

TEST_CASE("dense and row-sparse gradients may alternate, as with a tied projection") {
  for (const Kind& one : all_kinds()) {
    CAPTURE(one.name);
    Twins twins(one, 60, 4);
    for (int step = 0; step < 200; ++step) {
      twins.backward();
      if (step % 23 == 22) {
        sum(sin(twins.lazy)).backward();
        REQUIRE_FALSE(twins.lazy.has_row_grad());
        twins.dense.set_grad(twins.lazy.grad());
      }
      twins.lazy_optimizer->step();
      twins.dense_optimizer->step();
    }
    CHECK(twins.difference() <= 1e-10);
  }
}

TEST_CASE("gradients may add up over several lookups, whose rows had pending steps") {
  Twins twins(kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01}), 60, 4);
  for (int step = 0; step < 100; ++step) {
    twins.backward();
    const Tensor first = twins.lazy.grad();
    const Tensor ids = twins.zipf.draw(5, twins.generator);
    sum(embedding(twins.lazy, ids) * 0.1).backward();
    twins.dense.set_grad(twins.lazy.grad());
    twins.lazy_optimizer->step();
    twins.dense_optimizer->step();
    if (step % 2 == 0) {  // adds the gradient of a lookup from before the last step again
      twins.lazy_optimizer->step();
      twins.dense_optimizer->step();
    }
  }
  CHECK(twins.difference() <= 1e-10);
}

TEST_CASE("a gradient may come from a lookup before the last step") {
  for (const Kind& one : all_kinds()) {
    CAPTURE(one.name);
    Twins twins(one, 40, 4);
    for (int step = 0; step < 100; ++step) {
      const Tensor ids = twins.zipf.draw(4, twins.generator);
      const Variable early = sum(sin(embedding(twins.lazy, ids)));
      twins.step();  // other rows move now; this step is pending for those of ids
      twins.lazy.zero_grad();
      early.backward();
      twins.dense.set_grad(twins.lazy.grad());
      twins.lazy_optimizer->step();
      twins.dense_optimizer->step();
    }
    CHECK(twins.difference() <= 1e-10);
  }
}

// With gradients near eps and means that fade fast, the series does not converge. Then steps are
// replayed until the mean has faded, and the rest is computed at once.
TEST_CASE("replayed steps give the same elements, however many are pending") {
  for (const bool amsgrad : {false, true}) {
    Variable lazy = parameter(ones({2, 3}, float64)), dense = parameter(ones({2, 3}, float64));
    const optim::AdamWOptions options{.lr = 0.01, .betas = {0.8, 0.9}, .amsgrad = amsgrad};
    optim::AdamW lazy_optimizer({lazy}, options), dense_optimizer({dense}, options);
    for (int step = 0; step < 1500; ++step) {
      lazy.zero_grad();
      const Tensor ids = step % 700 == 0 ? tensor({0, 1}) : tensor({0});
      sum(embedding(lazy, ids) * (1e-9 * (2 + step % 3))).backward();
      dense.set_grad(lazy.grad());
      lazy_optimizer.step();
      dense_optimizer.step();
    }
    lazy.value();
    for (const char* moment : {"state.0.exp_avg", "state.0.exp_avg_sq"}) {
      CHECK(allclose(lazy_optimizer.state_dict().at(moment),
                     dense_optimizer.state_dict().at(moment), 1e-9, 1e-40));
    }
    CHECK(difference(lazy.value(), dense.value()) <= 1e-12);
  }
}

// Neither weight decay, old momentum, clipping nor a schedule moves a frozen row, and the other
// rows move as if it did not exist.
TEST_CASE("frozen rows do not move, and the others equal those of a run without them") {
  for (const Kind& one : all_kinds()) {
    CAPTURE(one.name);
    constexpr std::int64_t kRows = 60, kFrozen = 20;
    Generator generator(2);
    const Tensor start = randn({kRows, 4}, float64, generator);
    Variable table = parameter(start.clone());
    Variable part = parameter(narrow(start, 0, kFrozen, kRows - kFrozen).clone());
    const auto optimizer = one.make(table);
    const auto part_optimizer = one.make(part);
    const auto step = [&](Variable& w, optim::Optimizer& o, const Tensor& ids, double lr) {
      w.zero_grad();
      const Variable rows = embedding(w, ids);
      sum(rows * Variable(sin(rows.value() * 3.0))).backward();
      optim::clip_grad_norm({w}, 0.5);
      o.set_lr(lr);
      o.step();
    };
    // First a momentum for every row, the same in both runs.
    const Tensor all = arange(kRows);
    step(table, *optimizer, all, 0.01);
    step(part, *part_optimizer, arange(kRows - kFrozen), 0.01);
    part.set_value(narrow(table.value(), 0, kFrozen, kRows - kFrozen).clone());
    StateDict state = part_optimizer->state_dict();
    StateDict shared;
    for (const auto& [name, value] : optimizer->state_dict()) {
      shared.insert(name, value.dim() == 2 ? narrow(value, 0, kFrozen, kRows - kFrozen).clone()
                                           : value.clone());
    }
    part_optimizer->load_state_dict(shared);
    std::vector<std::int64_t> frozen;
    for (std::int64_t row = 0; row < kFrozen; ++row) frozen.push_back(row);
    table.row_policy().freeze_rows(frozen);
    const Tensor before = narrow(table.value(), 0, 0, kFrozen).clone();
    for (int t = 0; t < 1000; ++t) {
      const Tensor ids = randint(kFrozen, kRows, {6}, generator);
      const Tensor held = randint(0, kFrozen, {3}, generator);
      const double lr = 0.01 * (1 + std::sin(0.1 * t));
      step(table, *optimizer, cat({ids, held}), lr);
      step(part, *part_optimizer, ids - kFrozen, lr);
    }
    CHECK(equal(narrow(table.value(), 0, 0, kFrozen), before));
    CHECK(difference(narrow(table.value(), 0, kFrozen, kRows - kFrozen), part.value()) <= 1e-10);
  }
}

TEST_CASE("Keras' constraints use Keras' epsilon") {
  Variable w = parameter(tensor({{3.0, 4.0}, {0.3, -0.4}}, float64));
  optim::SGD sgd({w}, {.lr = 0});
  const auto constrained = [&](RowConstraint constraint) {
    Variable copy = parameter(w.value().clone());
    optim::SGD optimizer({copy}, {.lr = 0});
    copy.row_policy().set_constraint(constraint);
    copy.set_grad(zeros_like(w.value()));
    optimizer.step();
    return copy.value();
  };
  using Kind_ = RowConstraint::Kind;
  CHECK(allclose(constrained({Kind_::max_norm, 2}),
                 tensor({{3 * 2 / (5 + 1e-7), 4 * 2 / (5 + 1e-7)},
                         {0.3 * 0.5 / (0.5 + 1e-7), -0.4 * 0.5 / (0.5 + 1e-7)}},
                        float64),
                 1e-15, 0));
  CHECK(
      allclose(constrained({Kind_::unit_norm}),
               tensor({{3 / (5 + 1e-7), 4 / (5 + 1e-7)}, {0.3 / (0.5 + 1e-7), -0.4 / (0.5 + 1e-7)}},
                      float64),
               1e-15, 0));
  CHECK(equal(constrained({Kind_::non_negative}), tensor({{3.0, 4.0}, {0.3, 0.0}}, float64)));
}

TEST_CASE("the destructor of an optimizer leaves a table up to date") {
  Twins twins(kind<optim::Adam>("Adam", optim::AdamOptions{.lr = 0.01}), 60, 4);
  for (int step = 0; step < 50; ++step) twins.step();
  twins.lazy_optimizer.reset();
  CHECK(difference(twins.lazy.stored(), twins.dense.value()) <= 1e-12);
}

TEST_CASE("a run that was saved and loaded continues with the same bits") {
  for (const Kind& one : all_kinds()) {
    for (const DType dtype : {float32, float64}) {
      CAPTURE(one.name, dtype);
      const auto finish = [&](bool interrupted) {
        Twins twins(one, 100, 4, dtype);
        for (int step = 0; step < 700; ++step) twins.step();
        const StateDict state = twins.lazy_optimizer->state_dict();
        if (interrupted) {
          const Tensor saved = twins.lazy.value().clone();
          const double lr = twins.lazy_optimizer->lr();
          twins.lazy = parameter(saved);
          twins.lazy_optimizer = one.make(twins.lazy);
          twins.lazy_optimizer->load_state_dict(state);
          CHECK(twins.lazy_optimizer->lr() == lr);
        }
        for (int step = 0; step < 300; ++step) twins.step();
        return twins.lazy.value();
      };
      CHECK(equal(finish(false), finish(true)));
    }
  }
}

TEST_CASE("rows of a sparse parameter without a gradient do not move with Adam") {
  Generator generator(4);
  const Tensor start = randn({30, 4}, float64, generator);
  Variable flagged = parameter(start.clone()), plain = parameter(start.clone());
  flagged.row_policy().set_sparse(true);
  optim::Adam adam({flagged}, {.lr = 0.01});
  optim::SparseAdam sparse_adam({plain}, {.lr = 0.01});
  for (int step = 0; step < 50; ++step) {
    const Tensor ids = randint(0, 10, {5}, generator);
    for (Variable* w : {&flagged, &plain}) {
      w->zero_grad();
      sum(sin(embedding(*w, ids))).backward();
    }
    adam.step();
    sparse_adam.step();
  }
  CHECK(equal(flagged.value(), plain.value()));
  CHECK(equal(narrow(flagged.value(), 0, 10, 20), narrow(start, 0, 10, 20)));
  CHECK_FALSE(equal(narrow(flagged.value(), 0, 0, 10), narrow(start, 0, 0, 10)));
}

// Closed forms, element by element --------------------------------------------------------

TEST_CASE("a product of linear maps equals the steps one after the other") {
  optim::LinearSteps steps;
  std::vector<kernel::PairMap> all;
  for (int i = 0; i < 133; ++i) {
    all.push_back({1 - 0.001 * i, 0.1 * std::sin(i), 0.01 * i / 133, 0.9});
    steps.append(all.back());
  }
  for (std::size_t from = 0; from <= all.size(); ++from) {
    double p = 1, b = -2;
    for (std::size_t i = from; i < all.size(); ++i) {
      const double x = p;
      p = all[i].pp * x + all[i].pb * b;
      b = all[i].bp * x + all[i].bb * b;
    }
    const kernel::PairMap map = steps.since(from);
    CAPTURE(from);
    CHECK(map.pp - 2 * map.pb == Approx(p).epsilon(1e-12).margin(1e-14));
    CHECK(map.bp - 2 * map.bb == Approx(b).epsilon(1e-12).margin(1e-14));
  }
}

TEST_CASE("the closed form of Adam's steps equals the steps one after the other for every v") {
  for (const bool amsgrad : {false, true}) {
    for (const double first : {0.0, 100.0, 5000.0}) {
      const double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0.999;
      const auto step_at = [&](double t) {
        return optim::AdamSteps::Step{.step = t,
                                      .beta1 = beta1,
                                      .beta2 = beta2,
                                      .eps = eps,
                                      .shrink = decay,
                                      .step_size = (1 + std::sin(t)) / (1 - std::pow(beta1, t)),
                                      .sqrt_bias2 = std::sqrt(1 - std::pow(beta2, t)),
                                      .amsgrad = amsgrad};
      };
      optim::AdamSteps steps(first, step_at(first + 1));
      for (int i = 1; i <= 700; ++i) steps.append(step_at(first + i));
      int summed = 0;
      for (const std::size_t from : {0U, 1U, 250U, 650U, 699U}) {
        for (const double root : {1e-12, 1e-9, 1e-8, 1e-6, 1e-3, 1.0}) {
          double p = 1, m = 0.5 * root, v = root * root;
          const double top = v;
          for (std::size_t i = from + 1; i <= 700; ++i) {
            const auto step = step_at(first + static_cast<double>(i));
            p *= decay;
            m *= beta1;
            v *= beta2;
            p -= step.step_size * m / (std::sqrt(amsgrad ? top : v) / step.sqrt_bias2 + eps);
          }
          kernel::AdamJumpArguments all;
          if (!steps.since(from, root, 1e-11, all)) continue;
          ++summed;
          double q = 1, n = 0.5 * root, w = root * root, max = top;
          kernel::plain_kernels<double>().adam_jump(&q, &n, &w, amsgrad ? &max : nullptr, 1, all);
          CAPTURE(amsgrad, first, from, root);
          CHECK(q == Approx(p).epsilon(0).margin(2e-10));
          CHECK(n == Approx(m).epsilon(1e-10).margin(1e-20));
          CHECK(w == Approx(v).epsilon(1e-10));
        }
      }
      CHECK(summed >= (first < 1000 && !amsgrad ? 15 : first < 1000 ? 10 : 30));
    }
  }
}
