// Adagrad's options, and its step through the fused kernel. Read next: optim/rmsprop.cc.
#include <tapegrad/optim/adagrad.h>

#include <array>
#include <utility>

#include <tapegrad/optim/stretches.h>
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

void Adagrad::update(Leaf& leaf, State& state, std::size_t group) {
  const AdagradOptions& o = options_[group];
  const double earlier = static_cast<double>(state.steps - 1);
  const kernel::AdagradArguments arguments{.rate = o.lr / (1 + earlier * o.lr_decay),
                                           .weight_decay = o.weight_decay,
                                           .eps = o.eps,
                                           .sign = o.maximize ? -1.0 : 1.0};
  if (state.steps == 1) state.moments[0].fill_(o.initial_accumulator_value);
  // Without decay, rows without a gradient stay where they are.
  const OtherRows others = o.weight_decay != 0 ? OtherRows::visit : OtherRows::skip;
  visit_floating(leaf.value().dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const p = leaf.writable_value().mutable_data<T>();
    T* const sum = state.moments[0].mutable_data<T>();
    for_each_stretch<T>(leaf, others, [&](std::size_t begin, std::size_t count, const T* gradient) {
      kernel::table<T>().adagrad(p + begin, sum + begin, gradient, count, arguments);
    });
  });
}

}  // namespace tapegrad::optim
