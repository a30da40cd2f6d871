// Schedules: learning rates that change from step to step, or from epoch to epoch. Read next:
// optim/schedule.cc.
//
//   optim::SGD sgd(model.parameters(), {.lr = 0.1});
//   optim::CosineAnnealingLR schedule(sgd, {.T_max = 20});
//   for (int epoch = 0; epoch < 20; ++epoch) {
//     train(...);         // sgd.step() for every batch
//     schedule.step();    // the rate of the next epoch
//   }
//
//   optim::SequentialLR warm_up_then_cosine(
//       sgd, {.schedulers = {optim::LinearLROptions{.start_factor = 0.1, .total_iters = 5},
//                            optim::CosineAnnealingLROptions{.T_max = 15}},
//             .milestones = {5}});
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/optim/optimizer.h>
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad::optim {

// The common part of all schedules. A schedule refers to its optimizer, which must live longer,
// must not be moved, and must have all its groups when the schedule is created. The constructor
// sets the first rates.
class Schedule {
 public:
  virtual ~Schedule() = default;
  Schedule(Schedule&&) = default;  // no copies: both would set the same rates
  Schedule& operator=(Schedule&&) = default;

  // Sets the next rates. If one is negative or nan, this is a ValueError, and nothing changes; one
  // that is negative only by rounding is 0.
  void step();
  // The rates that step() has set last, one for each group.
  const std::vector<double>& last_lr() const& { return last_; }
  std::vector<double> last_lr() const&& { return last_; }

  // The state of the schedule, with PyTorch's names. The rates themselves are in the optimizer's
  // state_dict(), so save that, too, and load it after the schedule was created.
  StateDict state_dict() const;
  // All or nothing: a FormatError lists everything that does not fit.
  void load_state_dict(const StateDict& state);

 protected:
  Schedule(const char* name, Optimizer& optimizer) : name_(name), optimizer_(&optimizer) {}

  void begin(std::vector<double> base);  // sets the rates of step 0; for the end of constructors
  Optimizer& optimizer() const { return *optimizer_; }

 private:
  // The rate of a group after `t` steps. `lr` is its rate after the step before, and `base` its
  // first rate.
  virtual double rate(std::int64_t t, double lr, double base, std::size_t group) const = 0;
  virtual void set_others(std::int64_t) {}  // sets other options, such as momentum

  std::vector<double> rates(std::int64_t t) const;

  const char* name_;
  Optimizer* optimizer_;
  std::int64_t steps_ = 0;
  std::vector<double> base_;
  std::vector<double> last_;
};

// One value for all groups, or one for each group.
template <class T>
class PerGroup {
 public:
  PerGroup() = default;
  template <std::convertible_to<T> Value>
  PerGroup(Value&& value) : values_{static_cast<T>(std::forward<Value>(value))} {}
  PerGroup(std::initializer_list<T> values) : values_(values) {}
  PerGroup(std::vector<T> values) : values_(std::move(values)) {}

  bool fits(std::size_t groups) const { return values_.size() == 1 || values_.size() == groups; }
  std::size_t size() const { return values_.size(); }
  const T& operator[](std::size_t group) const { return values_[values_.size() == 1 ? 0 : group]; }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  std::vector<T> values_;
};

// Options with PyTorch's names. Options marked `needed` have no default. Below, t counts steps,
// `base` is the rate of the optimizer when the schedule was created, and `lr` is the current rate,
// even if it was set by hand.

// lr * gamma every step_size steps.
struct StepLROptions {
  std::int64_t step_size = 0;  // needed
  double gamma = 0.1;
};

// lr * gamma at each milestone, as often as it is listed.
struct MultiStepLROptions {
  std::vector<std::int64_t> milestones = {};
  double gamma = 0.1;
};

// base * factor for total_iters steps, then lr / factor, or base if the factor is 0. Without steps
// the rate stays base * factor.
struct ConstantLROptions {
  double factor = 1.0 / 3;
  std::int64_t total_iters = 5;
};

// From base * start_factor to base * end_factor in equal steps: a warm-up. Without steps the rate
// stays base * start_factor.
struct LinearLROptions {
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  std::int64_t total_iters = 5;
};

// lr * gamma.
struct ExponentialLROptions {
  double gamma = 0;  // needed
};

// eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2, down for T_max steps, then up again
// for T_max steps (Loshchilov and Hutter 2017). Each rate is computed from the previous one.
struct CosineAnnealingLROptions {
  std::int64_t T_max = 0;  // needed
  double eta_min = 0;
};

// The same curve, down only: after T_0 steps it restarts and lasts T_0 * T_mult steps, and so on.
struct CosineAnnealingWarmRestartsOptions {
  std::int64_t T_0 = 0;  // needed
  std::int64_t T_mult = 1;
  double eta_min = 0;
};

// base * lr_lambda(t).
struct LambdaLROptions {
  PerGroup<std::function<double(std::int64_t)>> lr_lambda = {};  // needed
};

// One schedule after the other, each starting from base: schedulers[i] begins at step milestones[i
// - 1].
struct SequentialLROptions {
  // The options of any of the schedules above. (A std::variant of them costs a user's file more
  // time to compile than all the rest of this header.)
  class Scheduler {
   public:
    Scheduler(StepLROptions options);  // NOLINT: implicit, for lists in braces
    Scheduler(MultiStepLROptions options);
    Scheduler(ConstantLROptions options);
    Scheduler(LinearLROptions options);
    Scheduler(ExponentialLROptions options);
    Scheduler(CosineAnnealingLROptions options);
    Scheduler(CosineAnnealingWarmRestartsOptions options);
    Scheduler(LambdaLROptions options);

    class Formula;  // optim/schedule.cc
    const Formula& formula() const { return *formula_; }

   private:
    std::shared_ptr<const Formula> formula_;
  };

  std::vector<Scheduler> schedulers = {};
  std::vector<std::int64_t> milestones = {};
};

// The class of all these schedules; they differ in one function in schedule.cc.
template <class Options>
class ScheduleWith final : public Schedule {
 public:
  // ValueError for options out of range.
  ScheduleWith(Optimizer& optimizer, Options options);
  // The fields of the options in their order: StepLR(optimizer, 10, 0.5).
  template <class... Fields>
  requires(!(std::is_same_v<Fields, Options> && ...) &&
           requires(Fields... fields) { Options{fields...}; })
      ScheduleWith(Optimizer& optimizer, Fields... fields)
      : ScheduleWith(optimizer, Options{fields...}) {}

 private:
  double rate(std::int64_t t, double lr, double base, std::size_t group) const override;

  Options options_;
};

using StepLR = ScheduleWith<StepLROptions>;
using MultiStepLR = ScheduleWith<MultiStepLROptions>;
using ConstantLR = ScheduleWith<ConstantLROptions>;
using LinearLR = ScheduleWith<LinearLROptions>;
using ExponentialLR = ScheduleWith<ExponentialLROptions>;
using CosineAnnealingLR = ScheduleWith<CosineAnnealingLROptions>;
using CosineAnnealingWarmRestarts = ScheduleWith<CosineAnnealingWarmRestartsOptions>;
using LambdaLR = ScheduleWith<LambdaLROptions>;
using SequentialLR = ScheduleWith<SequentialLROptions>;

extern template class ScheduleWith<StepLROptions>;
extern template class ScheduleWith<MultiStepLROptions>;
extern template class ScheduleWith<ConstantLROptions>;
extern template class ScheduleWith<LinearLROptions>;
extern template class ScheduleWith<ExponentialLROptions>;
extern template class ScheduleWith<CosineAnnealingLROptions>;
extern template class ScheduleWith<CosineAnnealingWarmRestartsOptions>;
extern template class ScheduleWith<LambdaLROptions>;
extern template class ScheduleWith<SequentialLROptions>;

enum class AnnealStrategy { cos, linear };

struct OneCycleLROptions {
  PerGroup<double> max_lr = {};  // needed
  std::int64_t total_steps = 0;  // needed, or the next two, whose product is used
  std::int64_t epochs = 0;
  std::int64_t steps_per_epoch = 0;
  double pct_start = 0.3;
  AnnealStrategy anneal_strategy = AnnealStrategy::cos;
  bool cycle_momentum = true;
  PerGroup<double> base_momentum = 0.85;
  PerGroup<double> max_momentum = 0.95;
  double div_factor = 25;
  double final_div_factor = 1e4;
  bool three_phase = false;
};

// The 1cycle policy (Smith and Topin 2018), a step for each batch: the rate rises from max_lr /
// div_factor to max_lr during pct_start of all steps, then falls to (max_lr / div_factor) /
// final_div_factor. With three_phase, it first falls to max_lr / div_factor in as many steps as it
// rose, and then to the end. The momentum (in Adam the first beta) falls from max_momentum to
// base_momentum and rises again. The optimizer's own rates are not used.
class OneCycleLR final : public Schedule {
 public:
  // ValueError for options out of range, and with cycle_momentum for a group without momentum.
  OneCycleLR(Optimizer& optimizer, OneCycleLROptions options);

 private:
  // step() throws a ValueError after total_steps. A loop over all batches takes one step after the
  // last rate. That step keeps the rate, where PyTorch continues in the same direction, even below
  // 0.
  double rate(std::int64_t t, double lr, double base, std::size_t group) const override;
  void set_others(std::int64_t t) override;
  double anneal(std::int64_t t, const std::array<double, 4>& values) const;

  OneCycleLROptions options_;
};

enum class PlateauMode { min, max };
enum class ThresholdMode { rel, abs };

struct ReduceLROnPlateauOptions {
  PlateauMode mode = PlateauMode::min;
  double factor = 0.1;
  std::int64_t patience = 10;
  double threshold = 1e-4;
  ThresholdMode threshold_mode = ThresholdMode::rel;
  std::int64_t cooldown = 0;
  PerGroup<double> min_lr = 0.0;
  double eps = 1e-8;
};

// lr * factor, but at least min_lr, when the metric has not improved on its best value by
// `threshold` (relative or absolute) for more than `patience` steps. After that, steps are not
// counted for `cooldown` steps. Changes of at most eps are not made. The rules of Schedule about
// the optimizer and about saving apply here, too.
class ReduceLROnPlateau final {
 public:
  // ValueError for options out of range.
  explicit ReduceLROnPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options = {});

  void step(double metric);  // nan is not an improvement
  const std::vector<double>& last_lr() const& { return last_; }
  std::vector<double> last_lr() const&& { return last_; }

  StateDict state_dict() const;
  void load_state_dict(const StateDict& state);

 private:
  bool is_better(double metric) const;

  Optimizer* optimizer_;
  ReduceLROnPlateauOptions options_;
  std::int64_t steps_ = 0;
  double best_;
  std::int64_t bad_steps_ = 0;
  std::int64_t cooldown_left_ = 0;
  std::vector<double> last_;
};

}  // namespace tapegrad::optim
