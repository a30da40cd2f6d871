// Adagrad: the step in Tensor operations, and the same step through a fused kernel. Read next:
// optim/rmsprop.h.
#include <tapegrad/optim/adagrad.h>

#include <cmath>
#include <utility>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/optim/lazy/lazy_rows.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::optim {

// The plain step.
void Adagrad::update(Update& x, std::size_t group) {
  const AdagradOptions& o = options(group);
  const double rate = x.lr / (1 + static_cast<double>(x.step - 1) * o.lr_decay);
  Tensor g = o.maximize ? -x.g : x.g;
  if (o.weight_decay != 0) g = g + o.weight_decay * x.p;
  Tensor& sum = x.moments[0];
  sum = sum + square(g);
  x.p = x.p - rate * g / (sqrt(sum) + o.eps);
}

std::vector<Moment> Adagrad::moments(std::size_t group) const {
  return {{"sum", options(group).initial_accumulator_value}};
}

bool Adagrad::moves_rows_without_gradient(std::size_t group) const {
  return options(group).weight_decay != 0;
}

Adagrad::Adagrad(std::vector<NamedParameter> parameters, AdagradOptions options)
    : OptimizerWith("Adagrad") {
  add_group(std::move(parameters), options);
}

std::vector<Attribute> Adagrad::named_options(std::size_t group) const {
  const AdagradOptions& o = options(group);
  return {{"lr_decay", o.lr_decay},
          {"weight_decay", o.weight_decay},
          {"eps", o.eps},
          {"maximize", o.maximize}};
}

void Adagrad::check_options(const AdagradOptions& o) const {
  check(o.lr_decay >= 0, "lr_decay", o.lr_decay, "a number >= 0");
  check(o.weight_decay >= 0, "weight_decay", o.weight_decay, "a number >= 0");
  check(o.initial_accumulator_value >= 0, "initial_accumulator_value", o.initial_accumulator_value,
        "a number >= 0");
  check(o.eps >= 0, "eps", o.eps, "a number >= 0");
}

// The fused step ----------------------------------------------------------------------------------
namespace {

struct AdagradRule {
  using ClosedForm = NoClosedForm;  // weight decay changes the sum
  double step;
  kernel::AdagradArguments a;

  template <class T>
  void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const {
    kernel::kernels<T>().adagrad(x.p, x.moments[0], g, n, a);
  }

  ElementUpdate explain(double p, const double* moments, double gradient) const {
    const double scale = a.rate / (std::sqrt(moments[0]) + a.eps);
    const double g = a.sign * gradient;
    const double before = (p + scale * g) / (1 - scale * a.weight_decay);
    return {-scale * g, 0, -scale * a.weight_decay * before};
  }
};

}  // namespace

bool Adagrad::fused_update(State& state, std::size_t group) {
  const AdagradOptions& o = options(group);
  const double t = static_cast<double>(state.step);
  const double lr = o.lr * state.leaf.row_policy().rate_multiplier();
  fused_step(state, AdagradRule{.step = t,
                                .a = {.rate = lr / (1 + (t - 1) * o.lr_decay),
                                      .weight_decay = o.weight_decay,
                                      .eps = o.eps,
                                      .sign = o.maximize ? -1.0 : 1.0}});
  return true;
}

}  // namespace tapegrad::optim
