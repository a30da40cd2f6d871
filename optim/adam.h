// Adam and AdamW: steps scaled by running means of the gradient and of its square. Read next:
// optim/adam.cc.
#pragma once

#include <utility>
#include <vector>

#include <tapegrad/optim/optimizer.h>

namespace tapegrad::optim {

struct AdamOptions {
  double lr = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;
  bool maximize = false;
};

struct AdamWOptions {
  double lr = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;
  bool amsgrad = false;
  bool maximize = false;
};

// Adam and AdamW are this class; they differ in where weight decay is applied.
template <class Options>
class AdamWith final : public OptimizerWith<Options> {
 public:
  // ValueError for options out of range, and for the lists that add_group() refuses.
  explicit AdamWith(std::vector<NamedParameter> parameters, Options options = {});
  template <Number Rate>
  AdamWith(std::vector<NamedParameter> parameters, Rate lr)
      : AdamWith(std::move(parameters), Options{.lr = static_cast<double>(lr)}) {}

 private:
  using State = Optimizer::State;
  void check_options(const Options& options) const override;
  std::vector<Attribute> named_options(std::size_t group) const override;
  std::vector<Moment> moments(std::size_t group) const override;
  void update(Update& x, std::size_t group) override;
  bool fused_update(State& state, std::size_t group) override;
};

// Adam (Kingma and Ba 2015), with the maximum of Reddi et al. (2018) for amsgrad, as PyTorch
// computes it:
//   g = gradient (its negative to maximize) + weight_decay * p
//   m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
//   p = p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
// Rows without a gradient still move by their means. This costs nothing until they are read, and
// little then, unless there is a weight_decay: then all pending steps are replayed. AdamW's decay
// costs nothing. Rows of an Embedding with {.sparse = true} move only if they have a gradient, as
// in torch.optim.SparseAdam; optim/sparse_adam.h does that for all parameters.
using Adam = AdamWith<AdamOptions>;

// Adam with weight decay separate from the gradient (Loshchilov and Hutter 2019): each step
// subtracts lr * weight_decay * p instead.
using AdamW = AdamWith<AdamWOptions>;

extern template class AdamWith<AdamOptions>;
extern template class AdamWith<AdamWOptions>;

}  // namespace tapegrad::optim
