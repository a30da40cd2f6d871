// SGD: steps against the gradient, with momentum if wanted. Read next: optim/adam.h.
#pragma once

#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct SGDOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
};

// Stochastic gradient descent with momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013), as
// PyTorch computes it:
//   g = gradient (its negative to maximize) + weight_decay * p
//   b = momentum * b + (1 - dampening) * g, g itself at the first step
//   p = p - lr * (nesterov ? g + momentum * b : b)
class SGD final : public Optimizer {
 public:
  // ValueError for options out of range and for lists as add_group().
  explicit SGD(std::vector<NamedParameter> parameters, SGDOptions options = {});
  // ValueError if the list is empty, holds what is not a leaf, or what is in a group already.
  void add_group(std::vector<NamedParameter> parameters, SGDOptions options);
  const SGDOptions& options(std::size_t group = 0) const;

 private:
  double rate(std::size_t group) const override { return options_[group].lr; }
  void set_rate(std::size_t group, double lr) override { options_[group].lr = lr; }
  double* momentum_option(std::size_t group) override;
  std::span<const char* const> moments(std::size_t group) const override;
  void update(Leaf& leaf, State& state, std::size_t group) override;

  std::vector<SGDOptions> options_;
};

}  // namespace tapegrad::optim
