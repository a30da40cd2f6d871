// Adagrad: steps that shrink with the sum of all squared gradients so far. Read next:
// optim/rmsprop.h.
#pragma once

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
//   sum = sum + g^2, from initial_accumulator_value on
//   p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum) + eps)
// Words that are rare keep a high rate, whatever the frequent ones have been through.
class Adagrad final : public Optimizer {
 public:
  // ValueError for options out of range and for lists as add_group().
  explicit Adagrad(std::vector<NamedParameter> parameters, AdagradOptions options = {});
  // ValueError if the list is empty, holds what is not a leaf, or what is in a group already.
  void add_group(std::vector<NamedParameter> parameters, AdagradOptions options);
  const AdagradOptions& options(std::size_t group = 0) const;

 private:
  double rate(std::size_t group) const override { return options_[group].lr; }
  void set_rate(std::size_t group, double lr) override { options_[group].lr = lr; }
  std::span<const char* const> moments(std::size_t group) const override;
  double initial(std::size_t group, std::size_t moment) const override;
  void update(Leaf& leaf, State& state, std::size_t group) override;

  std::vector<AdagradOptions> options_;
};

}  // namespace tapegrad::optim
