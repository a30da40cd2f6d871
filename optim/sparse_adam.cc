// SparseAdam's options, and its step, which is Adam's. Read next: optim/schedule.cc.
#include <tapegrad/optim/sparse_adam.h>

#include <array>
#include <cmath>

#include <tapegrad/optim/adam_rule.h>

namespace tapegrad::optim {

SparseAdam::SparseAdam(std::vector<NamedParameter> parameters, SparseAdamOptions options)
    : Optimizer("SparseAdam") {
  add_group(std::move(parameters), options);
}

void SparseAdam::add_group(std::vector<NamedParameter> parameters, SparseAdamOptions options) {
  const auto fraction = [](double beta) { return beta >= 0 && beta < 1; };
  check_rate(options.lr);
  check(options.eps > 0, "eps", options.eps, "a number > 0");
  check(fraction(options.betas.first), "beta 0", options.betas.first, "a number in [0, 1)");
  check(fraction(options.betas.second), "beta 1", options.betas.second, "a number in [0, 1)");
  options_.reserve(options_.size() + 1);
  add_parameters(std::move(parameters));
  options_.push_back(options);
}

const SparseAdamOptions& SparseAdam::options(std::size_t group) const {
  check_group(group);
  return options_[group];
}

std::span<const char* const> SparseAdam::moments(std::size_t) const {
  static constexpr std::array<const char*, 2> kNames = {"exp_avg", "exp_avg_sq"};
  return kNames;
}

namespace {

// Adam's step; rows without a gradient take none.
struct SparseAdamRule : AdamRule {
  bool acts_without_gradient() const { return false; }

  class Jump {
   public:
    Jump(double, const SparseAdamRule&) {}
    void append(const SparseAdamRule&) {}
    template <class T>
    bool apply(std::size_t, std::span<const SparseAdamRule>, const ParameterSlice<T>&,
               std::size_t) const {
      return true;
    }
  };
};

}  // namespace

void SparseAdam::check_gradient(const Leaf& leaf) const {
  if (leaf.grad.is_row_sparse()) return;
  throw ValueError(
      "SparseAdam: got a dense gradient, needed a row-sparse one, which embedding() gives; use "
      "Adam");
}

void SparseAdam::update(Leaf& leaf, State& state, std::size_t group) {
  const SparseAdamOptions& o = options_[group];
  const double t = static_cast<double>(state.steps);
  const double lr = o.lr * leaf.row_policy().rate_multiplier();
  SparseAdamRule rule{{.step = t,
                       .amsgrad = false,
                       .dtype = leaf.stored().dtype(),
                       .a = {.beta1 = o.betas.first,
                             .beta2 = o.betas.second,
                             .eps = o.eps,
                             .l2 = 0,
                             .shrink = 1,
                             .step_size = lr / (1 - std::pow(o.betas.first, t)),
                             .sqrt_bias2 = std::sqrt(1 - std::pow(o.betas.second, t)),
                             .sign = o.maximize ? -1.0 : 1.0}}};
  rule.correct_as_sparse();
  take_step(state, rule);
}

}  // namespace tapegrad::optim
