// Adam and AdamW: steps scaled by running means of the gradient and of its square. Read next:
// optim/adagrad.h.
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

// Both are this class; they differ in where the decay goes.
template <class Options>
class AdamWith final : public Optimizer {
 public:
  // ValueError for options out of range and for lists as add_group().
  explicit AdamWith(std::vector<NamedParameter> parameters, Options options = {});
  // ValueError if the list is empty, holds what is not a leaf, or what is in a group already.
  void add_group(std::vector<NamedParameter> parameters, Options options);
  const Options& options(std::size_t group = 0) const;

 private:
  double rate(std::size_t group) const override { return options_[group].lr; }
  void set_rate(std::size_t group, double lr) override { options_[group].lr = lr; }
  double* momentum_option(std::size_t group) override { return &options_[group].betas.first; }
  std::span<const char* const> moments(std::size_t group) const override;
  void update(Leaf& leaf, State& state, std::size_t group) override;

  std::vector<Options> options_;
};

// Adam (Kingma and Ba 2015), with the maximum of Reddi et al. (2018) for amsgrad, as PyTorch
// computes it:
//   g = gradient (its negative to maximize) + weight_decay * p
//   m = beta1 * m + (1 - beta1) * g,  v = beta2 * v + (1 - beta2) * g^2
//   p = p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
// A row without a gradient moves on by its mean, which takes no time until it is read (Optimizer
// tells how), nor much then: but with weight_decay every row truly moves at every step, and all
// steps are replayed. AdamW's decay costs nothing. Rows of an Embedding with {.sparse = true} rest
// instead, as torch.optim.SparseAdam has it; optim/sparse_adam.h is the same for all parameters.
using Adam = AdamWith<AdamOptions>;

// Adam with the decay apart from the gradient (Loshchilov and Hutter 2019): p shrinks by
// lr * weight_decay * p instead.
using AdamW = AdamWith<AdamWOptions>;

extern template class AdamWith<AdamOptions>;
extern template class AdamWith<AdamWOptions>;

}  // namespace tapegrad::optim
