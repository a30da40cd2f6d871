// SparseAdam: Adam for tables, which moves only the rows that were looked up. Read next:
// optim/sparse_adam.cc.
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
// where t counts the steps of the whole table. This is a different algorithm from Adam, which
// updates rows without a gradient as if their gradient were 0.
class SparseAdam final : public OptimizerWith<SparseAdamOptions> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit SparseAdam(std::vector<NamedParameter> parameters, SparseAdamOptions options = {});
  template <Number Rate>
  SparseAdam(std::vector<NamedParameter> parameters, Rate lr)
      : SparseAdam(std::move(parameters), SparseAdamOptions{.lr = static_cast<double>(lr)}) {}

 private:
  void check_options(const SparseAdamOptions& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
  bool fused_update(State& state, std::size_t group) override;
  bool moves_rows_without_gradient(std::size_t) const override { return false; }
  void check_gradient(const Leaf& leaf) const override;  // ValueError if the gradient is dense
};

}  // namespace tapegrad::optim
