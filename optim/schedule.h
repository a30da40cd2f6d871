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
#include <utility>
#include <variant>
#include <vector>

#include <tapegrad/optim/optimizer.h>
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad::optim {

// What all schedules share. A schedule refers to its optimizer, which must live longer, must not be
// moved, and has all its groups when the schedule is made. Making a schedule sets the first rates.
class Schedule {
 public:
  virtual ~Schedule() = default;
  Schedule(Schedule&&) = default;  // not copied: both would turn the same optimizer's rates
  Schedule& operator=(Schedule&&) = default;

  // Sets the next rates. ValueError, with nothing changed, where they make no sense.
  void step();
  // The rates that step() has set last, one for each group.
  const std::vector<double>& last_lr() const { return last_; }

  // Where the schedule stands, with PyTorch's names. The rates themselves stand in the optimizer's
  // state_dict(), so that needs saving too; load it after the schedule was made.
  StateDict state_dict() const;
  // All or nothing: a FormatError lists everything that does not fit.
  void load_state_dict(const StateDict& state);

 protected:
  Schedule(const char* name, Optimizer& optimizer) : name_(name), optimizer_(&optimizer) {}

  void begin(std::vector<double> base);  // sets the rates of step 0; for the end of constructors
  Optimizer& optimizer() const { return *optimizer_; }

 private:
  // The rate of a group after `t` steps, of which the last left `lr`; `base` is what it began with.
  virtual double rate(std::int64_t t, double lr, double base, std::size_t group) const = 0;
  virtual void turn_others(std::int64_t) {}  // sets what else changes with the rates

  std::vector<double> rates(std::int64_t t) const;

  const char* name_;
  Optimizer* optimizer_;
  std::int64_t steps_ = 0;
  std::vector<double> base_;
  std::vector<double> last_;
};

// A value for all groups, or one for each.
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

// Options, by PyTorch's names. Where the default is 0 and the comment says so, there is none: give
// a number. Below, t counts steps, `base` is the rate that the optimizer had when the schedule was
// made, and `lr` the rate now, whoever set it.

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

// base * factor for total_iters steps, then lr / factor.
struct ConstantLROptions {
  double factor = 1.0 / 3;
  std::int64_t total_iters = 5;
};

// From base * start_factor to base * end_factor in equal steps: a warm-up.
struct LinearLROptions {
  double start_factor = 1.0 / 3;
  double end_factor = 1;
  std::int64_t total_iters = 5;
};

// lr * gamma.
struct ExponentialLROptions {
  double gamma = 0;  // needed
};

// eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2, down for T_max steps, up again for as
// many (Loshchilov and Hutter 2017). It is computed from the rate of the step before.
struct CosineAnnealingLROptions {
  std::int64_t T_max = 0;  // needed
  double eta_min = 0;
};

// The same, down only: after T_0 steps it starts again, for T_0 * T_mult, and so on.
struct CosineAnnealingWarmRestartsOptions {
  std::int64_t T_0 = 0;  // needed
  std::int64_t T_mult = 1;
  double eta_min = 0;
};

// base * lr_lambda(t).
struct LambdaLROptions {
  PerGroup<std::function<double(std::int64_t)>> lr_lambda = {};  // needed
};

// One schedule after the other, each from base on: schedulers[i] begins at step milestones[i - 1].
struct SequentialLROptions {
  using Scheduler = std::variant<StepLROptions, MultiStepLROptions, ConstantLROptions,
                                 LinearLROptions, ExponentialLROptions, CosineAnnealingLROptions,
                                 CosineAnnealingWarmRestartsOptions, LambdaLROptions>;
  std::vector<Scheduler> schedulers = {};
  std::vector<std::int64_t> milestones = {};
};

// All of these are this class; they differ in one function, which stands in schedule.cc.
template <class Options>
class ScheduleWith final : public Schedule {
 public:
  // ValueError for options out of range.
  ScheduleWith(Optimizer& optimizer, Options options);

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
  std::int64_t total_steps = 0;  // needed, or the next two, whose product it is
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
// div_factor to max_lr during pct_start of all steps, then falls to the first / final_div_factor;
// in three phases it falls as long as it rose, then the rest of the way. The momentum (Adam: the
// first beta) falls from max_momentum to base_momentum and rises again. The rates that the
// optimizer was made with do not matter.
class OneCycleLR final : public Schedule {
 public:
  // ValueError for options out of range, and for a group without momentum if that is to cycle.
  OneCycleLR(Optimizer& optimizer, OneCycleLROptions options);

 private:
  // step() throws a ValueError beyond total_steps. The step after the last rate, which a loop over
  // all batches takes, leaves that; PyTorch goes on in its direction, even below 0.
  double rate(std::int64_t t, double lr, double base, std::size_t group) const override;
  void turn_others(std::int64_t t) override;
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

// lr * factor, but at least min_lr, once the metric has not become better than its best by
// `threshold` (of that, or absolutely) for more than `patience` steps; then the count rests for
// `cooldown` steps. Changes of no more than eps are left out. What Schedule says of the optimizer
// and of saving holds here too.
class ReduceLROnPlateau final {
 public:
  // ValueError for options out of range.
  explicit ReduceLROnPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options = {});

  void step(double metric);  // nan is not better
  const std::vector<double>& last_lr() const { return last_; }

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
