// Bilinear: y[o] = a^T W[o] b + bias[o]. Read next: nn/bilinear.cc.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/nn/linear.h>

namespace tapegrad::nn {

// weight and bias are drawn uniformly from [-1/sqrt(in1_features), 1/sqrt(in1_features)).
class Bilinear : public Module, public Forward<Bilinear> {
 public:
  // ValueError for negative sizes.
  Bilinear(std::int64_t in1_features, std::int64_t in2_features, std::int64_t out_features,
           LinearOptions options = {});

  // (..., in1_features), (..., in2_features) -> (..., out_features)
  Variable operator()(const Variable& a, const Variable& b) const;

  std::string description() const override;

  Parameter weight;  // (out_features, in1_features, in2_features)
  Parameter bias;    // (out_features); undefined if there is none
};

}  // namespace tapegrad::nn
