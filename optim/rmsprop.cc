// RMSprop's options, and its step through the fused kernel. Read next: optim/adadelta.cc.
#include <tapegrad/optim/rmsprop.h>

#include <array>
#include <utility>

#include <tapegrad/optim/stretches.h>
#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad::optim {

RMSprop::RMSprop(std::vector<NamedParameter> parameters, RMSpropOptions options)
    : Optimizer("RMSprop") {
  add_group(std::move(parameters), options);
}

void RMSprop::add_group(std::vector<NamedParameter> parameters, RMSpropOptions options) {
  check_rate(options.lr);
  check(options.alpha >= 0, "alpha", options.alpha, "a number >= 0");
  check(options.eps >= 0, "eps", options.eps, "a number >= 0");
  check(options.weight_decay >= 0, "weight_decay", options.weight_decay, "a number >= 0");
  check(options.momentum >= 0, "momentum", options.momentum, "a number >= 0");
  options_.reserve(options_.size() + 1);
  add_parameters(std::move(parameters));
  options_.push_back(options);
}

const RMSpropOptions& RMSprop::options(std::size_t group) const {
  check_group(group);
  return options_[group];
}

std::span<const char* const> RMSprop::moments(std::size_t group) const {
  static constexpr std::array<const char*, 2> kNames = {"square_avg", "momentum_buffer"};
  static constexpr std::array<const char*, 3> kCentered = {"square_avg", "grad_avg",
                                                           "momentum_buffer"};
  const RMSpropOptions& o = options_[group];
  const std::span<const char* const> names =
      o.centered ? std::span<const char* const>(kCentered) : std::span<const char* const>(kNames);
  return names.first(names.size() - (o.momentum > 0 ? 0 : 1));
}

void RMSprop::update(Leaf& leaf, State& state, std::size_t group) {
  const RMSpropOptions& o = options_[group];
  const kernel::RmspropArguments arguments{.lr = o.lr,
                                           .alpha = o.alpha,
                                           .eps = o.eps,
                                           .weight_decay = o.weight_decay,
                                           .momentum = o.momentum,
                                           .sign = o.maximize ? -1.0 : 1.0};
  visit_floating(leaf.value().dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const p = leaf.writable_value().mutable_data<T>();
    const auto moment = [&](std::size_t i) { return state.moments[i].mutable_data<T>(); };
    T* const v = moment(0);
    T* const mean = o.centered ? moment(1) : nullptr;
    T* const buffer = o.momentum > 0 ? moment(o.centered ? 2 : 1) : nullptr;
    // Rows without a gradient may stay, but their means fade.
    for_each_stretch<T>(
        leaf, OtherRows::visit, [&](std::size_t begin, std::size_t count, const T* gradient) {
          kernel::table<T>().rmsprop(p + begin, v + begin, buffer ? buffer + begin : nullptr,
                                     mean ? mean + begin : nullptr, gradient, count, arguments);
        });
  });
}

}  // namespace tapegrad::optim
