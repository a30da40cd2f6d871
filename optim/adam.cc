// The options of Adam and AdamW, and their step through the fused kernel. Read next: optim/clip.cc.
#include <tapegrad/optim/adam.h>

#include <array>
#include <cmath>
#include <type_traits>

#include <tapegrad/optim/adam_rule.h>

namespace tapegrad::optim {
namespace {

template <class Options>
constexpr bool kDecayIsApart = std::is_same_v<Options, AdamWOptions>;

}  // namespace

template <class Options>
AdamWith<Options>::AdamWith(std::vector<NamedParameter> parameters, Options options)
    : Optimizer(kDecayIsApart<Options> ? "AdamW" : "Adam") {
  add_group(std::move(parameters), options);
}

template <class Options>
void AdamWith<Options>::add_group(std::vector<NamedParameter> parameters, Options options) {
  const auto fraction = [](double beta) { return beta >= 0 && beta < 1; };
  check_rate(options.lr);
  check(options.eps >= 0, "eps", options.eps, "a number >= 0");
  check(fraction(options.betas.first), "beta 0", options.betas.first, "a number in [0, 1)");
  check(fraction(options.betas.second), "beta 1", options.betas.second, "a number in [0, 1)");
  check(options.weight_decay >= 0, "weight_decay", options.weight_decay, "a number >= 0");
  options_.reserve(options_.size() + 1);
  add_parameters(std::move(parameters));
  options_.push_back(options);
}

template <class Options>
const Options& AdamWith<Options>::options(std::size_t group) const {
  check_group(group);
  return options_[group];
}

template <class Options>
std::span<const char* const> AdamWith<Options>::moments(std::size_t group) const {
  static constexpr std::array<const char*, 3> kNames = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  return std::span(kNames).first(options_[group].amsgrad ? 3 : 2);
}

template <class Options>
void AdamWith<Options>::update(Leaf& leaf, State& state, std::size_t group) {
  const Options& o = options_[group];
  const double t = static_cast<double>(state.steps);
  const double lr = o.lr * leaf.row_policy().rate_multiplier();
  const bool apart = kDecayIsApart<Options>;
  AdamRule rule{.step = t,
                .amsgrad = o.amsgrad,
                .dtype = leaf.stored().dtype(),
                .a = {.beta1 = o.betas.first,
                      .beta2 = o.betas.second,
                      .eps = o.eps,
                      .l2 = apart ? 0 : o.weight_decay,
                      .shrink = apart ? 1 - lr * o.weight_decay : 1,
                      .step_size = lr / (1 - std::pow(o.betas.first, t)),
                      .sqrt_bias2 = std::sqrt(1 - std::pow(o.betas.second, t)),
                      .sign = o.maximize ? -1.0 : 1.0}};
  if (leaf.row_policy().sparse() && leaf.grad.is_row_sparse()) rule.correct_as_sparse();
  take_step(state, rule);
}

template class AdamWith<AdamOptions>;
template class AdamWith<AdamWOptions>;

}  // namespace tapegrad::optim
