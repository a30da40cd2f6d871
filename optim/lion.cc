// Lion: the step in Tensor operations. Read next: optim/sparse_adam.h.
#include <tapegrad/optim/lion.h>

#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

void Lion::update(Update& x, std::size_t group) {
  const LionOptions& o = options(group);
  const auto [beta1, beta2] = o.betas;
  const Tensor g = o.maximize ? -x.g : x.g;
  Tensor& m = x.moments[0];
  const Tensor direction = sign(beta1 * m + (1 - beta1) * g);
  x.p = x.p - x.lr * (direction + o.weight_decay * x.p);
  m = beta2 * m + (1 - beta2) * g;
}

std::vector<Moment> Lion::moments(std::size_t) const { return {{"exp_avg"}}; }

Lion::Lion(std::vector<NamedParameter> parameters, LionOptions options) : OptimizerWith("Lion") {
  add_group(std::move(parameters), options);
}

std::vector<Attribute> Lion::named_options(std::size_t group) const {
  const LionOptions& o = options(group);
  return {{"betas", o.betas}, {"weight_decay", o.weight_decay}, {"maximize", o.maximize}};
}

void Lion::check_options(const LionOptions& o) const {
  check(o.betas.first >= 0 && o.betas.first < 1, "beta 0", o.betas.first, "a number in [0, 1)");
  check(o.betas.second >= 0 && o.betas.second < 1, "beta 1", o.betas.second, "a number in [0, 1)");
  check(o.weight_decay >= 0, "weight_decay", o.weight_decay, "a number >= 0");
}

}  // namespace tapegrad::optim
