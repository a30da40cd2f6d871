// SparseAdam: Adam for tables that moves only the rows that were looked up. Read next:
// optim/schedule.h.
#pragma once

#include <utility>
#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct SparseAdamOptions {
  double lr = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  bool maximize = false;
};

// The lazy Adam of PyTorch's SparseAdam. For the rows of the gradient, and no others:
//   g = gradient (its negative to maximize)
//   m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
//   p = p - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)
// where t counts the steps of the whole table. It is another algorithm than Adam, which gives rows
// without a gradient what it would give them with one of zeros.
class SparseAdam final : public Optimizer {
 public:
  // ValueError for options out of range and for lists as add_group().
  explicit SparseAdam(std::vector<NamedParameter> parameters, SparseAdamOptions options = {});
  // ValueError if the list is empty, holds what is not a leaf, or what is in a group already.
  void add_group(std::vector<NamedParameter> parameters, SparseAdamOptions options);
  const SparseAdamOptions& options(std::size_t group = 0) const;

 private:
  double rate(std::size_t group) const override { return options_[group].lr; }
  void set_rate(std::size_t group, double lr) override { options_[group].lr = lr; }
  double* momentum_option(std::size_t group) override { return &options_[group].betas.first; }
  std::span<const char* const> moments(std::size_t group) const override;
  // ValueError if the gradient is dense.
  void check_gradient(const Leaf& leaf) const override;
  void update(Leaf& leaf, State& state, std::size_t group) override;

  std::vector<SparseAdamOptions> options_;
};

}  // namespace tapegrad::optim
