// RAdam: Adam whose first steps are plain momentum, until the variance is known. Read next:
// optim/radam.cc.
#pragma once

#include <utility>
#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct RAdamOptions {
  double lr = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  bool maximize = false;
};

// RAdam (Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2019), as PyTorch
// computes it in step t:
//   g = gradient (its negative to maximize) + weight_decay * p
//   m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
//   rho_inf = 2 / (1 - beta2) - 1,  rho = rho_inf - 2 t beta2^t / (1 - beta2^t)
//   r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
//   p = p - lr * m / (1 - beta1^t) * (rho > 5 ? r * sqrt(1 - beta2^t) / (sqrt(v) + eps) : 1)
class RAdam final : public OptimizerWith<RAdamOptions> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit RAdam(std::vector<NamedParameter> parameters, RAdamOptions options = {});
  template <Number Rate>
  RAdam(std::vector<NamedParameter> parameters, Rate lr)
      : RAdam(std::move(parameters), RAdamOptions{.lr = static_cast<double>(lr)}) {}

 private:
  void check_options(const RAdamOptions& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
};

}  // namespace tapegrad::optim
