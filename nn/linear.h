// Linear: y = x W^T + b. Read next: nn/linear.cc.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::nn {

struct LinearOptions {
  bool bias = true;
  DType dtype = float32;
  GeneratorRef generator{};  // draws the initial weights
};

// weight and bias are drawn uniformly from [-1/sqrt(in_features), 1/sqrt(in_features)), as in
// PyTorch (kaiming_uniform_() with a = sqrt(5)).
class Linear : public Module, public Forward<Linear> {
 public:
  // ValueError for negative sizes.
  Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options = {});
  template <std::same_as<bool> Bool>
  Linear(std::int64_t in_features, std::int64_t out_features, Bool with_bias)
      : Linear(in_features, out_features, LinearOptions{.bias = with_bias}) {}

  // Shares the parameter of another layer as its weight, as tie() does; the bias begins as 0.
  // ShapeError unless the weight is 2-d.
  explicit Linear(const Parameter& weight, bool bias = false);

  // (..., in_features) -> (..., out_features)
  Variable operator()(const Variable& x) const;

  std::string description() const override;

  Parameter weight;  // (out_features, in_features)
  Parameter bias;    // (out_features); undefined if there is none
};

}  // namespace tapegrad::nn
