// How Bilinear draws its parameters and calls bilinear(). Read next: nn/losses.h.
#include <tapegrad/nn/bilinear.h>

#include <cmath>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {
namespace {

void check_bilinear_sizes(std::int64_t in1, std::int64_t in2, std::int64_t out) {
  if (in1 >= 0 && in2 >= 0 && out >= 0) return;
  throw ValueError("Bilinear: negative size in (" + std::to_string(in1) + ", " +
                   std::to_string(in2) + ") -> " + std::to_string(out));
}

Tensor initial_values(const Shape& shape, std::int64_t in1_features, const LinearOptions& options) {
  const double bound = in1_features > 0 ? 1 / std::sqrt(static_cast<double>(in1_features)) : 0;
  return uniform_(empty(shape, options.dtype), -bound, bound, options.generator);
}

}  // namespace

Bilinear::Bilinear(std::int64_t in1_features, std::int64_t in2_features, std::int64_t out_features,
                   LinearOptions options)
    : weight(
          (check_bilinear_sizes(in1_features, in2_features, out_features),
           register_parameter("weight", initial_values({out_features, in1_features, in2_features},
                                                       in1_features, options)))),
      bias(options.bias
               ? register_parameter("bias", initial_values({out_features}, in1_features, options))
               : Parameter()) {}

Variable Bilinear::operator()(const Variable& a, const Variable& b) const {
  return hooked(
      [this](const Variable& in1, const Variable& in2) { return bilinear(in1, in2, weight, bias); },
      a, b);
}

std::string Bilinear::description() const {
  return "Bilinear(" + std::to_string(weight.size(1)) + ", " + std::to_string(weight.size(2)) +
         ", " + std::to_string(weight.size(0)) + (bias.defined() ? ")" : ", bias=false)");
}

}  // namespace tapegrad::nn
