// RMSprop's options, and its step through the fused kernel. Read next: optim/adadelta.cc.
#include <tapegrad/optim/rmsprop.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::optim {

RMSprop::RMSprop(std::vector<NamedParameter> parameters, RMSpropOptions options)
    : Optimizer("RMSprop") {
  add_group(std::move(parameters), options);
}

void RMSprop::add_group(std::vector<NamedParameter> parameters, RMSpropOptions options) {
  check_rate(options.lr);
  check(options.alpha >= 0, "alpha", options.alpha, "a number >= 0");
  check(options.eps >= 0, "eps", options.eps, "a number >= 0");
  check(options.weight_decay >= 0, "weight_decay", options.weight_decay, "a number >= 0");
  check(options.momentum >= 0, "momentum", options.momentum, "a number >= 0");
  options_.reserve(options_.size() + 1);
  add_parameters(std::move(parameters));
  options_.push_back(options);
}

const RMSpropOptions& RMSprop::options(std::size_t group) const {
  check_group(group);
  return options_[group];
}

std::span<const char* const> RMSprop::moments(std::size_t group) const {
  static constexpr std::array<const char*, 2> kNames = {"square_avg", "momentum_buffer"};
  static constexpr std::array<const char*, 3> kCentered = {"square_avg", "grad_avg",
                                                           "momentum_buffer"};
  const RMSpropOptions& o = options_[group];
  const std::span<const char* const> names =
      o.centered ? std::span<const char* const>(kCentered) : std::span<const char* const>(kNames);
  return names.first(names.size() - (o.momentum > 0 ? 0 : 1));
}

namespace {

struct RmspropRule {
  static constexpr bool kSparseRowsRest = false;  // torch.optim.RMSprop has no such way
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

  bool acts_without_gradient() const { return true; }  // the means fade

  // Without decay, the means fade evenly, and p and its momentum go through a linear map.
  class Jump {
   public:
    Jump(double, const RmspropRule&) {}
    void append(const RmspropRule& rule) {
      const double momentum = rule.in_precision(rule.a.momentum);
      if (momentum > 0) {
        steps_.append({1, -rule.in_precision(rule.a.lr) * momentum, 0, momentum});
      }
    }
    template <class T>
    bool apply(std::size_t from, std::span<const RmspropRule> rules, const ParameterSlice<T>& x,
               std::size_t n) const {
      const RmspropRule& rule = rules.back();
      const std::size_t owed = rules.size() - from;
      if (owed <= kReplayed || rule.a.weight_decay != 0) return false;
      const double alpha = rule.in_precision(rule.a.alpha);
      const T factor = static_cast<T>(std::pow(alpha, static_cast<double>(owed)));
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
    LinearSteps steps_;
  };

  MovedBy explain(double p, const double* moments, double gradient) const {
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

 private:
  // As the kernel has it.
  double in_precision(double x) const {
    return dtype == float32 ? static_cast<double>(static_cast<float>(x)) : x;
  }
};

}  // namespace

void RMSprop::update(Leaf& leaf, State& state, std::size_t group) {
  const RMSpropOptions& o = options_[group];
  take_step(state, RmspropRule{.step = static_cast<double>(state.steps),
                               .centered = o.centered,
                               .dtype = leaf.stored().dtype(),
                               .a = {.lr = o.lr * leaf.row_policy().rate_multiplier(),
                                     .alpha = o.alpha,
                                     .eps = o.eps,
                                     .weight_decay = o.weight_decay,
                                     .momentum = o.momentum,
                                     .sign = o.maximize ? -1.0 : 1.0}});
}

}  // namespace tapegrad::optim
