// Adadelta: steps in the units of the parameter, from running means of squared gradients and of
// squared steps. Read next: optim/adadelta.cc.
#pragma once

#include <utility>
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
class Adadelta final : public OptimizerWith<AdadeltaOptions> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit Adadelta(std::vector<NamedParameter> parameters, AdadeltaOptions options = {});
  template <Number Rate>
  Adadelta(std::vector<NamedParameter> parameters, Rate lr)
      : Adadelta(std::move(parameters), AdadeltaOptions{.lr = static_cast<double>(lr)}) {}

 private:
  void check_options(const AdadeltaOptions& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
  bool fused_update(State& state, std::size_t group) override;
  bool honors_sparse() const override { return false; }  // as in torch.optim.Adadelta
};

}  // namespace tapegrad::optim
