// Adagrad: steps that shrink with the sum of all squared gradients so far. Read next:
// optim/adagrad.cc.
#pragma once

#include <utility>
#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;
  double weight_decay = 0;
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool maximize = false;
};

// Adagrad (Duchi et al. 2011), as PyTorch computes it:
//   g = gradient (its negative to maximize) + weight_decay * p
//   sum = sum + g^2, starting from initial_accumulator_value
//   p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)
// Rare words keep a high rate, however often frequent words are updated.
class Adagrad final : public OptimizerWith<AdagradOptions> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit Adagrad(std::vector<NamedParameter> parameters, AdagradOptions options = {});
  template <Number Rate>
  Adagrad(std::vector<NamedParameter> parameters, Rate lr)
      : Adagrad(std::move(parameters), AdagradOptions{.lr = static_cast<double>(lr)}) {}

 private:
  void check_options(const AdagradOptions& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
  bool fused_update(State& state, std::size_t group) override;
  bool moves_rows_without_gradient(std::size_t group) const override;
};

}  // namespace tapegrad::optim
