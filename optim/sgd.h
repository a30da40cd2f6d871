// SGD: steps against the gradient, with optional momentum. Read next: optim/sgd.cc.
#pragma once

#include <utility>
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
//   b = momentum * b + (1 - dampening) * g; in the first step b = g
//   p = p - lr * (nesterov ? g + momentum * b : b)
class SGD final : public OptimizerWith<SGDOptions> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit SGD(std::vector<NamedParameter> parameters, SGDOptions options = {});
  template <Number Rate>
  SGD(std::vector<NamedParameter> parameters, Rate lr, double momentum = 0)
      : SGD(std::move(parameters),
            SGDOptions{.lr = static_cast<double>(lr), .momentum = momentum}) {}

 private:
  void check_options(const SGDOptions& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
  bool fused_update(State& state, std::size_t group) override;
  bool moves_rows_without_gradient(std::size_t group) const override;
  bool honors_sparse() const override { return false; }  // as in torch.optim.SGD
};

}  // namespace tapegrad::optim
