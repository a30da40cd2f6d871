// RMSprop: steps scaled by a running mean of the squared gradient. Read next: optim/adadelta.h.
#pragma once

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
// Where rounding turns v - m^2 negative, PyTorch's parameter becomes nan; here it counts as 0.
class RMSprop final : public Optimizer {
 public:
  // ValueError for options out of range and for lists as add_group().
  explicit RMSprop(std::vector<NamedParameter> parameters, RMSpropOptions options = {});
  // ValueError if the list is empty, holds what is not a leaf, or what is in a group already.
  void add_group(std::vector<NamedParameter> parameters, RMSpropOptions options);
  const RMSpropOptions& options(std::size_t group = 0) const;

 private:
  double rate(std::size_t group) const override { return options_[group].lr; }
  void set_rate(std::size_t group, double lr) override { options_[group].lr = lr; }
  double* momentum_option(std::size_t group) override { return &options_[group].momentum; }
  std::span<const char* const> moments(std::size_t group) const override;
  void update(Leaf& leaf, State& state, std::size_t group) override;

  std::vector<RMSpropOptions> options_;
};

}  // namespace tapegrad::optim
