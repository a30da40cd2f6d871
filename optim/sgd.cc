// SGD: the step in Tensor operations; the same step through a fused kernel; and many steps without
// a gradient at once. Read next: optim/adagrad.h.
#include <tapegrad/optim/sgd.h>

#include <algorithm>
#include <array>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

// The plain step.
void SGD::update(Update& x, std::size_t group) {
  const SGDOptions& o = options(group);
  Tensor g = o.maximize ? -x.g : x.g;
  if (o.weight_decay != 0) g = g + o.weight_decay * x.p;
  if (o.momentum != 0) {
    Tensor& b = x.moments[0];
    b = x.step == 1 ? g : o.momentum * b + (1 - o.dampening) * g;
    g = o.nesterov ? g + o.momentum * b : b;
  }
  x.p = x.p - x.lr * g;
}

std::vector<Moment> SGD::moments(std::size_t group) const {
  if (options(group).momentum == 0) return {};
  return {{"momentum_buffer"}};
}

bool SGD::moves_rows_without_gradient(std::size_t group) const {
  return options(group).momentum != 0 || options(group).weight_decay != 0;
}

SGD::SGD(std::vector<NamedParameter> parameters, SGDOptions options) : OptimizerWith("SGD") {
  add_group(std::move(parameters), options);
}

std::vector<Attribute> SGD::named_options(std::size_t group) const {
  const SGDOptions& o = options(group);
  return {{"momentum", o.momentum},
          {"dampening", o.dampening},
          {"weight_decay", o.weight_decay},
          {"nesterov", o.nesterov},
          {"maximize", o.maximize}};
}

void SGD::check_options(const SGDOptions& o) const {
  check(o.momentum >= 0, "momentum", o.momentum, "a number >= 0");
  check(o.weight_decay >= 0, "weight_decay", o.weight_decay, "a number >= 0");
  if (o.nesterov && (o.momentum <= 0 || o.dampening != 0)) {
    throw ValueError("SGD: nesterov needs a momentum > 0 and no dampening");
  }
}

// The fused step ----------------------------------------------------------------------------------
namespace {

struct SgdRule {
  class ClosedForm;
  double step;
  DType dtype;
  kernel::SgdArguments a;

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().sgd(x.p, x.moments[0], g, n, a);
  }

  // Without momentum and decay, a step is a multiple of g, which one kernel adds to all rows. That
  // saves a third of the step on rows of 64 elements. The bits are those of apply().
  template <class T>
  bool apply_to_rows(const ParameterSlice<T>& x, std::span<const std::int64_t> ids, const T* g,
                     std::int64_t width) const {
    if (a.momentum != 0 || a.weight_decay != 0) return false;
    constexpr std::size_t kIds = 256;  // at once; a step must not allocate
    std::array<T, kIds> scale;
    std::fill_n(scale.begin(), std::min(kIds, ids.size()), static_cast<T>(-a.lr * a.sign));
    for (std::size_t i = 0; i < ids.size(); i += kIds) {
      kernel::kernels<T>().scatter_add_rows(
          x.p, ids.data() + i, g + i * static_cast<std::size_t>(width), nullptr, scale.data(),
          std::min(kIds, ids.size() - i), static_cast<std::size_t>(width), -1);
    }
    return true;
  }

  ElementUpdate explain(double p, const double* moments, double gradient) const {
    const double g = a.sign * gradient;
    const double rest = a.first ? 1 : 1 - a.dampening;
    const double b = a.momentum != 0 ? moments[0] : 0;
    // p before the step: the formula, solved for it.
    const double moved = a.momentum == 0 ? g : a.nesterov ? g + a.momentum * b : b;
    const bool decays_now = a.momentum == 0 || a.nesterov;
    const double before =
        decays_now ? (p + a.lr * moved) / (1 - a.lr * a.weight_decay) : p + a.lr * moved;
    const double decay = a.weight_decay * before;
    const double share = a.momentum == 0 ? 1 : a.nesterov ? 1 + a.momentum * rest : rest;
    const double earlier = a.momentum == 0 ? 0 : b - rest * (g + decay);
    return {-a.lr * share * g, -a.lr * (a.nesterov ? a.momentum : 1) * earlier,
            -a.lr * share * decay};
  }
};

// If the gradient is zero, each step maps p and its momentum b linearly.
class SgdRule::ClosedForm {
 public:
  ClosedForm(double, const SgdRule&) {}
  void restart(double, const SgdRule&) noexcept { steps_.clear(); }
  void reserve_one() { steps_.reserve_one(); }
  void append(const SgdRule& rule) { steps_.append(map_of(rule)); }

  template <class T>
  bool apply(std::size_t from, std::span<const SgdRule> rules, const ParameterSlice<T>& x,
             std::size_t n) const {
    if (rules.size() - from <= kReplayedSteps) return false;
    if (x.moments[0] == nullptr) {
      const T factor = static_cast<T>(steps_.since(from).pp);
      for (std::size_t i = 0; i < n; ++i) x.p[i] *= factor;
    } else {
      kernel::kernels<T>().map_pairs(x.p, x.moments[0], n, steps_.since(from));
    }
    return true;
  }

 private:
  // b' = momentum b + (1 - dampening) decay p, and p' = p - lr b' or its Nesterov form. The factors
  // have the parameter's precision, as in the kernel.
  static kernel::PairMap map_of(const SgdRule& rule) {
    const kernel::SgdArguments& a = rule.a;
    const auto rounded = [&](double x) {
      return rule.dtype == float32 ? static_cast<double>(static_cast<float>(x)) : x;
    };
    const double lr = rounded(a.lr), decay = rounded(a.weight_decay);
    const double momentum = rounded(a.momentum);
    if (momentum == 0) return {1 - lr * decay, 0, 0, 1};
    const double bb = momentum;  // correct also in the first step, where b is 0
    const double bp = (a.first ? 1 : rounded(1 - a.dampening)) * decay;
    if (!a.nesterov) return {1 - lr * bp, -lr * bb, bp, bb};
    return {1 - lr * (decay + momentum * bp), -lr * momentum * bb, bp, bb};
  }

  LinearSteps steps_;
};

}  // namespace

bool SGD::fused_update(State& state, std::size_t group) {
  const SGDOptions& o = options(group);
  fused_step(state, SgdRule{.step = static_cast<double>(state.step),
                            .dtype = state.leaf.stored().dtype(),
                            .a = {.lr = o.lr * state.leaf.row_policy().rate_multiplier(),
                                  .momentum = o.momentum,
                                  .dampening = o.dampening,
                                  .weight_decay = o.weight_decay,
                                  .sign = o.maximize ? -1.0 : 1.0,
                                  .nesterov = o.nesterov,
                                  .first = state.step == 1}});
  return true;
}

}  // namespace tapegrad::optim
