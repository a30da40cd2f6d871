// NAdam: Adam with Nesterov's momentum. Read next: optim/nadam.cc.
#pragma once

#include <utility>
#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct NAdamOptions {
  double lr = 2e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  double momentum_decay = 4e-3;
  bool maximize = false;
};

// NAdam (Dozat, "Incorporating Nesterov Momentum into Adam", 2016), as PyTorch computes it in step
// t:
//   g = gradient (its negative to maximize) + weight_decay * p
//   mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
//   m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
//   d = sqrt(v / (1 - beta2^t)) + eps
//   p = p - lr * ((1 - mu_t) / (1 - mu_1 ... mu_t) * g + mu_t+1 / (1 - mu_1 ... mu_t+1) * m) / d
class NAdam final : public OptimizerWith<NAdamOptions> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit NAdam(std::vector<NamedParameter> parameters, NAdamOptions options = {});
  template <Number Rate>
  NAdam(std::vector<NamedParameter> parameters, Rate lr)
      : NAdam(std::move(parameters), NAdamOptions{.lr = static_cast<double>(lr)}) {}

 private:
  void check_options(const NAdamOptions& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
};

}  // namespace tapegrad::optim
