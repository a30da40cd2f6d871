// Adadelta's options, and its step through the fused kernel. Read next: optim/sparse_adam.cc.
#include <tapegrad/optim/adadelta.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::optim {

Adadelta::Adadelta(std::vector<NamedParameter> parameters, AdadeltaOptions options)
    : Optimizer("Adadelta") {
  add_group(std::move(parameters), options);
}

void Adadelta::add_group(std::vector<NamedParameter> parameters, AdadeltaOptions options) {
  check_rate(options.lr);
  check(options.rho >= 0 && options.rho <= 1, "rho", options.rho, "a number in [0, 1]");
  check(options.eps >= 0, "eps", options.eps, "a number >= 0");
  check(options.weight_decay >= 0, "weight_decay", options.weight_decay, "a number >= 0");
  options_.reserve(options_.size() + 1);
  add_parameters(std::move(parameters));
  options_.push_back(options);
}

const AdadeltaOptions& Adadelta::options(std::size_t group) const {
  check_group(group);
  return options_[group];
}

std::span<const char* const> Adadelta::moments(std::size_t) const {
  static constexpr std::array<const char*, 2> kNames = {"square_avg", "acc_delta"};
  return kNames;
}

namespace {

struct AdadeltaRule {
  static constexpr bool kSparseRowsRest = false;  // torch.optim.Adadelta has no such way
  double step;
  DType dtype;
  kernel::AdadeltaArguments a;

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().adadelta(x.p, x.moments[0], x.moments[1], g, n, a);
  }

  bool acts_without_gradient() const { return true; }  // the means fade

  // Without decay, the means fade evenly.
  class Jump {
   public:
    Jump(double, const AdadeltaRule&) {}
    void append(const AdadeltaRule&) {}
    template <class T>
    bool apply(std::size_t from, std::span<const AdadeltaRule> rules, const ParameterSlice<T>& x,
               std::size_t n) const {
      const AdadeltaRule& rule = rules.back();
      const std::size_t owed = rules.size() - from;
      if (owed <= kReplayed || rule.a.weight_decay != 0) return false;
      const double rho = rule.dtype == float32 ? static_cast<double>(static_cast<float>(rule.a.rho))
                                               : rule.a.rho;  // as the kernel has it
      const T factor = static_cast<T>(std::pow(rho, static_cast<double>(owed)));
      for (std::size_t i = 0; i < n; ++i) x.moments[0][i] *= factor;
      for (std::size_t i = 0; i < n; ++i) x.moments[1][i] *= factor;
      return true;
    }
  };

  // The step was lr * ratio * (g + weight_decay * before), with ratio = sqrt(u + eps) / sqrt(v +
  // eps) of the u before it: u = rho * before + (1 - rho) * (ratio * (g + ...))^2. Decay, which
  // needs p before the step, is found by repetition.
  MovedBy explain(double p, const double* moments, double gradient) const {
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

}  // namespace

void Adadelta::update(Leaf& leaf, State& state, std::size_t group) {
  const AdadeltaOptions& o = options_[group];
  take_step(state, AdadeltaRule{.step = static_cast<double>(state.steps),
                                .dtype = leaf.stored().dtype(),
                                .a = {.lr = o.lr * leaf.row_policy().rate_multiplier(),
                                      .rho = o.rho,
                                      .eps = o.eps,
                                      .weight_decay = o.weight_decay,
                                      .sign = o.maximize ? -1.0 : 1.0}});
}

}  // namespace tapegrad::optim
