// SparseAdam: the step in Tensor operations, for the rows that have a gradient, and the same step
// through Adam's fused kernel. Read next: optim/state_dict.cc.
#include <tapegrad/optim/sparse_adam.h>

#include <cmath>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

// The plain step.
void SparseAdam::update(Update& x, std::size_t group) {
  const SparseAdamOptions& o = options(group);
  const auto [beta1, beta2] = o.betas;
  const double t = static_cast<double>(x.step);
  const Tensor g = o.maximize ? -x.g : x.g;
  Tensor& m = x.moments[0];
  Tensor& v = x.moments[1];
  m = beta1 * m + (1 - beta1) * g;
  v = beta2 * v + (1 - beta2) * square(g);
  const double bias1 = 1 - std::pow(beta1, t), bias2 = 1 - std::pow(beta2, t);
  x.p = x.p - x.lr * std::sqrt(bias2) / bias1 * m / (sqrt(v) + o.eps);
}

std::vector<Moment> SparseAdam::moments(std::size_t) const { return {{"exp_avg"}, {"exp_avg_sq"}}; }

SparseAdam::SparseAdam(std::vector<NamedParameter> parameters, SparseAdamOptions options)
    : OptimizerWith("SparseAdam") {
  add_group(std::move(parameters), options);
}

std::vector<Attribute> SparseAdam::named_options(std::size_t group) const {
  const SparseAdamOptions& o = options(group);
  return {{"betas", o.betas}, {"eps", o.eps}, {"maximize", o.maximize}};
}

void SparseAdam::check_options(const SparseAdamOptions& o) const {
  const auto fraction = [](double beta) { return beta >= 0 && beta < 1; };
  check(o.eps > 0, "eps", o.eps, "a number > 0");
  check(fraction(o.betas.first), "beta 0", o.betas.first, "a number in [0, 1)");
  check(fraction(o.betas.second), "beta 1", o.betas.second, "a number in [0, 1)");
}

void SparseAdam::check_gradient(const Leaf& leaf) const {
  if (leaf.grad.is_row_sparse()) return;
  throw ValueError(
      "SparseAdam: got a dense gradient, needed a row-sparse one, which embedding() gives; use "
      "Adam");
}

// The fused step ----------------------------------------------------------------------------------
namespace {

struct SparseAdamRule {
  using ClosedForm = NoClosedForm;  // not needed: rows without a gradient do not move
  double step;
  kernel::AdamArguments a;

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().adam(x.p, x.moments[0], x.moments[1], nullptr, g, n, a);
  }

  ElementUpdate explain(double, const double* moments, double gradient) const {
    const double m = moments[0], v = moments[1];
    const double scale = a.step_size / (std::sqrt(v) + a.eps);
    const double g = a.sign * gradient;
    return {-scale * (1 - a.beta1) * g, -scale * (m - (1 - a.beta1) * g), 0};
  }
};

}  // namespace

bool SparseAdam::fused_update(State& state, std::size_t group) {
  const SparseAdamOptions& o = options(group);
  const double t = static_cast<double>(state.step);
  const double lr = o.lr * state.leaf.row_policy().rate_multiplier();
  const double sqrt_bias2 = std::sqrt(1 - std::pow(o.betas.second, t));
  fused_step(state,
             SparseAdamRule{.step = t,
                            .a = {.beta1 = o.betas.first,
                                  .beta2 = o.betas.second,
                                  .eps = o.eps,
                                  .l2 = 0,
                                  .shrink = 1,
                                  .step_size = lr / (1 - std::pow(o.betas.first, t)) * sqrt_bias2,
                                  .sqrt_bias2 = 1,  // the kernel adds eps after that correction
                                  .sign = o.maximize ? -1.0 : 1.0}});
  return true;
}

}  // namespace tapegrad::optim
