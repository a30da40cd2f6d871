// Adadelta: the step in Tensor operations; the same step through a fused kernel; and many steps
// without a gradient at once. Read next: optim/nadam.h.
#include <tapegrad/optim/adadelta.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

// The plain step.
void Adadelta::update(Update& x, std::size_t group) {
  const AdadeltaOptions& o = options(group);
  Tensor g = o.maximize ? -x.g : x.g;
  if (o.weight_decay != 0) g = g + o.weight_decay * x.p;
  Tensor& v = x.moments[0];
  Tensor& u = x.moments[1];
  v = o.rho * v + (1 - o.rho) * square(g);
  const Tensor d = sqrt(u + o.eps) / sqrt(v + o.eps) * g;
  u = o.rho * u + (1 - o.rho) * square(d);
  x.p = x.p - x.lr * d;
}

std::vector<Moment> Adadelta::moments(std::size_t) const { return {{"square_avg"}, {"acc_delta"}}; }

Adadelta::Adadelta(std::vector<NamedParameter> parameters, AdadeltaOptions options)
    : OptimizerWith("Adadelta") {
  add_group(std::move(parameters), options);
}

std::vector<Attribute> Adadelta::named_options(std::size_t group) const {
  const AdadeltaOptions& o = options(group);
  return {
      {"rho", o.rho}, {"eps", o.eps}, {"weight_decay", o.weight_decay}, {"maximize", o.maximize}};
}

void Adadelta::check_options(const AdadeltaOptions& o) const {
  check(o.rho >= 0 && o.rho <= 1, "rho", o.rho, "a number in [0, 1]");
  check(o.eps >= 0, "eps", o.eps, "a number >= 0");
  check(o.weight_decay >= 0, "weight_decay", o.weight_decay, "a number >= 0");
}

// The fused step ----------------------------------------------------------------------------------
namespace {

struct AdadeltaRule {
  class ClosedForm;
  double step;
  DType dtype;
  kernel::AdadeltaArguments a;

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().adadelta(x.p, x.moments[0], x.moments[1], g, n, a);
  }

  // The step was lr * ratio * (g + weight_decay * p), with p and u from before the step, and ratio
  // = sqrt(u + eps) / sqrt(v + eps). Afterwards u is rho * u + (1 - rho) * (ratio * (g +
  // weight_decay * p))^2. Weight decay needs p from before the step, which iteration finds.
  ElementUpdate explain(double p, const double* moments, double gradient) const {
    const double g = a.sign * gradient;
    const double v = moments[0] + a.eps, u = moments[1];
    double before = p, ratio = 0;
    for (int i = 0; i < 100; ++i) {
      const double whole = g + a.weight_decay * before;
      const double share = (1 - a.rho) * whole * whole / v;
      const double u_before = std::max((u - share * a.eps) / (a.rho + share), 0.0);
      ratio = std::sqrt((u_before + a.eps) / v);
      const double next = p + a.lr * ratio * whole;
      if (next == before) break;
      before = next;
    }
    return {-a.lr * ratio * g, 0, -a.lr * ratio * a.weight_decay * before};
  }
};

// Without weight decay, each step multiplies the means by rho.
class AdadeltaRule::ClosedForm {
 public:
  ClosedForm(double, const AdadeltaRule&) {}
  void restart(double, const AdadeltaRule&) noexcept {}
  void reserve_one() {}
  void append(const AdadeltaRule&) {}

  template <class T>
  bool apply(std::size_t from, std::span<const AdadeltaRule> rules, const ParameterSlice<T>& x,
             std::size_t n) const {
    const AdadeltaRule& rule = rules.back();
    const std::size_t pending = rules.size() - from;
    if (pending <= kReplayedSteps || rule.a.weight_decay != 0) return false;
    const double rho = rule.dtype == float32 ? static_cast<double>(static_cast<float>(rule.a.rho))
                                             : rule.a.rho;  // as in the kernel
    const T factor = static_cast<T>(std::pow(rho, static_cast<double>(pending)));
    for (std::size_t i = 0; i < n; ++i) x.moments[0][i] *= factor;
    for (std::size_t i = 0; i < n; ++i) x.moments[1][i] *= factor;
    return true;
  }
};

}  // namespace

bool Adadelta::fused_update(State& state, std::size_t group) {
  const AdadeltaOptions& o = options(group);
  fused_step(state, AdadeltaRule{.step = static_cast<double>(state.step),
                                 .dtype = state.leaf.stored().dtype(),
                                 .a = {.lr = o.lr * state.leaf.row_policy().rate_multiplier(),
                                       .rho = o.rho,
                                       .eps = o.eps,
                                       .weight_decay = o.weight_decay,
                                       .sign = o.maximize ? -1.0 : 1.0}});
  return true;
}

}  // namespace tapegrad::optim
