// RMSprop: steps scaled by a running mean of the squared gradient. Read next: optim/rmsprop.cc.
#pragma once

#include <utility>
#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centered = false;
  bool maximize = false;
};

// RMSprop (Hinton 2012), with the variance of Graves (2013) if centered, as PyTorch computes it:
//   g = gradient (its negative to maximize) + weight_decay * p
//   v = alpha * v + (1 - alpha) * g^2,  m = alpha * m + (1 - alpha) * g
//   d = g / (sqrt(centered ? v - m^2 : v) + eps)
//   b = momentum * b + d
//   p = p - lr * b
// If rounding makes v - m^2 negative, PyTorch's parameter becomes nan; here 0 is used instead.
class RMSprop final : public OptimizerWith<RMSpropOptions> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit RMSprop(std::vector<NamedParameter> parameters, RMSpropOptions options = {});
  template <Number Rate>
  RMSprop(std::vector<NamedParameter> parameters, Rate lr)
      : RMSprop(std::move(parameters), RMSpropOptions{.lr = static_cast<double>(lr)}) {}

 private:
  void check_options(const RMSpropOptions& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
  bool fused_update(State& state, std::size_t group) override;
  bool honors_sparse() const override { return false; }  // as in torch.optim.RMSprop
};

}  // namespace tapegrad::optim
