// Adadelta: steps in the units of the parameter, from running means of squared gradients and of
// squared steps. Read next: optim/sparse_adam.h.
#pragma once

#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct AdadeltaOptions {
  double lr = 1;
  double rho = 0.9;
  double eps = 1e-6;
  double weight_decay = 0;
  bool maximize = false;
};

// Adadelta (Zeiler 2012), as PyTorch computes it:
//   g = gradient (its negative to maximize) + weight_decay * p
//   v = rho * v + (1 - rho) * g^2
//   d = sqrt(u + eps) / sqrt(v + eps) * g
//   u = rho * u + (1 - rho) * d^2
//   p = p - lr * d
class Adadelta final : public Optimizer {
 public:
  // ValueError for options out of range and for lists as add_group().
  explicit Adadelta(std::vector<NamedParameter> parameters, AdadeltaOptions options = {});
  // ValueError if the list is empty, holds what is not a leaf, or what is in a group already.
  void add_group(std::vector<NamedParameter> parameters, AdadeltaOptions options);
  const AdadeltaOptions& options(std::size_t group = 0) const;

 private:
  double rate(std::size_t group) const override { return options_[group].lr; }
  void set_rate(std::size_t group, double lr) override { options_[group].lr = lr; }
  std::span<const char* const> moments(std::size_t group) const override;
  void update(Leaf& leaf, State& state, std::size_t group) override;

  std::vector<AdadeltaOptions> options_;
};

}  // namespace tapegrad::optim
