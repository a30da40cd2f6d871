// NAdam: the step in Tensor operations. Read next: optim/radam.h.
#include <tapegrad/optim/nadam.h>

#include <cmath>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

void NAdam::update(Update& x, std::size_t group) {
  const NAdamOptions& o = options(group);
  const auto mu = [&](std::int64_t step) {
    return o.betas.first * (1 - 0.5 * std::pow(0.96, static_cast<double>(step) * o.momentum_decay));
  };
  Tensor g = o.maximize ? -x.g : x.g;
  if (o.weight_decay != 0) g = g + o.weight_decay * x.p;
  Tensor& m = x.moments[0];
  Tensor& v = x.moments[1];
  Tensor& mu_product = x.moments[2];  // mu_1 ... mu_t, for each element
  m = o.betas.first * m + (1 - o.betas.first) * g;
  v = o.betas.second * v + (1 - o.betas.second) * square(g);
  mu_product = mu_product * mu(x.step);
  const double bias = 1 - std::pow(o.betas.second, static_cast<double>(x.step));
  const Tensor d = sqrt(v / bias) + o.eps;
  const double next = mu(x.step + 1);
  x.p = x.p -
        x.lr * ((1 - mu(x.step)) / (1 - mu_product) * g + next / (1 - mu_product * next) * m) / d;
}

std::vector<Moment> NAdam::moments(std::size_t) const {
  return {{"exp_avg"}, {"exp_avg_sq"}, {"mu_product", 1}};
}

NAdam::NAdam(std::vector<NamedParameter> parameters, NAdamOptions options)
    : OptimizerWith("NAdam") {
  add_group(std::move(parameters), options);
}

std::vector<Attribute> NAdam::named_options(std::size_t group) const {
  const NAdamOptions& o = options(group);
  return {{"betas", o.betas},
          {"eps", o.eps},
          {"weight_decay", o.weight_decay},
          {"momentum_decay", o.momentum_decay},
          {"maximize", o.maximize}};
}

void NAdam::check_options(const NAdamOptions& o) const {
  check(o.betas.first >= 0 && o.betas.first < 1, "beta 0", o.betas.first, "a number in [0, 1)");
  check(o.betas.second >= 0 && o.betas.second < 1, "beta 1", o.betas.second, "a number in [0, 1)");
  check(o.eps >= 0, "eps", o.eps, "a number >= 0");
  check(o.weight_decay >= 0, "weight_decay", o.weight_decay, "a number >= 0");
  check(o.momentum_decay >= 0, "momentum_decay", o.momentum_decay, "a number >= 0");
}

}  // namespace tapegrad::optim
