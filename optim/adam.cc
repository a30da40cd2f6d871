// Adam and AdamW: the step in Tensor operations, as in the papers; the same step through a fused
// kernel; and many steps without a gradient at once. Read next: optim/sgd.h.
#include <tapegrad/optim/adam.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {
namespace {

template <class Options>
constexpr bool kDecoupledDecay = std::is_same_v<Options, AdamWOptions>;

}  // namespace

// The plain step.
template <class Options>
void AdamWith<Options>::update(Update& x, std::size_t group) {
  const Options& o = this->options(group);
  const auto [beta1, beta2] = o.betas;
  const double t = static_cast<double>(x.step);
  Tensor g = o.maximize ? -x.g : x.g;
  if (kDecoupledDecay<Options>) {
    x.p = x.p * (1 - x.lr * o.weight_decay);
  } else if (o.weight_decay != 0) {
    g = g + o.weight_decay * x.p;
  }
  Tensor& m = x.moments[0];
  Tensor& v = x.moments[1];
  m = beta1 * m + (1 - beta1) * g;
  v = beta2 * v + (1 - beta2) * square(g);
  if (o.amsgrad) x.moments[2] = maximum(x.moments[2], v);
  const Tensor root = sqrt(o.amsgrad ? x.moments[2] : v);
  const double bias1 = 1 - std::pow(beta1, t), root_bias2 = std::sqrt(1 - std::pow(beta2, t));
  if (x.sparse) {  // like torch.optim.SparseAdam, which adds eps before it corrects the bias of v
    x.p = x.p - x.lr * root_bias2 / bias1 * m / (root + o.eps);
  } else {
    x.p = x.p - x.lr / bias1 * m / (root / root_bias2 + o.eps);
  }
}

template <class Options>
std::vector<Moment> AdamWith<Options>::moments(std::size_t group) const {
  if (this->options(group).amsgrad) return {{"exp_avg"}, {"exp_avg_sq"}, {"max_exp_avg_sq"}};
  return {{"exp_avg"}, {"exp_avg_sq"}};
}

template <class Options>
AdamWith<Options>::AdamWith(std::vector<NamedParameter> parameters, Options options)
    : OptimizerWith<Options>(kDecoupledDecay<Options> ? "AdamW" : "Adam") {
  this->add_group(std::move(parameters), options);
}

template <class Options>
std::vector<Attribute> AdamWith<Options>::named_options(std::size_t group) const {
  const Options& o = this->options(group);
  return {{"betas", o.betas},
          {"eps", o.eps},
          {"weight_decay", o.weight_decay},
          {"amsgrad", o.amsgrad},
          {"maximize", o.maximize}};
}

template <class Options>
void AdamWith<Options>::check_options(const Options& o) const {
  const auto fraction = [](double beta) { return beta >= 0 && beta < 1; };
  this->check(o.eps >= 0, "eps", o.eps, "a number >= 0");
  this->check(fraction(o.betas.first), "beta 0", o.betas.first, "a number in [0, 1)");
  this->check(fraction(o.betas.second), "beta 1", o.betas.second, "a number in [0, 1)");
  this->check(o.weight_decay >= 0, "weight_decay", o.weight_decay, "a number >= 0");
}

// The fused step ----------------------------------------------------------------------------------
namespace {

struct AdamRule {
  class ClosedForm;
  double step;
  bool amsgrad;
  DType dtype;
  kernel::AdamArguments a;

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().adam(x.p, x.moments[0], x.moments[1], x.moments[2], g, n, a);
  }

  ElementUpdate explain(double p, const double* moments, double gradient) const {
    const double m = moments[0];
    const double v = amsgrad ? moments[2] : moments[1];
    const double scale = a.step_size / (std::sqrt(v) / a.sqrt_bias2 + a.eps);
    const double before = (p + scale * m) / a.shrink;
    const double g = a.sign * gradient;
    const double penalty = a.l2 * before;
    return {-scale * (1 - a.beta1) * g, -scale * (m - (1 - a.beta1) * (g + penalty)),
            (a.shrink - 1) * before - scale * (1 - a.beta1) * penalty};
  }
};

// Many steps without a gradient at once. AdamSteps computes the part that is the same for all
// elements.
class AdamRule::ClosedForm {
 public:
  ClosedForm(double step, const AdamRule& like) : steps_(step, step_of(like)) {}
  void restart(double first, const AdamRule& like) noexcept {
    steps_.restart(first, step_of(like));
  }
  void reserve_one() { steps_.reserve_one(); }
  void append(const AdamRule& rule) { steps_.append(step_of(rule)); }

  template <class T>
  bool apply(std::size_t from, std::span<const AdamRule> rules, const ParameterSlice<T>& x,
             std::size_t n) const {
    const std::size_t pending = rules.size() - from;
    // With an L2 penalty m and v depend on p, so there is no closed form.
    if (pending <= kReplayedSteps || rules.back().a.l2 != 0) return false;
    constexpr double kTolerance = std::is_same_v<T, float> ? 1e-8 : 1e-11;
    const double smallest = steps_.converges(from, kTolerance) ? 0 : smallest_root(x, n);
    kernel::AdamJumpArguments all;
    if (!steps_.since(from, smallest, kTolerance, all)) {
      // Replay steps until the mean has faded; the rest of the steps change only v and the decay of
      // p.
      const std::size_t horizon = steps_.horizon();
      if (horizon == 0 || pending <= horizon) return false;
      for (const AdamRule& rule : rules.subspan(from, horizon)) {
        rule.apply(x, static_cast<T*>(nullptr), n);
      }
      all = steps_.rest(from + horizon);
    }
    kernel::kernels<T>().adam_jump(x.p, x.moments[0], x.moments[1], x.moments[2], n, all);
    return true;
  }

 private:
  // The factors in the parameter's precision, as in the kernel: 0.999f is not 0.999, and after
  // 1,000 steps the difference is visible.
  static AdamSteps::Step step_of(const AdamRule& rule) {
    const auto rounded = [&](double x) {
      return rule.dtype == float32 ? static_cast<double>(static_cast<float>(x)) : x;
    };
    return {.step = rule.step,
            .beta1 = rounded(rule.a.beta1),
            .beta2 = rounded(rule.a.beta2),
            .eps = rounded(rule.a.eps),
            .shrink = rounded(rule.a.shrink),
            .step_size = rounded(rule.a.step_size),
            .sqrt_bias2 = 1 / rounded(1 / rule.a.sqrt_bias2),
            .amsgrad = rule.amsgrad};
  }

  // The smallest sqrt(v) of the elements that move.
  template <class T>
  static double smallest_root(const ParameterSlice<T>& x, std::size_t n) {
    const T* const v = x.moments[2] != nullptr ? x.moments[2] : x.moments[1];
    const T* const m = x.moments[0];
    constexpr T kNone = std::numeric_limits<T>::infinity();
    constexpr std::size_t kLanes = 8;  // so that the compiler can vectorize the loop
    std::array<T, kLanes> smallest;
    smallest.fill(kNone);
    const auto look = [&](std::size_t i, std::size_t lane) {
      const T moving = m[i] != 0 ? v[i] : kNone;
      smallest[lane] = moving < smallest[lane] ? moving : smallest[lane];
    };
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) look(i + lane, lane);
    }
    for (; i < n; ++i) look(i, 0);
    return std::sqrt(static_cast<double>(*std::ranges::min_element(smallest)));
  }

  AdamSteps steps_;
};

}  // namespace

template <class Options>
bool AdamWith<Options>::fused_update(State& state, std::size_t group) {
  const Options& o = this->options(group);
  const RowPolicy& policy = state.leaf.row_policy();
  const double t = static_cast<double>(state.step);
  const double lr = o.lr * policy.rate_multiplier();
  const bool decoupled = kDecoupledDecay<Options>;
  AdamRule rule{.step = t,
                .amsgrad = o.amsgrad,
                .dtype = state.leaf.stored().dtype(),
                .a = {.beta1 = o.betas.first,
                      .beta2 = o.betas.second,
                      .eps = o.eps,
                      .l2 = decoupled ? 0 : o.weight_decay,
                      .shrink = decoupled ? 1 - lr * o.weight_decay : 1,
                      .step_size = lr / (1 - std::pow(o.betas.first, t)),
                      .sqrt_bias2 = std::sqrt(1 - std::pow(o.betas.second, t)),
                      .sign = o.maximize ? -1.0 : 1.0}};
  if (policy.sparse() && state.leaf.grad.is_row_sparse()) {  // eps as in update()
    rule.a.step_size *= rule.a.sqrt_bias2;
    rule.a.sqrt_bias2 = 1;
  }
  fused_step(state, rule);
  return true;
}

template class AdamWith<AdamOptions>;
template class AdamWith<AdamWOptions>;

}  // namespace tapegrad::optim
