// Adadelta's options, and its step through the fused kernel. Read next: optim/sparse_adam.cc.
#include <tapegrad/optim/adadelta.h>

#include <array>
#include <utility>

#include <tapegrad/optim/stretches.h>
#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::optim {

Adadelta::Adadelta(std::vector<NamedParameter> parameters, AdadeltaOptions options)
    : Optimizer("Adadelta") {
  add_group(std::move(parameters), options);
}

void Adadelta::add_group(std::vector<NamedParameter> parameters, AdadeltaOptions options) {
  check_rate(options.lr);
  check(options.rho >= 0 && options.rho <= 1, "rho", options.rho, "a number in [0, 1]");
  check(options.eps >= 0, "eps", options.eps, "a number >= 0");
  check(options.weight_decay >= 0, "weight_decay", options.weight_decay, "a number >= 0");
  options_.reserve(options_.size() + 1);
  add_parameters(std::move(parameters));
  options_.push_back(options);
}

const AdadeltaOptions& Adadelta::options(std::size_t group) const {
  check_group(group);
  return options_[group];
}

std::span<const char* const> Adadelta::moments(std::size_t) const {
  static constexpr std::array<const char*, 2> kNames = {"square_avg", "acc_delta"};
  return kNames;
}

void Adadelta::update(Leaf& leaf, State& state, std::size_t group) {
  const AdadeltaOptions& o = options_[group];
  const kernel::AdadeltaArguments arguments{.lr = o.lr,
                                            .rho = o.rho,
                                            .eps = o.eps,
                                            .weight_decay = o.weight_decay,
                                            .sign = o.maximize ? -1.0 : 1.0};
  visit_floating(leaf.value().dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const p = leaf.writable_value().mutable_data<T>();
    T* const v = state.moments[0].mutable_data<T>();
    T* const u = state.moments[1].mutable_data<T>();
    // Rows without a gradient may stay, but their means fade.
    for_each_stretch<T>(
        leaf, OtherRows::visit, [&](std::size_t begin, std::size_t count, const T* gradient) {
          kernel::table<T>().adadelta(p + begin, v + begin, u + begin, gradient, count, arguments);
        });
  });
}

}  // namespace tapegrad::optim
