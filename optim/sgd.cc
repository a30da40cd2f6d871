// SGD's options, and its step through the fused kernel. Read next: optim/adam.cc.
#include <tapegrad/optim/sgd.h>

#include <array>
#include <utility>

#include <tapegrad/optim/stretches.h>
#include <tapegrad/tensor/kernels/kernels.h>

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

void SGD::update(Leaf& leaf, State& state, std::size_t group) {
  const SGDOptions& o = options_[group];
  const kernel::SgdArguments arguments{.lr = o.lr,
                                       .momentum = o.momentum,
                                       .dampening = o.dampening,
                                       .weight_decay = o.weight_decay,
                                       .sign = o.maximize ? -1.0 : 1.0,
                                       .nesterov = o.nesterov,
                                       .first = state.steps == 1};
  // Without these, rows without a gradient stay where they are.
  const bool all_move = o.momentum != 0 || o.weight_decay != 0;
  visit_floating(leaf.stored().dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const p = leaf.writable_value().mutable_data<T>();
    T* const buffer = state.moments.empty() ? nullptr : state.moments[0].mutable_data<T>();
    for_each_stretch<T>(leaf, all_move ? OtherRows::visit : OtherRows::skip,
                        [&](std::size_t begin, std::size_t count, const T* gradient) {
                          kernel::table<T>().sgd(p + begin, buffer ? buffer + begin : nullptr,
                                                 gradient, count, arguments);
                        });
  });
}

}  // namespace tapegrad::optim
