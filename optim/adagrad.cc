// Adagrad's options, and its step through the fused kernel. Read next: optim/rmsprop.cc.
#include <tapegrad/optim/adagrad.h>

#include <array>
#include <cmath>
#include <utility>

#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::optim {

Adagrad::Adagrad(std::vector<NamedParameter> parameters, AdagradOptions options)
    : Optimizer("Adagrad") {
  add_group(std::move(parameters), options);
}

void Adagrad::add_group(std::vector<NamedParameter> parameters, AdagradOptions options) {
  check_rate(options.lr);
  check(options.lr_decay >= 0, "lr_decay", options.lr_decay, "a number >= 0");
  check(options.weight_decay >= 0, "weight_decay", options.weight_decay, "a number >= 0");
  check(options.initial_accumulator_value >= 0, "initial_accumulator_value",
        options.initial_accumulator_value, "a number >= 0");
  check(options.eps >= 0, "eps", options.eps, "a number >= 0");
  options_.reserve(options_.size() + 1);
  add_parameters(std::move(parameters));
  options_.push_back(options);
}

const AdagradOptions& Adagrad::options(std::size_t group) const {
  check_group(group);
  return options_[group];
}

std::span<const char* const> Adagrad::moments(std::size_t) const {
  static constexpr std::array<const char*, 1> kNames = {"sum"};
  return kNames;
}

double Adagrad::initial(std::size_t group, std::size_t) const {
  return options_[group].initial_accumulator_value;
}

namespace {

struct AdagradRule {
  static constexpr bool kSparseRowsRest = true;  // they would move by decay only
  double step;
  kernel::AdagradArguments a;

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().adagrad(x.p, x.moments[0], g, n, a);
  }

  bool acts_without_gradient() const { return a.weight_decay != 0; }

  // Decay feeds back into the sum: all steps are replayed.
  class Jump {
   public:
    Jump(double, const AdagradRule&) {}
    void append(const AdagradRule&) {}
    template <class T>
    bool apply(std::size_t, std::span<const AdagradRule>, const ParameterSlice<T>&,
               std::size_t) const {
      return false;
    }
  };

  MovedBy explain(double p, const double* moments, double gradient) const {
    const double scale = a.rate / (std::sqrt(moments[0]) + a.eps);
    const double g = a.sign * gradient;
    const double before = (p + scale * g) / (1 - scale * a.weight_decay);
    return {-scale * g, 0, -scale * a.weight_decay * before};
  }
};

}  // namespace

void Adagrad::update(Leaf& leaf, State& state, std::size_t group) {
  const AdagradOptions& o = options_[group];
  const double t = static_cast<double>(state.steps);
  take_step(state,
            AdagradRule{.step = t,
                        .a = {.rate = o.lr * leaf.row_policy().rate_multiplier() / (1 + (t - 1) * o.lr_decay),
                              .weight_decay = o.weight_decay,
                              .eps = o.eps,
                              .sign = o.maximize ? -1.0 : 1.0}});
}

}  // namespace tapegrad::optim
