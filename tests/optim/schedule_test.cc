// The rates of PyTorch's schedules, step by step; continuing from a saved state; errors.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/schedule.h>
#include <tapegrad/optim/sgd.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "golden_file.h"

using namespace tapegrad;
using tapegrad::test::error_text;
using namespace tapegrad::optim;

namespace {

const GoldenFile& golden() {
  static const GoldenFile file("schedules.safetensors");
  return file;
}

// The optimizers of README.md, with two groups.
SGD sgd() {
  SGD optimizer({parameter(zeros({1}))}, {.lr = 0.1, .momentum = 0.9});
  optimizer.add_group({parameter(zeros({1}))}, {.lr = 0.02, .momentum = 0.9});
  return optimizer;
}
Adam adam() {
  Adam optimizer({parameter(zeros({1}))}, {.lr = 0.1});
  optimizer.add_group({parameter(zeros({1}))}, {.lr = 0.02});
  return optimizer;
}

double option(const std::string& which, const char* name, double otherwise) {
  return golden().option(which, name, otherwise);
}
std::int64_t count(const std::string& which, const char* name, std::int64_t otherwise) {
  return static_cast<std::int64_t>(option(which, name, static_cast<double>(otherwise)));
}
template <class T>
std::vector<T> list(const std::string& which, const char* name, std::vector<T> otherwise) {
  const std::string key = which + ".arg." + name;
  return golden().has(key) ? to_vector<T>(golden().at(key)) : otherwise;
}

// The rates after t steps are the file's row t.
void check_rates(const std::string& which, const Optimizer& optimizer, std::int64_t t) {
  const Tensor want = golden().at(which + ".lr")[t];
  CAPTURE(which, t);
  for (const std::int64_t group : {0, 1}) {
    const double rate = want.item<double>({group});
    CHECK(std::abs(optimizer.lr(static_cast<std::size_t>(group)) - rate) <= 1e-12 * rate);
  }
}

// Creates the schedule twice, for two optimizers, and changes to the second one halfway.
template <class AnyOptimizer, class MakeSchedule, class After, class Step>
void check_run(const std::string& which, AnyOptimizer (*make_optimizer)(), const MakeSchedule& make,
               const After& after, const Step& step) {
  AnyOptimizer first = make_optimizer(), second = make_optimizer();
  auto first_schedule = make(first), second_schedule = make(second);
  const std::int64_t steps = golden().at(which + ".lr").size(0) - 1;
  const std::int64_t set_step = count(which, "set_step", -1);
  check_rates(which, first, 0);
  for (std::int64_t t = 1; t <= steps; ++t) {
    const bool resumed = t > steps / 2;
    if (t == steps / 2 + 1) {
      second.load_state_dict(first.state_dict());
      second_schedule.load_state_dict(first_schedule.state_dict());
      CHECK(second_schedule.last_lr() == first_schedule.last_lr());
    }
    step(resumed ? second_schedule : first_schedule, t);
    CHECK((resumed ? second_schedule : first_schedule).last_lr()[1] ==
          (resumed ? second : first).lr(1));
    if (t == set_step) (resumed ? second : first).set_lr(option(which, "set_lr", 0));
    check_rates(which, resumed ? second : first, t);
    after(resumed ? second : first, t);
  }
  // To the last bit, whether resumed or not.
  AnyOptimizer third = make_optimizer();
  auto third_schedule = make(third);
  for (std::int64_t t = 1; t <= steps; ++t) {
    step(third_schedule, t);
    if (t == set_step) third.set_lr(option(which, "set_lr", 0));
  }
  CHECK(third.lr(0) == second.lr(0));
  CHECK(third.lr(1) == second.lr(1));
  const auto state = third_schedule.state_dict(), resumed = second_schedule.state_dict();
  for (const auto& [name, value] : state) CHECK(equal(value, resumed.at(name)));
}

template <class Algorithm, class Options>
void check_schedule(const std::string& which, const Options& options) {
  check_run(
      which, sgd, [&](Optimizer& optimizer) { return Algorithm(optimizer, options); },
      [](const Optimizer&, std::int64_t) {}, [](Schedule& s, std::int64_t) { s.step(); });
}

template <class Algorithm, class Options, class Read>
void check_schedules(const std::string& operation, std::size_t cases, const Read& read) {
  const std::vector<std::string> found = golden().cases(operation);
  REQUIRE(found.size() == cases);
  for (const std::string& which : found) {
    Options options;
    read(which, options);
    check_schedule<Algorithm>(which, options);
  }
}

// The error of the constructor for options; the rates do not change.
template <class Algorithm, class Options>
std::string refusal(Options options) {
  SGD optimizer = sgd();
  const std::string text = error_text<ValueError>([&] { Algorithm(optimizer, options); });
  CHECK(optimizer.lr(0) == 0.1);
  CHECK(optimizer.lr(1) == 0.02);
  return text;
}

double hyperbola(std::int64_t t) { return 1 / (1 + static_cast<double>(t)); }

void check_momentum(const std::string& which, const Optimizer& optimizer, std::int64_t t) {
  if (!golden().has(which + ".momentum")) return;
  const Tensor want = golden().at(which + ".momentum")[t];
  CAPTURE(which, t);
  for (const std::int64_t group : {0, 1}) {
    const double momentum = want.item<double>({group});
    CHECK(std::abs(optimizer.momentum(static_cast<std::size_t>(group)) - momentum) <=
          1e-12 * momentum);
  }
}

}  // namespace

TEST_CASE("every schedule of the file has a test") {
  CHECK(golden().operations() ==
        std::set<std::string>{"step_lr", "multi_step_lr", "exponential_lr", "constant_lr",
                              "linear_lr", "cosine_annealing_lr", "cosine_annealing_warm_restarts",
                              "lambda_lr", "sequential_lr", "one_cycle_lr",
                              "reduce_lr_on_plateau"});
}

TEST_CASE("schedules give PyTorch's rates, also after a rate was set in between") {
  check_schedules<StepLR, StepLROptions>("step_lr", 4, [](const std::string& which, auto& o) {
    o.step_size = count(which, "step_size", o.step_size);
    o.gamma = option(which, "gamma", o.gamma);
  });
  check_schedules<MultiStepLR, MultiStepLROptions>(
      "multi_step_lr", 4, [](const std::string& which, auto& o) {
        o.milestones = list<std::int64_t>(which, "milestones", {});
        o.gamma = option(which, "gamma", o.gamma);
      });
  check_schedules<ExponentialLR, ExponentialLROptions>(
      "exponential_lr", 4,
      [](const std::string& which, auto& o) { o.gamma = option(which, "gamma", o.gamma); });
  check_schedules<ConstantLR, ConstantLROptions>(
      "constant_lr", 4, [](const std::string& which, auto& o) {
        o.factor = option(which, "factor", o.factor);
        o.total_iters = count(which, "total_iters", o.total_iters);
      });
  check_schedules<LinearLR, LinearLROptions>("linear_lr", 6, [](const std::string& which, auto& o) {
    o.start_factor = option(which, "start_factor", o.start_factor);
    o.end_factor = option(which, "end_factor", o.end_factor);
    o.total_iters = count(which, "total_iters", o.total_iters);
  });
  check_schedules<CosineAnnealingLR, CosineAnnealingLROptions>(
      "cosine_annealing_lr", 6, [](const std::string& which, auto& o) {
        o.T_max = count(which, "T_max", o.T_max);
        o.eta_min = option(which, "eta_min", o.eta_min);
      });
  check_schedules<CosineAnnealingWarmRestarts, CosineAnnealingWarmRestartsOptions>(
      "cosine_annealing_warm_restarts", 4, [](const std::string& which, auto& o) {
        o.T_0 = count(which, "T_0", o.T_0);
        o.T_mult = count(which, "T_mult", o.T_mult);
        o.eta_min = option(which, "eta_min", o.eta_min);
      });
}

TEST_CASE("LambdaLR gives PyTorch's rates, with one function for all groups or one for each") {
  const auto decay = [](std::int64_t t) { return std::pow(0.95, t); };
  REQUIRE(golden().cases("lambda_lr").size() == 4);
  for (const std::string end : {"", "_set"}) {
    check_schedule<LambdaLR>("lambda_lr.one" + end, LambdaLROptions{.lr_lambda = hyperbola});
    check_schedule<LambdaLR>("lambda_lr.each" + end,
                             LambdaLROptions{.lr_lambda = {hyperbola, decay}});
  }
}

TEST_CASE("SequentialLR gives PyTorch's rates") {
  REQUIRE(golden().cases("sequential_lr").size() == 4);
  const SequentialLROptions warm_up_and_cosine{
      .schedulers = {LinearLROptions{.start_factor = 0.1, .total_iters = 10},
                     CosineAnnealingLROptions{.T_max = 50}},
      .milestones = {10}};
  const SequentialLROptions three{
      .schedulers = {ConstantLROptions{.factor = 0.5, .total_iters = 100},
                     LambdaLROptions{.lr_lambda = hyperbola}, ExponentialLROptions{.gamma = 0.9}},
      .milestones = {5, 25}};
  for (const std::string end : {"", "_set"}) {
    check_schedule<SequentialLR>("sequential_lr.warm_up_and_cosine" + end, warm_up_and_cosine);
    check_schedule<SequentialLR>("sequential_lr.three" + end, three);
  }
}

TEST_CASE("OneCycleLR gives PyTorch's rates and momenta") {
  const std::vector<std::string> cases = golden().cases("one_cycle_lr");
  REQUIRE(cases.size() == 11);
  for (const std::string& which : cases) {
    OneCycleLROptions o;
    o.max_lr = list<double>(which, "max_lr", {});
    o.total_steps = count(which, "total_steps", 0);
    o.epochs = count(which, "epochs", 0);
    o.steps_per_epoch = count(which, "steps_per_epoch", 0);
    o.pct_start = option(which, "pct_start", o.pct_start);
    o.anneal_strategy =
        option(which, "anneal_strategy", 0) != 0 ? AnnealStrategy::linear : AnnealStrategy::cos;
    o.cycle_momentum = option(which, "cycle_momentum", 1) != 0;
    o.base_momentum = list<double>(which, "base_momentum", {0.85});
    o.max_momentum = list<double>(which, "max_momentum", {0.95});
    o.div_factor = option(which, "div_factor", o.div_factor);
    o.final_div_factor = option(which, "final_div_factor", o.final_div_factor);
    o.three_phase = option(which, "three_phase", 0) != 0;
    const auto make = [&](Optimizer& optimizer) { return OneCycleLR(optimizer, o); };
    const auto after = [&](const Optimizer& x, std::int64_t t) { check_momentum(which, x, t); };
    const auto step = [](Schedule& schedule, std::int64_t) { schedule.step(); };
    if (which.starts_with("one_cycle_lr.adam")) {
      check_run(which, adam, make, after, step);
    } else {
      check_run(which, sgd, make, after, step);
    }
  }
}

TEST_CASE("OneCycleLR throws after its last step") {
  for (const AnnealStrategy strategy : {AnnealStrategy::cos, AnnealStrategy::linear}) {
    SGD optimizer = sgd();
    OneCycleLR schedule(
        optimizer,
        {.max_lr = 1, .total_steps = 10, .anneal_strategy = strategy, .cycle_momentum = false});
    CHECK(optimizer.lr(0) == Approx(0.04));
    for (int t = 1; t <= 9; ++t) schedule.step();
    CHECK(optimizer.lr(0) == Approx(4e-6));
    schedule.step();  // as a loop over all batches does after the last one
    CHECK(optimizer.lr(0) == Approx(4e-6));
    CHECK(error_text<ValueError>([&] { schedule.step(); }) ==
          "OneCycleLR: step 11 of 10; create a new or a longer schedule");
    CHECK(schedule.state_dict().at("last_epoch").item<int>() == 10);
  }
  SGD optimizer = sgd();  // no rising phase, so the first rate is the highest
  const OneCycleLR steep(
      optimizer, {.max_lr = 1, .total_steps = 10, .pct_start = 0.1, .cycle_momentum = false});
  CHECK(optimizer.lr(1) == 1);
}

TEST_CASE("ReduceLROnPlateau finds plateaus at the same steps as PyTorch") {
  const std::vector<std::string> cases = golden().cases("reduce_lr_on_plateau");
  REQUIRE(cases.size() == 12);
  for (const std::string& which : cases) {
    ReduceLROnPlateauOptions o;
    o.mode = option(which, "mode", 5) == 4 ? PlateauMode::max : PlateauMode::min;
    o.factor = option(which, "factor", o.factor);
    o.patience = count(which, "patience", o.patience);
    o.threshold = option(which, "threshold", o.threshold);
    o.threshold_mode =
        option(which, "threshold_mode", 0) != 0 ? ThresholdMode::abs : ThresholdMode::rel;
    o.cooldown = count(which, "cooldown", o.cooldown);
    o.min_lr = list<double>(which, "min_lr", {0});
    o.eps = option(which, "eps", o.eps);
    const Tensor metrics = golden().at(which + ".in0");
    check_run(
        which, sgd, [&](Optimizer& optimizer) { return ReduceLROnPlateau(optimizer, o); },
        [](const Optimizer&, std::int64_t) {},
        [&](ReduceLROnPlateau& schedule, std::int64_t t) {
          schedule.step(metrics.item<double>({t - 1}));
        });
  }
}

TEST_CASE("a schedule of no steps keeps its first rate, and a factor of 0 ends at the full rate") {
  const auto rates = [](auto make) {
    SGD optimizer({parameter(zeros({1}))}, {.lr = 0.5});
    auto schedule = make(optimizer);
    std::vector<double> seen{optimizer.lr()};
    for (int t = 1; t <= 3; ++t) {
      schedule.step();
      seen.push_back(optimizer.lr());
    }
    return seen;
  };
  // The first two as in PyTorch, whose ConstantLR divides by the factor and fails where it is 0.
  CHECK(rates([](SGD& o) { return ConstantLR(o, {.factor = 0.5, .total_iters = 0}); }) ==
        std::vector<double>{0.25, 0.25, 0.25, 0.25});
  CHECK(rates([](SGD& o) { return LinearLR(o, {.start_factor = 0.5, .total_iters = 0}); }) ==
        std::vector<double>{0.25, 0.25, 0.25, 0.25});
  CHECK(rates([](SGD& o) { return ConstantLR(o, {.factor = 0, .total_iters = 2}); }) ==
        std::vector<double>{0, 0, 0.5, 0.5});
}

TEST_CASE("no ordinary setting makes a schedule throw, and no rate is negative") {
  manual_seed(3);
  const auto whole = [](std::int64_t low, std::int64_t high) {
    return randint(low, high + 1, {1}).item<std::int64_t>();
  };
  const auto tenths = [&](std::int64_t low, std::int64_t high) {
    return static_cast<double>(whole(low, high)) / 10;
  };
  const auto linear = [&] {
    return LinearLROptions{.start_factor = tenths(1, 10),
                           .end_factor = whole(0, 1) == 0 ? 0 : tenths(0, 10),
                           .total_iters = whole(0, 50)};
  };
  const auto constant = [&] {
    return ConstantLROptions{.factor = tenths(0, 10), .total_iters = whole(0, 50)};
  };
  const auto cosine = [&] {
    return CosineAnnealingLROptions{.T_max = whole(1, 30), .eta_min = tenths(0, 3)};
  };
  const auto restarts = [&] {
    return CosineAnnealingWarmRestartsOptions{
        .T_0 = whole(1, 20), .T_mult = whole(1, 3), .eta_min = tenths(0, 3)};
  };
  // To 0 in equal steps, which rounding may miss.
  const auto lambda = [&] {
    const std::int64_t end = whole(1, 50);
    const double part = tenths(1, 9) / static_cast<double>(end);
    return LambdaLROptions{.lr_lambda = [=](std::int64_t t) {
      double factor = part * static_cast<double>(end);
      for (std::int64_t i = 0; i < std::min(t, end); ++i) factor -= part;
      return factor;
    }};
  };
  const auto run = [&]<class Algorithm>(auto options) {
    const double lr = whole(0, 9) == 0 ? 0 : std::pow(10, -whole(0, 6)) * tenths(1, 30);
    SGD optimizer({parameter(zeros({1}))}, {.lr = lr, .momentum = 0.9});
    Algorithm schedule(optimizer, options);
    for (int t = 1; t <= 100; ++t) {
      if constexpr (requires { options.total_steps; }) {
        if (t > options.total_steps) break;
      }
      if constexpr (requires { schedule.step(1.0); }) {
        schedule.step(tenths(0, 10));
      } else {
        schedule.step();
      }
      if (!(optimizer.lr() >= 0)) FAIL(optimizer.lr());
    }
  };
  const auto check = [&]<class Algorithm>(const char* name, auto make) {
    CAPTURE(name);
    for (int i = 0; i < 1000; ++i) {
      CAPTURE(i);
      CHECK_NOTHROW(run.template operator()<Algorithm>(make()));
    }
  };
  check.operator()<LinearLR>("LinearLR", linear);
  check.operator()<ConstantLR>("ConstantLR", constant);
  check.operator()<CosineAnnealingLR>("CosineAnnealingLR", cosine);
  check.operator()<CosineAnnealingWarmRestarts>("CosineAnnealingWarmRestarts", restarts);
  check.operator()<LambdaLR>("LambdaLR", lambda);
  check.operator()<StepLR>(
      "StepLR", [&] { return StepLROptions{.step_size = whole(1, 20), .gamma = tenths(1, 20)}; });
  check.operator()<MultiStepLR>("MultiStepLR", [&] {
    return MultiStepLROptions{.milestones = {whole(0, 50), whole(0, 50)}, .gamma = tenths(1, 20)};
  });
  check.operator()<ExponentialLR>("ExponentialLR",
                                  [&] { return ExponentialLROptions{.gamma = tenths(1, 20)}; });
  check.operator()<SequentialLR>("SequentialLR", [&] {
    return SequentialLROptions{
        .schedulers = {linear(), cosine(), lambda(), constant(), restarts(), linear()},
        .milestones = {7, 20, 41, 60, 80}};
  });
  check.operator()<OneCycleLR>("OneCycleLR", [&] {
    return OneCycleLROptions{
        .max_lr = tenths(0, 10),
        .total_steps = whole(1, 60),
        .pct_start = tenths(0, 10),
        .anneal_strategy = whole(0, 1) == 0 ? AnnealStrategy::cos : AnnealStrategy::linear,
        .base_momentum = tenths(1, 9),
        .max_momentum = whole(0, 1) == 0 ? 1 - 1e-16 : tenths(1, 9),
        .div_factor = std::pow(10, whole(0, 20)),
        .final_div_factor = std::pow(10, whole(0, 20)),
        .three_phase = whole(0, 1) == 0};
  });
  check.operator()<ReduceLROnPlateau>("ReduceLROnPlateau", [&] {
    return ReduceLROnPlateauOptions{
        .factor = tenths(0, 9), .patience = whole(0, 5), .min_lr = tenths(0, 3)};
  });
}

TEST_CASE("invalid options of schedules are refused") {
  CHECK(refusal<StepLR>(StepLROptions{}) ==
        "StepLR: invalid step_size: 0, needed a whole number >= 1");
  CHECK(refusal<StepLR>(StepLROptions{.step_size = 1, .gamma = -1}) ==
        "StepLR: invalid gamma: -1, needed a number > 0");
  CHECK(refusal<MultiStepLR>(MultiStepLROptions{.milestones = {3, -1}}) ==
        "MultiStepLR: invalid milestone: -1, needed a whole number >= 0");
  CHECK(refusal<MultiStepLR>(MultiStepLROptions{.gamma = 0}) ==
        "MultiStepLR: invalid gamma: 0, needed a number > 0");
  CHECK(refusal<ConstantLR>(ConstantLROptions{.factor = 1.5}) ==
        "ConstantLR: invalid factor: 1.5, needed a number in [0, 1]");
  CHECK(refusal<ConstantLR>(ConstantLROptions{.total_iters = -1}) ==
        "ConstantLR: invalid total_iters: -1, needed a whole number >= 0");
  CHECK(refusal<LinearLR>(LinearLROptions{.start_factor = 0}) ==
        "LinearLR: invalid start_factor: 0, needed a number in (0, 1]");
  CHECK(refusal<LinearLR>(LinearLROptions{.end_factor = -0.5}) ==
        "LinearLR: invalid end_factor: -0.5, needed a number in [0, 1]");
  CHECK(refusal<LinearLR>(LinearLROptions{.total_iters = -1}) ==
        "LinearLR: invalid total_iters: -1, needed a whole number >= 0");
  CHECK(refusal<ExponentialLR>(ExponentialLROptions{}) ==
        "ExponentialLR: invalid gamma: 0, needed a number > 0");
  CHECK(refusal<CosineAnnealingLR>(CosineAnnealingLROptions{}) ==
        "CosineAnnealingLR: invalid T_max: 0, needed a whole number >= 1");
  CHECK(refusal<CosineAnnealingLR>(CosineAnnealingLROptions{.T_max = 5, .eta_min = -1}) ==
        "CosineAnnealingLR: invalid eta_min: -1, needed a number >= 0");
  CHECK(refusal<CosineAnnealingWarmRestarts>(CosineAnnealingWarmRestartsOptions{}) ==
        "CosineAnnealingWarmRestarts: invalid T_0: 0, needed a whole number >= 1");
  CHECK(refusal<CosineAnnealingWarmRestarts>(
            CosineAnnealingWarmRestartsOptions{.T_0 = 1, .T_mult = 0}) ==
        "CosineAnnealingWarmRestarts: invalid T_mult: 0, needed a whole number >= 1");
  CHECK(refusal<LambdaLR>(LambdaLROptions{}) ==
        "LambdaLR: got 0 values of lr_lambda for 2 groups, needed one, or one for each");
  CHECK(refusal<LambdaLR>(LambdaLROptions{.lr_lambda = nullptr}) ==
        "LambdaLR: got an empty lr_lambda, needed a function");
  CHECK(refusal<LambdaLR>(LambdaLROptions{.lr_lambda = [](std::int64_t) { return -1; }}) ==
        "LambdaLR: invalid learning rate: -0.1, needed a number >= 0");
  CHECK(refusal<SequentialLR>(SequentialLROptions{}) ==
        "SequentialLR: got 0 schedulers and 0 milestones, needed a milestone between each two "
        "schedulers");
  CHECK(refusal<SequentialLR>(SequentialLROptions{
            .schedulers = {StepLROptions{.step_size = 1}, LinearLROptions{}, LinearLROptions{}},
            .milestones = {5, 5}}) ==
        "SequentialLR: invalid milestone: 5, needed whole numbers >= 1 that increase");
  CHECK(refusal<SequentialLR>(SequentialLROptions{.schedulers = {StepLROptions{}}}) ==
        "StepLR: invalid step_size: 0, needed a whole number >= 1");
}

TEST_CASE("invalid options of OneCycleLR and ReduceLROnPlateau are refused") {
  const auto cycle = [](OneCycleLROptions o) { return refusal<OneCycleLR>(o); };
  CHECK(cycle({.max_lr = 1}) ==
        "OneCycleLR: got no length, needed total_steps, or epochs and steps_per_epoch");
  CHECK(cycle({.max_lr = 1, .epochs = 3}) ==
        "OneCycleLR: invalid steps_per_epoch: 0, needed a whole number >= 1");
  CHECK(cycle({.max_lr = 1, .total_steps = -5}) ==
        "OneCycleLR: invalid total_steps: -5, needed a whole number >= 1");
  CHECK(cycle({.total_steps = 5}) ==
        "OneCycleLR: got 0 values of max_lr for 2 groups, needed one, or one for each");
  CHECK(cycle({.max_lr = {1, -2}, .total_steps = 5}) ==
        "OneCycleLR: invalid max_lr: -2, needed a number >= 0");
  CHECK(cycle({.max_lr = 1, .total_steps = 5, .pct_start = 2}) ==
        "OneCycleLR: invalid pct_start: 2, needed a number in [0, 1]");
  CHECK(cycle({.max_lr = 1, .total_steps = 5, .base_momentum = {0.5, 0.6, 0.7}}) ==
        "OneCycleLR: got 3 values of base_momentum for 2 groups, needed one, or one for each");
  CHECK(cycle({.max_lr = 1, .total_steps = 5, .max_momentum = 1}) ==
        "OneCycleLR: invalid max_momentum: 1, needed a number in (0, 1)");
  CHECK(cycle({.max_lr = 1, .total_steps = 5, .div_factor = 0}) ==
        "OneCycleLR: invalid div_factor: 0, needed a number > 0");
  CHECK(cycle({.max_lr = 1, .total_steps = 5, .final_div_factor = 0}) ==
        "OneCycleLR: invalid final_div_factor: 0, needed a number > 0");

  const auto plateau = [](ReduceLROnPlateauOptions o) { return refusal<ReduceLROnPlateau>(o); };
  CHECK(plateau({.factor = 1}) ==
        "ReduceLROnPlateau: invalid factor: 1, needed a number in [0, 1)");
  CHECK(plateau({.patience = -1}) ==
        "ReduceLROnPlateau: invalid patience: -1, needed a whole number >= 0");
  CHECK(plateau({.threshold = -1}) ==
        "ReduceLROnPlateau: invalid threshold: -1, needed a number >= 0");
  CHECK(plateau({.cooldown = -1}) ==
        "ReduceLROnPlateau: invalid cooldown: -1, needed a whole number >= 0");
  CHECK(plateau({.min_lr = {1, 2, 3}}) ==
        "ReduceLROnPlateau: got 3 values of min_lr for 2 groups, needed one, or one for each");
  CHECK(plateau({.min_lr = -1}) == "ReduceLROnPlateau: invalid min_lr: -1, needed a number >= 0");
  CHECK(plateau({.eps = -1}) == "ReduceLROnPlateau: invalid eps: -1, needed a number >= 0");
}

TEST_CASE("OneCycleLR with cycle_momentum needs a momentum") {
  Adagrad adagrad({parameter(zeros({1}))}, {.lr = 0.1});
  const std::string text =
      error_text<ValueError>([&] { OneCycleLR(adagrad, {.max_lr = 1, .total_steps = 5}); });
  CHECK(text ==
        "OneCycleLR: Adagrad: this optimizer has no momentum, needed one to cycle; use "
        "another optimizer, or set cycle_momentum to false");
  CHECK(adagrad.lr() == 0.1);
  const OneCycleLR fine(adagrad, {.max_lr = 1, .total_steps = 5, .cycle_momentum = false});
  SGD plain({parameter(zeros({1}))}, {.lr = 0.1});
  CHECK(error_text<ValueError>([&] { OneCycleLR(plain, {.max_lr = 1, .total_steps = 5}); }) ==
        "OneCycleLR: group 0 has momentum 0, needed one > 0 to cycle; give the optimizer "
        "one, or set cycle_momentum to false");
}

TEST_CASE("a step that throws changes nothing") {
  SGD optimizer = sgd();
  LambdaLR schedule(optimizer, {.lr_lambda = {[](std::int64_t) { return 1.0; },
                                              [](std::int64_t t) { return t < 2 ? 1.0 : -1.0; }}});
  schedule.step();
  optimizer.set_lr(7);
  CHECK(error_text<ValueError>([&] { schedule.step(); }) ==
        "LambdaLR: invalid learning rate: -0.02, needed a number >= 0");
  CHECK(optimizer.lr(0) == 7);
  CHECK(schedule.last_lr() == std::vector<double>{0.1, 0.02});
  CHECK(schedule.state_dict().at("last_epoch").item<int>() == 1);

  StepLR early(optimizer, {.step_size = 3});
  ReduceLROnPlateau plateau(optimizer);
  const StateDict saved = early.state_dict();
  optimizer.add_group({parameter(zeros({1}))}, {});
  CHECK(error_text<ValueError>([&] { early.step(); }) ==
        "StepLR: the optimizer has 3 groups, but had 2 when the schedule was created; create "
        "it after the last add_group()");
  CHECK(error_text<ValueError>([&] {
          early.load_state_dict(saved);
        }).starts_with("StepLR: the optimizer has"));
  CHECK(error_text<ValueError>([&] { plateau.step(1); }) ==
        "ReduceLROnPlateau: the optimizer has 3 groups, but had 2 when the schedule was "
        "created; create it after the last add_group()");
}

TEST_CASE("a schedule refuses a state that does not fit, and changes nothing") {
  SGD optimizer = sgd();
  StepLR schedule(optimizer, {.step_size = 3});
  schedule.step();
  const StateDict wrong{
      {"last_epoch", tensor(-1)}, {"base_lrs", tensor({0.1, 0.2, 0.3})}, {"gamma", tensor(0.5)}};
  CHECK(error_text<FormatError>([&] { schedule.load_state_dict(wrong); }) ==
        "StepLR: the state does not fit this schedule: last_epoch is not a count, base_lrs is "
        "float32 (3), needed 2 numbers, missing _last_lr, unexpected gamma");
  CHECK(schedule.state_dict().at("last_epoch").item<int>() == 1);
  CHECK(schedule.last_lr() == std::vector<double>{0.1, 0.02});

  ReduceLROnPlateau plateau(optimizer);
  plateau.step(3);
  CHECK(error_text<FormatError>([&] { plateau.load_state_dict(schedule.state_dict()); }) ==
        "ReduceLROnPlateau: the state does not fit this schedule: missing best, missing "
        "num_bad_epochs, missing cooldown_counter, unexpected base_lrs");
  CHECK(plateau.state_dict().at("best").item<double>() == 3);
}
