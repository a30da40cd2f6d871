// The formulas of the schedules. Each computes the next rate from the last one, as in PyTorch, so
// if the rate was set by hand in between, the schedule continues from that rate. Read next:
// optim/weight_average.h.
#include <tapegrad/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <sstream>
#include <string>
#include <type_traits>
#include <unordered_set>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

class SequentialLROptions::Scheduler::Formula {
 public:
  virtual ~Formula() = default;
  virtual void check(std::size_t groups) const = 0;
  virtual double rate(std::int64_t t, double lr, double base, std::size_t group) const = 0;
};

namespace {

constexpr double kPi = std::numbers::pi;

template <class Value>
void check(bool valid, const char* schedule, const char* option, Value value, const char* needed) {
  if (valid) return;
  std::ostringstream text;
  text << schedule << ": invalid " << option << ": " << value << ", needed " << needed;
  throw ValueError(text.str());
}

void check_at_least(std::int64_t least, const char* schedule, const char* option,
                    std::int64_t value) {
  if (value >= least) return;
  check(false, schedule, option, value, least == 0 ? "a whole number >= 0" : "a whole number >= 1");
}

template <class T>
void check_size(const char* schedule, const char* option, const PerGroup<T>& values,
                std::size_t groups) {
  if (values.fits(groups)) return;
  throw ValueError(std::string(schedule) + ": got " + std::to_string(values.size()) +
                   " values of " + option + " for " + std::to_string(groups) +
                   " groups, needed one, or one for each");
}

void check_groups(const char* schedule, const Optimizer& optimizer, std::size_t groups) {
  if (optimizer.group_count() == groups) return;
  throw ValueError(std::string(schedule) + ": the optimizer has " +
                   std::to_string(optimizer.group_count()) + " groups, but had " +
                   std::to_string(groups) +
                   " when the schedule was created; create it after the last add_group()");
}

std::vector<double> rates_of(const Optimizer& optimizer) {
  std::vector<double> rates;
  for (std::size_t group = 0; group < optimizer.group_count(); ++group) {
    rates.push_back(optimizer.lr(group));
  }
  return rates;
}

// Where the rate of the formula is 0, rounding may make it a little less. `scale` is the size of
// what was subtracted; a rate far below 0 is left to the check in Schedule::rates.
double without_rounding(double rate, double scale) {
  return rate < 0 && rate >= -1e-6 * scale ? 0 : rate;
}

// For each schedule: a check of its options, and the rate of a group after `t` steps. The last step
// had the rate `lr`, and the first one began with `base`; for t = 0, both are the same.

void check_options(const StepLROptions& o, std::size_t) {
  check_at_least(1, "StepLR", "step_size", o.step_size);
  check(o.gamma > 0, "StepLR", "gamma", o.gamma, "a number > 0");
}
double next(const StepLROptions& o, std::int64_t t, double lr, double, std::size_t) {
  return t > 0 && t % o.step_size == 0 ? lr * o.gamma : lr;
}

void check_options(const MultiStepLROptions& o, std::size_t) {
  for (const std::int64_t t : o.milestones) check_at_least(0, "MultiStepLR", "milestone", t);
  check(o.gamma > 0, "MultiStepLR", "gamma", o.gamma, "a number > 0");
}
double next(const MultiStepLROptions& o, std::int64_t t, double lr, double, std::size_t) {
  return lr * std::pow(o.gamma, std::ranges::count(o.milestones, t));
}

void check_options(const ConstantLROptions& o, std::size_t) {
  check(o.factor >= 0 && o.factor <= 1, "ConstantLR", "factor", o.factor, "a number in [0, 1]");
  check_at_least(0, "ConstantLR", "total_iters", o.total_iters);
}
double next(const ConstantLROptions& o, std::int64_t t, double lr, double base, std::size_t) {
  if (t == 0) return lr * o.factor;
  if (t != o.total_iters) return lr;
  return o.factor == 0 ? base : lr * (1 / o.factor);
}

void check_options(const LinearLROptions& o, std::size_t) {
  check(o.start_factor > 0 && o.start_factor <= 1, "LinearLR", "start_factor", o.start_factor,
        "a number in (0, 1]");
  check(o.end_factor >= 0 && o.end_factor <= 1, "LinearLR", "end_factor", o.end_factor,
        "a number in [0, 1]");
  check_at_least(0, "LinearLR", "total_iters", o.total_iters);
}
double next(const LinearLROptions& o, std::int64_t t, double lr, double, std::size_t) {
  if (t == 0) return lr * o.start_factor;
  if (t > o.total_iters) return lr;
  const double rise = o.end_factor - o.start_factor;
  const double previous =
      static_cast<double>(o.total_iters) * o.start_factor + static_cast<double>(t - 1) * rise;
  return lr * std::max(1 + rise / previous, 0.0);  // rounding can make it less than 0
}

void check_options(const ExponentialLROptions& o, std::size_t) {
  check(o.gamma > 0, "ExponentialLR", "gamma", o.gamma, "a number > 0");
}
double next(const ExponentialLROptions& o, std::int64_t t, double lr, double, std::size_t) {
  return t > 0 ? lr * o.gamma : lr;
}

void check_options(const CosineAnnealingLROptions& o, std::size_t) {
  check_at_least(1, "CosineAnnealingLR", "T_max", o.T_max);
  check(o.eta_min >= 0, "CosineAnnealingLR", "eta_min", o.eta_min, "a number >= 0");
}
double next(const CosineAnnealingLROptions& o, std::int64_t t, double lr, double base,
            std::size_t) {
  if (t == 0) return lr;
  const double end = static_cast<double>(o.T_max);
  // The step after the lowest rate, where the factor below would divide by 0.
  if ((t - 1 - o.T_max) % (2 * o.T_max) == 0) {
    return lr + (base - o.eta_min) * (1 - std::cos(kPi / end)) / 2;
  }
  const double rate = (1 + std::cos(kPi * static_cast<double>(t) / end)) /
                          (1 + std::cos(kPi * static_cast<double>(t - 1) / end)) *
                          (lr - o.eta_min) +
                      o.eta_min;
  return without_rounding(rate, o.eta_min);
}

void check_options(const CosineAnnealingWarmRestartsOptions& o, std::size_t) {
  check_at_least(1, "CosineAnnealingWarmRestarts", "T_0", o.T_0);
  check_at_least(1, "CosineAnnealingWarmRestarts", "T_mult", o.T_mult);
  check(o.eta_min >= 0, "CosineAnnealingWarmRestarts", "eta_min", o.eta_min, "a number >= 0");
}
double next(const CosineAnnealingWarmRestartsOptions& o, std::int64_t t, double, double base,
            std::size_t) {
  std::int64_t length = o.T_0;
  if (o.T_mult == 1) t %= length;
  while (t >= length) {
    t -= length;
    length *= o.T_mult;
  }
  const double angle = kPi * static_cast<double>(t) / static_cast<double>(length);
  return o.eta_min + (base - o.eta_min) * (1 + std::cos(angle)) / 2;
}

void check_options(const LambdaLROptions& o, std::size_t groups) {
  check_size("LambdaLR", "lr_lambda", o.lr_lambda, groups);
  for (const auto& function : o.lr_lambda) {
    if (!function) throw ValueError("LambdaLR: got an empty lr_lambda, needed a function");
  }
}
double next(const LambdaLROptions& o, std::int64_t t, double, double base, std::size_t group) {
  return base * o.lr_lambda[group](t);
}

template <class Options>
class FormulaWith final : public SequentialLROptions::Scheduler::Formula {
 public:
  explicit FormulaWith(Options options) : options_(std::move(options)) {}
  void check(std::size_t groups) const override { check_options(options_, groups); }
  double rate(std::int64_t t, double lr, double base, std::size_t group) const override {
    return next(options_, t, lr, base, group);
  }

 private:
  Options options_;
};

template <class Options>
std::shared_ptr<const SequentialLROptions::Scheduler::Formula> formula_with(Options options) {
  return std::make_shared<const FormulaWith<Options>>(std::move(options));
}

void check_options(const SequentialLROptions& o, std::size_t groups) {
  if (o.schedulers.empty() || o.schedulers.size() != o.milestones.size() + 1) {
    throw ValueError("SequentialLR: got " + std::to_string(o.schedulers.size()) +
                     " schedulers and " + std::to_string(o.milestones.size()) +
                     " milestones, needed a milestone between each two schedulers");
  }
  std::int64_t last = 0;
  for (const std::int64_t milestone : o.milestones) {
    check(milestone > last, "SequentialLR", "milestone", milestone,
          "whole numbers >= 1 that increase");
    last = milestone;
  }
  for (const auto& scheduler : o.schedulers) {
    scheduler.formula().check(groups);
  }
}
double next(const SequentialLROptions& o, std::int64_t t, double lr, double base,
            std::size_t group) {
  const auto end = std::ranges::upper_bound(o.milestones, t);
  if (end != o.milestones.begin()) t -= *std::prev(end);
  const auto& scheduler = o.schedulers[static_cast<std::size_t>(end - o.milestones.begin())];
  return scheduler.formula().rate(t, t == 0 ? base : lr, base, group);
}

template <class Options>
constexpr const char* kName = nullptr;
template <>
constexpr const char* kName<StepLROptions> = "StepLR";
template <>
constexpr const char* kName<MultiStepLROptions> = "MultiStepLR";
template <>
constexpr const char* kName<ConstantLROptions> = "ConstantLR";
template <>
constexpr const char* kName<LinearLROptions> = "LinearLR";
template <>
constexpr const char* kName<ExponentialLROptions> = "ExponentialLR";
template <>
constexpr const char* kName<CosineAnnealingLROptions> = "CosineAnnealingLR";
template <>
constexpr const char* kName<CosineAnnealingWarmRestartsOptions> = "CosineAnnealingWarmRestarts";
template <>
constexpr const char* kName<LambdaLROptions> = "LambdaLR";
template <>
constexpr const char* kName<SequentialLROptions> = "SequentialLR";

// Reads a state, and collects everything that is wrong with it for one error.
class StateReader {
 public:
  StateReader(const char* schedule, const StateDict& state) : schedule_(schedule), state_(state) {}

  std::int64_t count(const std::string& key) {
    const Tensor* const found = find(key);
    if (found == nullptr) return 0;
    if (found->dtype() == int64 && found->numel() == 1 && found->item<std::int64_t>() >= 0) {
      return found->item<std::int64_t>();
    }
    complain(key + " is not a count");
    return 0;
  }
  std::vector<double> numbers(const std::string& key, std::size_t size) {
    const Tensor* const found = find(key);
    if (found == nullptr) return {};
    if (is_floating_point(found->dtype()) && found->numel() == static_cast<std::int64_t>(size)) {
      return to_vector<double>(*found);
    }
    complain(key + " is " + name(found->dtype()) + " " + to_string(found->sizes()) + ", needed " +
             std::to_string(size) + (size == 1 ? " number" : " numbers"));
    return {};
  }
  // FormatError if anything was wrong, or if entries are left.
  void finish() {
    for (const auto& [key, value] : state_) {
      if (!used_.contains(key)) complain("unexpected " + key);
    }
    if (problems_.empty()) return;
    throw FormatError(schedule_ + ": the state does not fit this schedule: " + problems_);
  }

 private:
  const Tensor* find(const std::string& key) {
    used_.insert(key);
    const Tensor* const found = state_.find(key);
    if (found == nullptr) complain("missing " + key);
    return found;
  }
  void complain(const std::string& problem) {
    problems_ += (problems_.empty() ? "" : ", ") + problem;
  }

  std::string schedule_;
  const StateDict& state_;
  std::unordered_set<std::string> used_;
  std::string problems_;
};

}  // namespace

SequentialLROptions::Scheduler::Scheduler(StepLROptions options)
    : formula_(formula_with(std::move(options))) {}
SequentialLROptions::Scheduler::Scheduler(MultiStepLROptions options)
    : formula_(formula_with(std::move(options))) {}
SequentialLROptions::Scheduler::Scheduler(ConstantLROptions options)
    : formula_(formula_with(std::move(options))) {}
SequentialLROptions::Scheduler::Scheduler(LinearLROptions options)
    : formula_(formula_with(std::move(options))) {}
SequentialLROptions::Scheduler::Scheduler(ExponentialLROptions options)
    : formula_(formula_with(std::move(options))) {}
SequentialLROptions::Scheduler::Scheduler(CosineAnnealingLROptions options)
    : formula_(formula_with(std::move(options))) {}
SequentialLROptions::Scheduler::Scheduler(CosineAnnealingWarmRestartsOptions options)
    : formula_(formula_with(std::move(options))) {}
SequentialLROptions::Scheduler::Scheduler(LambdaLROptions options)
    : formula_(formula_with(std::move(options))) {}

// Common part -------------------------------------------------------------------------------------

std::vector<double> Schedule::rates(std::int64_t t) const {
  check_groups(name_, *optimizer_, base_.size());
  std::vector<double> rates;
  for (std::size_t group = 0; group < base_.size(); ++group) {
    const double lr = t == 0 ? base_[group] : optimizer_->lr(group);
    const double next = rate(t, lr, base_[group], group);
    rates.push_back(without_rounding(next, std::max(lr, base_[group])));
    check(rates.back() >= 0, name_, "learning rate", rates.back(), "a number >= 0");
  }
  return rates;
}

void Schedule::begin(std::vector<double> base) {
  base_ = std::move(base);
  steps_ = -1;
  step();
}

void Schedule::step() {
  last_ = rates(steps_ + 1);
  ++steps_;
  for (std::size_t group = 0; group < last_.size(); ++group) {
    optimizer_->set_lr(last_[group], group);
  }
  set_others(steps_);
}

StateDict Schedule::state_dict() const {
  return {{"last_epoch", tensor(steps_)}, {"base_lrs", tensor(base_)}, {"_last_lr", tensor(last_)}};
}

void Schedule::load_state_dict(const StateDict& state) {
  check_groups(name_, *optimizer_, base_.size());
  StateReader reader(name_, state);
  const std::int64_t steps = reader.count("last_epoch");
  std::vector<double> base = reader.numbers("base_lrs", base_.size());
  std::vector<double> last = reader.numbers("_last_lr", base_.size());
  reader.finish();
  steps_ = steps;
  base_ = std::move(base);
  last_ = std::move(last);
  set_others(steps_);
}

template <class Options>
ScheduleWith<Options>::ScheduleWith(Optimizer& optimizer, Options options)
    : Schedule(kName<Options>, optimizer), options_(std::move(options)) {
  check_options(options_, optimizer.group_count());
  begin(rates_of(optimizer));
}

template <class Options>
double ScheduleWith<Options>::rate(std::int64_t t, double lr, double base,
                                   std::size_t group) const {
  return next(options_, t, lr, base, group);
}

template class ScheduleWith<StepLROptions>;
template class ScheduleWith<MultiStepLROptions>;
template class ScheduleWith<ConstantLROptions>;
template class ScheduleWith<LinearLROptions>;
template class ScheduleWith<ExponentialLROptions>;
template class ScheduleWith<CosineAnnealingLROptions>;
template class ScheduleWith<CosineAnnealingWarmRestartsOptions>;
template class ScheduleWith<LambdaLROptions>;
template class ScheduleWith<SequentialLROptions>;

// 1cycle ------------------------------------------------------------------------------------------

namespace {

void check_momentum(const Optimizer& optimizer, std::size_t group) {
  constexpr const char* kFix = "or set cycle_momentum to false";
  try {
    if (optimizer.momentum(group) > 0) return;
  } catch (const ValueError& error) {
    throw ValueError("OneCycleLR: " + std::string(error.what()) + ", needed one to cycle; use " +
                     "another optimizer, " + kFix);
  }
  throw ValueError("OneCycleLR: group " + std::to_string(group) +
                   " has momentum 0, needed one > 0 to cycle; give the optimizer one, " + kFix);
}

// The length of a cycle, given in steps or in epochs.
std::int64_t total_steps(const OneCycleLROptions& o) {
  if (o.total_steps != 0) return o.total_steps;
  if (o.epochs == 0 && o.steps_per_epoch == 0) {
    throw ValueError(
        "OneCycleLR: got no length, needed total_steps, or epochs and steps_per_epoch");
  }
  check_at_least(1, "OneCycleLR", "epochs", o.epochs);
  check_at_least(1, "OneCycleLR", "steps_per_epoch", o.steps_per_epoch);
  return o.epochs * o.steps_per_epoch;
}

void check_options(const OneCycleLROptions& o, const Optimizer& optimizer) {
  constexpr const char* kSchedule = "OneCycleLR";
  const std::size_t groups = optimizer.group_count();
  check_at_least(1, kSchedule, "total_steps", o.total_steps);
  check(o.pct_start >= 0 && o.pct_start <= 1, kSchedule, "pct_start", o.pct_start,
        "a number in [0, 1]");
  check(o.div_factor > 0, kSchedule, "div_factor", o.div_factor, "a number > 0");
  check(o.final_div_factor > 0, kSchedule, "final_div_factor", o.final_div_factor, "a number > 0");
  check_size(kSchedule, "max_lr", o.max_lr, groups);
  for (const double lr : o.max_lr) check(lr >= 0, kSchedule, "max_lr", lr, "a number >= 0");
  if (!o.cycle_momentum) return;
  for (const auto& [option, values] :
       {std::pair("base_momentum", &o.base_momentum), std::pair("max_momentum", &o.max_momentum)}) {
    check_size(kSchedule, option, *values, groups);
    for (const double momentum : *values) {
      check(momentum > 0 && momentum < 1, kSchedule, option, momentum, "a number in (0, 1)");
    }
  }
  for (std::size_t group = 0; group < groups; ++group) check_momentum(optimizer, group);
}

}  // namespace

OneCycleLR::OneCycleLR(Optimizer& optimizer, OneCycleLROptions options)
    : Schedule("OneCycleLR", optimizer), options_(std::move(options)) {
  options_.total_steps = total_steps(options_);
  check_options(options_, optimizer);
  std::vector<double> base;
  for (std::size_t group = 0; group < optimizer.group_count(); ++group) {
    base.push_back(options_.max_lr[group] / options_.div_factor);
  }
  begin(std::move(base));
}

// The value at step t, where a phase leads from each of the values to the next one.
double OneCycleLR::anneal(std::int64_t t, const std::array<double, 4>& values) const {
  const OneCycleLROptions& o = options_;
  const double total = static_cast<double>(o.total_steps), step = static_cast<double>(t);
  std::array<double, 3> ends = {o.pct_start * total - 1, total - 1, 0};
  if (o.three_phase) ends = {ends[0], 2 * o.pct_start * total - 2, total - 1};
  const std::size_t last = o.three_phase ? 2 : 1;
  std::size_t phase = 0;
  while (phase < last && step > ends[phase]) ++phase;
  const double begin = phase > 0 ? ends[phase - 1] : 0, length = ends[phase] - begin;
  const double part = length > 0 ? std::min((step - begin) / length, 1.0) : 1;
  const double from = values[phase], to = values[phase + 1];
  if (o.anneal_strategy == AnnealStrategy::linear) return (to - from) * part + from;
  return to + (from - to) / 2 * (std::cos(kPi * part) + 1);
}

double OneCycleLR::rate(std::int64_t t, double, double base, std::size_t group) const {
  if (t > options_.total_steps) {
    throw ValueError("OneCycleLR: step " + std::to_string(t) + " of " +
                     std::to_string(options_.total_steps) + "; create a new or a longer schedule");
  }
  const double max = options_.max_lr[group], min = base / options_.final_div_factor;
  if (options_.three_phase) return anneal(t, {base, max, base, min});
  return anneal(t, {base, max, min, 0});
}

void OneCycleLR::set_others(std::int64_t t) {
  if (!options_.cycle_momentum) return;
  for (std::size_t group = 0; group < optimizer().group_count(); ++group) {
    const double low = options_.base_momentum[group], high = options_.max_momentum[group];
    const auto [least, most] = std::minmax(low, high);  // rounding may lead out of the range
    optimizer().set_momentum(std::clamp(anneal(t, {high, low, high, high}), least, most), group);
  }
}

// Plateaus ----------------------------------------------------------------------------------------

ReduceLROnPlateau::ReduceLROnPlateau(Optimizer& optimizer, ReduceLROnPlateauOptions options)
    : optimizer_(&optimizer), options_(std::move(options)), last_(rates_of(optimizer)) {
  constexpr const char* kSchedule = "ReduceLROnPlateau";
  const ReduceLROnPlateauOptions& o = options_;
  check(o.factor >= 0 && o.factor < 1, kSchedule, "factor", o.factor, "a number in [0, 1)");
  check_at_least(0, kSchedule, "patience", o.patience);
  check(o.threshold >= 0, kSchedule, "threshold", o.threshold, "a number >= 0");
  check_at_least(0, kSchedule, "cooldown", o.cooldown);
  check_size(kSchedule, "min_lr", o.min_lr, last_.size());
  for (const double lr : o.min_lr) check(lr >= 0, kSchedule, "min_lr", lr, "a number >= 0");
  check(o.eps >= 0, kSchedule, "eps", o.eps, "a number >= 0");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  best_ = o.mode == PlateauMode::min ? kInfinity : -kInfinity;
}

bool ReduceLROnPlateau::is_better(double metric) const {
  const double threshold = options_.threshold;
  const bool relative = options_.threshold_mode == ThresholdMode::rel;
  if (options_.mode == PlateauMode::min) {
    return metric < (relative ? best_ * (1 - threshold) : best_ - threshold);
  }
  return metric > (relative ? best_ * (1 + threshold) : best_ + threshold);
}

void ReduceLROnPlateau::step(double metric) {
  check_groups("ReduceLROnPlateau", *optimizer_, last_.size());
  ++steps_;
  if (is_better(metric)) {
    best_ = metric;
    bad_steps_ = 0;
  } else {
    ++bad_steps_;
  }
  if (cooldown_left_ > 0) {
    --cooldown_left_;
    bad_steps_ = 0;
  }
  if (bad_steps_ > options_.patience) {
    for (std::size_t group = 0; group < last_.size(); ++group) {
      const double lr = optimizer_->lr(group);
      const double less = std::max(lr * options_.factor, options_.min_lr[group]);
      if (lr - less > options_.eps) optimizer_->set_lr(less, group);
    }
    cooldown_left_ = options_.cooldown;
    bad_steps_ = 0;
  }
  last_ = rates_of(*optimizer_);
}

StateDict ReduceLROnPlateau::state_dict() const {
  return {{"last_epoch", tensor(steps_)},
          {"best", tensor(best_, float64)},
          {"num_bad_epochs", tensor(bad_steps_)},
          {"cooldown_counter", tensor(cooldown_left_)},
          {"_last_lr", tensor(last_)}};
}

void ReduceLROnPlateau::load_state_dict(const StateDict& state) {
  StateReader reader("ReduceLROnPlateau", state);
  const std::int64_t steps = reader.count("last_epoch");
  const std::vector<double> best = reader.numbers("best", 1);
  const std::int64_t bad_steps = reader.count("num_bad_epochs");
  const std::int64_t cooldown_left = reader.count("cooldown_counter");
  std::vector<double> last = reader.numbers("_last_lr", last_.size());
  reader.finish();
  steps_ = steps;
  best_ = best[0];
  bad_steps_ = bad_steps;
  cooldown_left_ = cooldown_left;
  last_ = std::move(last);
}

}  // namespace tapegrad::optim
