// RAdam: the step in Tensor operations. Read next: optim/lion.h.
#include <tapegrad/optim/radam.h>

#include <cmath>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

void RAdam::update(Update& x, std::size_t group) {
  const RAdamOptions& o = options(group);
  const auto [beta1, beta2] = o.betas;
  Tensor g = o.maximize ? -x.g : x.g;
  if (o.weight_decay != 0) g = g + o.weight_decay * x.p;
  Tensor& m = x.moments[0];
  Tensor& v = x.moments[1];
  m = beta1 * m + (1 - beta1) * g;
  v = beta2 * v + (1 - beta2) * square(g);
  const auto t = static_cast<double>(x.step);
  const double bias1 = 1 - std::pow(beta1, t);
  const double bias2 = 1 - std::pow(beta2, t);
  const double rho_inf = 2 / (1 - beta2) - 1;
  const double rho = rho_inf - 2 * t * std::pow(beta2, t) / bias2;
  Tensor d = m / bias1;
  if (rho > 5) {
    const double r =
        std::sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho));
    d = d * r * std::sqrt(bias2) / (sqrt(v) + o.eps);
  }
  x.p = x.p - x.lr * d;
}

std::vector<Moment> RAdam::moments(std::size_t) const { return {{"exp_avg"}, {"exp_avg_sq"}}; }

RAdam::RAdam(std::vector<NamedParameter> parameters, RAdamOptions options)
    : OptimizerWith("RAdam") {
  add_group(std::move(parameters), options);
}

std::vector<Attribute> RAdam::named_options(std::size_t group) const {
  const RAdamOptions& o = options(group);
  return {{"betas", o.betas},
          {"eps", o.eps},
          {"weight_decay", o.weight_decay},
          {"maximize", o.maximize}};
}

void RAdam::check_options(const RAdamOptions& o) const {
  check(o.betas.first >= 0 && o.betas.first < 1, "beta 0", o.betas.first, "a number in [0, 1)");
  check(o.betas.second >= 0 && o.betas.second < 1, "beta 1", o.betas.second, "a number in [0, 1)");
  check(o.eps >= 0, "eps", o.eps, "a number >= 0");
  check(o.weight_decay >= 0, "weight_decay", o.weight_decay, "a number >= 0");
}

}  // namespace tapegrad::optim
