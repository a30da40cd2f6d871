// Linear: how its parameters are drawn or shared, and its call of linear(). Read next:
// nn/embedding.h.
#include <tapegrad/nn/linear.h>

#include <cmath>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {
namespace {

void check_linear_sizes(std::int64_t in_features, std::int64_t out_features) {
  if (in_features < 0 || out_features < 0) {
    throw ValueError("Linear: negative size in " + std::to_string(in_features) + " -> " +
                     std::to_string(out_features));
  }
}

Tensor uniform(const Shape& shape, double bound, const LinearOptions& options) {
  return uniform_(empty(shape, options.dtype), -bound, bound, options.generator);
}

// Kaiming's bound for a leaky ReLU of slope sqrt(5), rounded as PyTorch rounds it.
double weight_bound(std::int64_t fan_in) {
  const double slope = std::sqrt(5.0);
  const double gain = std::sqrt(2.0 / (1.0 + slope * slope));
  return fan_in == 0 ? 0 : std::sqrt(3.0) * (gain / std::sqrt(static_cast<double>(fan_in)));
}

double bias_bound(std::int64_t fan_in) {
  return fan_in == 0 ? 0 : 1.0 / std::sqrt(static_cast<double>(fan_in));
}

std::int64_t checked_rows(const Parameter& weight) {
  if (weight.dim() != 2) {
    throw ShapeError("Linear: weight has shape " + to_string(weight.sizes()) +
                     ", needed (out_features, in_features)");
  }
  return weight.size(0);
}

}  // namespace

Linear::Linear(std::int64_t in_features, std::int64_t out_features, LinearOptions options)
    : weight((check_linear_sizes(in_features, out_features),
              register_parameter("weight", uniform({out_features, in_features},
                                                   weight_bound(in_features), options)))),
      bias(options.bias ? register_parameter(
                              "bias", uniform({out_features}, bias_bound(in_features), options))
                        : Parameter()) {}

Linear::Linear(const Parameter& tied, bool with_bias)
    : weight(register_parameter("weight", empty({checked_rows(tied), tied.size(1)}, tied.dtype()))),
      bias(with_bias ? register_parameter("bias", zeros({tied.size(0)}, tied.dtype()))
                     : Parameter()) {
  tie(weight, tied);
}

Variable Linear::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return linear(in, weight, bias); }, x);
}

std::string Linear::description() const {
  return "Linear(" + std::to_string(weight.size(1)) + ", " + std::to_string(weight.size(0)) +
         (bias.defined() ? ")" : ", bias=false)");
}

}  // namespace tapegrad::nn
