// SGD's options, and its step through the fused kernel. Read next: optim/adam.cc.
#include <tapegrad/optim/sgd.h>

#include <array>
#include <utility>

#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

SGD::SGD(std::vector<NamedParameter> parameters, SGDOptions options) : Optimizer("SGD") {
  add_group(std::move(parameters), options);
}

void SGD::add_group(std::vector<NamedParameter> parameters, SGDOptions options) {
  check_rate(options.lr);
  check(options.momentum >= 0, "momentum", options.momentum, "a number >= 0");
  check(options.weight_decay >= 0, "weight_decay", options.weight_decay, "a number >= 0");
  if (options.nesterov && (options.momentum <= 0 || options.dampening != 0)) {
    throw ValueError("SGD: nesterov needs a momentum > 0 and no dampening");
  }
  options_.reserve(options_.size() + 1);
  add_parameters(std::move(parameters));
  options_.push_back(options);
}

const SGDOptions& SGD::options(std::size_t group) const {
  check_group(group);
  return options_[group];
}

std::span<const char* const> SGD::moments(std::size_t group) const {
  static constexpr std::array<const char*, 1> kNames = {"momentum_buffer"};
  return std::span(kNames).first(options_[group].momentum != 0 ? 1 : 0);
}

double* SGD::momentum_option(std::size_t group) { return &options_[group].momentum; }

namespace {

// Where the gradient is zero, p and its momentum b go through a linear map in each step.
struct SgdRule {
  static constexpr bool kSparseRowsRest = false;  // nor do they in torch.optim.SGD
  double step;
  DType dtype;
  kernel::SgdArguments a;

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().sgd(x.p, x.moments[0], g, n, a);
  }

  // Without momentum and decay a step is a sum, which one kernel adds to all rows: that saves a
  // third of the step on rows of 64 numbers. The bits are those of apply().
  template <class T>
  bool apply_to_rows(const ParameterSlice<T>& x, std::span<const std::int64_t> ids, const T* g,
                     std::int64_t width) const {
    if (acts_without_gradient()) return false;
    const Tensor scale = full({ids.size()}, -a.lr * a.sign, dtype);
    kernel::kernels<T>().scatter_add_rows(x.p, ids.data(), g, nullptr, scale.data<T>(), ids.size(),
                                          static_cast<std::size_t>(width), -1);
    return true;
  }

  bool acts_without_gradient() const { return a.momentum != 0 || a.weight_decay != 0; }

  // b' = kept b + rest wd p, and the step is p' = p - lr b' or its Nesterov form. The factors are
  // as the kernel has them, in the parameter's precision.
  kernel::PairMap map() const {
    const auto rounded = [this](double x) {
      return dtype == float32 ? static_cast<double>(static_cast<float>(x)) : x;
    };
    const double lr = rounded(a.lr), decay = rounded(a.weight_decay);
    const double momentum = rounded(a.momentum);
    if (momentum == 0) return {1 - lr * decay, 0, 0, 1};
    const double bb = momentum;  // of a b that is 0 in the first step
    const double bp = (a.first ? 1 : rounded(1 - a.dampening)) * decay;
    if (!a.nesterov) return {1 - lr * bp, -lr * bb, bp, bb};
    return {1 - lr * (decay + momentum * bp), -lr * momentum * bb, bp, bb};
  }

  class Jump {
   public:
    Jump(double, const SgdRule&) {}
    void append(const SgdRule& rule) { steps_.append(rule.map()); }
    template <class T>
    bool apply(std::size_t from, std::span<const SgdRule> rules, const ParameterSlice<T>& x,
               std::size_t n) const {
      if (rules.size() - from <= kReplayed) return false;
      if (x.moments[0] == nullptr) {
        const T factor = static_cast<T>(steps_.since(from).pp);
        for (std::size_t i = 0; i < n; ++i) x.p[i] *= factor;
      } else {
        kernel::kernels<T>().map_pairs(x.p, x.moments[0], n, steps_.since(from));
      }
      return true;
    }

   private:
    LinearSteps steps_;
  };

  MovedBy explain(double p, const double* moments, double gradient) const {
    const double g = a.sign * gradient;
    const double rest = a.first ? 1 : 1 - a.dampening;
    const double b = a.momentum != 0 ? moments[0] : 0;
    // What p was: the step solved for it.
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

}  // namespace

void SGD::update(Leaf& leaf, State& state, std::size_t group) {
  const SGDOptions& o = options_[group];
  take_step(state, SgdRule{.step = static_cast<double>(state.steps),
                           .dtype = leaf.stored().dtype(),
                           .a = {.lr = o.lr * leaf.row_policy().rate_multiplier(),
                                 .momentum = o.momentum,
                                 .dampening = o.dampening,
                                 .weight_decay = o.weight_decay,
                                 .sign = o.maximize ? -1.0 : 1.0,
                                 .nesterov = o.nesterov,
                                 .first = state.steps == 1}});
}

}  // namespace tapegrad::optim
