// Lion: steps by the sign of a momentum. Read next: optim/lion.cc.
#pragma once

#include <utility>
#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct LionOptions {
  double lr = 1e-4;  // a tenth to a third of Adam's, because every element moves by lr
  std::pair<double, double> betas = {0.9, 0.99};
  double weight_decay = 0;  // decoupled, as AdamW's
  bool maximize = false;
};

// Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023):
//   g = gradient (its negative to maximize)
//   p = p - lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * p)
//   m = beta2 * m + (1 - beta2) * g
class Lion final : public OptimizerWith<LionOptions> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit Lion(std::vector<NamedParameter> parameters, LionOptions options = {});
  template <Number Rate>
  Lion(std::vector<NamedParameter> parameters, Rate lr)
      : Lion(std::move(parameters), LionOptions{.lr = static_cast<double>(lr)}) {}

 private:
  void check_options(const LionOptions& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
};

}  // namespace tapegrad::optim
