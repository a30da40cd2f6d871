// RMSprop: the step in Tensor operations; the same step through a fused kernel; and many steps
// without a gradient at once. Read next: optim/adadelta.h.
#include <tapegrad/optim/rmsprop.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

// The plain step.
void RMSprop::update(Update& x, std::size_t group) {
  const RMSpropOptions& o = options(group);
  Tensor g = o.maximize ? -x.g : x.g;
  if (o.weight_decay != 0) g = g + o.weight_decay * x.p;
  Tensor& v = x.moments[0];
  v = o.alpha * v + (1 - o.alpha) * square(g);
  Tensor variance = v;
  if (o.centered) {
    Tensor& m = x.moments[1];
    m = o.alpha * m + (1 - o.alpha) * g;
    variance = clamp(v - square(m), 0.0);
  }
  Tensor d = g / (sqrt(variance) + o.eps);
  if (o.momentum > 0) {
    Tensor& b = x.moments.back();
    b = o.momentum * b + d;
    d = b;
  }
  x.p = x.p - x.lr * d;
}

std::vector<Moment> RMSprop::moments(std::size_t group) const {
  const RMSpropOptions& o = options(group);
  std::vector<Moment> moments = {{"square_avg"}};
  if (o.centered) moments.push_back({"grad_avg"});
  if (o.momentum > 0) moments.push_back({"momentum_buffer"});
  return moments;
}

RMSprop::RMSprop(std::vector<NamedParameter> parameters, RMSpropOptions options)
    : OptimizerWith("RMSprop") {
  add_group(std::move(parameters), options);
}

std::vector<Attribute> RMSprop::named_options(std::size_t group) const {
  const RMSpropOptions& o = options(group);
  return {{"alpha", o.alpha},       {"eps", o.eps},           {"weight_decay", o.weight_decay},
          {"momentum", o.momentum}, {"centered", o.centered}, {"maximize", o.maximize}};
}

void RMSprop::check_options(const RMSpropOptions& o) const {
  check(o.alpha >= 0, "alpha", o.alpha, "a number >= 0");
  check(o.eps >= 0, "eps", o.eps, "a number >= 0");
  check(o.weight_decay >= 0, "weight_decay", o.weight_decay, "a number >= 0");
  check(o.momentum >= 0, "momentum", o.momentum, "a number >= 0");
}

// The fused step ----------------------------------------------------------------------------------
namespace {

struct RmspropRule {
  class ClosedForm;
  double step;
  bool centered;
  DType dtype;
  kernel::RmspropArguments a;

  template <class T>
  T* mean(const ParameterSlice<T>& x) const {
    return centered ? x.moments[1] : nullptr;
  }
  template <class T>
  T* buffer(const ParameterSlice<T>& x) const {
    return x.moments[centered ? 2 : 1];
  }

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().rmsprop(x.p, x.moments[0], buffer(x), mean(x), g, n, a);
  }

  ElementUpdate explain(double p, const double* moments, double gradient) const {
    const double m = centered ? moments[1] : 0;
    const double scale = std::sqrt(std::max(moments[0] - m * m, 0.0)) + a.eps;
    const double g = a.sign * gradient;
    if (a.momentum == 0) {
      const double before = (p + a.lr * g / scale) / (1 - a.lr * a.weight_decay / scale);
      return {-a.lr * g / scale, 0, -a.lr * a.weight_decay * before / scale};
    }
    const double b = moments[centered ? 2 : 1];
    const double decay = a.weight_decay * (p + a.lr * b);
    return {-a.lr * g / scale, -a.lr * (b - (g + decay) / scale), -a.lr * decay / scale};
  }
};

// Without weight decay, each step multiplies the means by alpha and maps p and its momentum
// linearly.
class RmspropRule::ClosedForm {
 public:
  ClosedForm(double, const RmspropRule&) {}
  void restart(double, const RmspropRule&) noexcept { steps_.clear(); }
  void reserve_one() { steps_.reserve_one(); }
  void append(const RmspropRule& rule) {
    const double momentum = rounded(rule, rule.a.momentum);
    if (momentum > 0) steps_.append({1, -rounded(rule, rule.a.lr) * momentum, 0, momentum});
  }

  template <class T>
  bool apply(std::size_t from, std::span<const RmspropRule> rules, const ParameterSlice<T>& x,
             std::size_t n) const {
    const RmspropRule& rule = rules.back();
    const std::size_t pending = rules.size() - from;
    if (pending <= kReplayedSteps || rule.a.weight_decay != 0) return false;
    const double alpha = rounded(rule, rule.a.alpha);
    const T factor = static_cast<T>(std::pow(alpha, static_cast<double>(pending)));
    for (std::size_t i = 0; i < n; ++i) x.moments[0][i] *= factor;
    if (T* const mean = rule.mean(x)) {
      for (std::size_t i = 0; i < n; ++i) mean[i] *= factor;
    }
    if (T* const buffer = rule.buffer(x)) {
      kernel::kernels<T>().map_pairs(x.p, buffer, n, steps_.since(from));
    }
    return true;
  }

 private:
  // Rounded as in the kernel.
  static double rounded(const RmspropRule& rule, double x) {
    return rule.dtype == float32 ? static_cast<double>(static_cast<float>(x)) : x;
  }

  LinearSteps steps_;
};

}  // namespace

bool RMSprop::fused_update(State& state, std::size_t group) {
  const RMSpropOptions& o = options(group);
  fused_step(state, RmspropRule{.step = static_cast<double>(state.step),
                                .centered = o.centered,
                                .dtype = state.leaf.stored().dtype(),
                                .a = {.lr = o.lr * state.leaf.row_policy().rate_multiplier(),
                                      .alpha = o.alpha,
                                      .eps = o.eps,
                                      .weight_decay = o.weight_decay,
                                      .momentum = o.momentum,
                                      .sign = o.maximize ? -1.0 : 1.0}});
  return true;
}

}  // namespace tapegrad::optim
