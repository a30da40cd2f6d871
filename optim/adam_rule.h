// One step of Adam, AdamW and SparseAdam (the formulas stand in adam.h and sparse_adam.h), and many
// of them at once.
//
// Internal. Read next: optim/adam.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>

#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::optim {

struct AdamRule {
  static constexpr bool kSparseRowsRest = true;
  double step;
  bool amsgrad;
  DType dtype;
  kernel::AdamArguments a;

  // torch.optim.SparseAdam adds eps before it corrects the bias of v.
  void correct_as_sparse() {
    a.step_size *= a.sqrt_bias2;
    a.sqrt_bias2 = 1;
  }

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().adam(x.p, x.moments[0], x.moments[1], x.moments[2], g, n, a);
  }

  bool acts_without_gradient() const { return true; }

  class Jump {
   public:
    Jump(double step, const AdamRule& like) : steps_(step, step_of(like)) {}
    void append(const AdamRule& rule) { steps_.append(step_of(rule)); }
    template <class T>
    bool apply(std::size_t from, std::span<const AdamRule> rules, const ParameterSlice<T>& x,
               std::size_t n) const {
      const std::size_t owed = rules.size() - from;
      // With an L2 penalty p feeds back into m and v: there is no jump.
      if (owed <= kReplayed || rules.back().a.l2 != 0) return false;
      constexpr double kTolerance = std::is_same_v<T, float> ? 1e-8 : 1e-11;
      const double smallest = steps_.converges(from, kTolerance) ? 0 : smallest_root(x, n);
      kernel::AdamJumpArguments jump;
      if (steps_.since(from, smallest, kTolerance, jump)) {
        kernel::kernels<T>().adam_jump(x.p, x.moments[0], x.moments[1], x.moments[2], n, jump);
        return true;
      }
      const std::size_t horizon = steps_.horizon();
      if (horizon == 0 || owed <= horizon) return false;
      for (const AdamRule& rule : rules.subspan(from, horizon)) {
        rule.apply(x, static_cast<T*>(nullptr), n);
      }
      jump = steps_.rest(from + horizon);
      kernel::kernels<T>().adam_jump(x.p, x.moments[0], x.moments[1], x.moments[2], n, jump);
      return true;
    }

   private:
    // The factors as the kernel has them, in the parameter's precision: 0.999f is not 0.999, and
    // after 1,000 steps that shows.
    static AdamSteps::Step step_of(const AdamRule& rule) {
      const auto rounded = [&](double x) { return rule.in_precision(x); };
      return {.step = rule.step,
              .beta1 = rounded(rule.a.beta1),
              .beta2 = rounded(rule.a.beta2),
              .eps = rounded(rule.a.eps),
              .shrink = rounded(rule.a.shrink),
              .step_size = rounded(rule.a.step_size),
              .sqrt_bias2 = 1 / rounded(1 / rule.a.sqrt_bias2),
              .amsgrad = rule.amsgrad};
    }
    // Of the numbers that move at all.
    template <class T>
    static double smallest_root(const ParameterSlice<T>& x, std::size_t n) {
      const T* const v = x.moments[2] != nullptr ? x.moments[2] : x.moments[1];
      const T* const m = x.moments[0];
      constexpr T kNone = std::numeric_limits<T>::infinity();
      constexpr std::size_t kLanes = 8;  // so that the compiler may take them side by side
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

  MovedBy explain(double p, const double* moments, double gradient) const {
    const double m = moments[0];
    const double v = amsgrad ? moments[2] : moments[1];
    const double scale = step_size_over(v);
    const double before = (p + scale * m) / a.shrink;
    const double g = a.sign * gradient;
    const double penalty = a.l2 * before;
    return {-scale * (1 - a.beta1) * g, -scale * (m - (1 - a.beta1) * (g + penalty)),
            (a.shrink - 1) * before - scale * (1 - a.beta1) * penalty};
  }

 private:
  double in_precision(double x) const {
    return dtype == float32 ? static_cast<double>(static_cast<float>(x)) : x;
  }
  double step_size_over(double v) const {
    return a.step_size / (std::sqrt(v) / a.sqrt_bias2 + a.eps);
  }
};

}  // namespace tapegrad::optim
