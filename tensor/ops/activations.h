// Activations that are composed of other operations, written once for Tensor and Variable, as in
// compositions.h. The formulas and the gradients at the kinks are PyTorch's.
//
// Internal. Read next: tensor/ops/activations.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/reduce_shape.h>

namespace tapegrad::composition {

// min(max(x, low), high); gradient 0 at low and high, where clamp has 1.
template <class X>
X hardtanh(const X& x, double low, double high, const char* name = "hardtanh") {
  detail::require_floating(name, x.dtype());
  if (!(low <= high)) {
    throw ValueError(std::string(name) + ": min_val is " + std::to_string(low) + ", max_val " +
                     std::to_string(high) + ", needed min_val <= max_val");
  }
  return masked_fill(masked_fill(x, x <= low, low), x >= high, high);
}

template <class X>
X relu6(const X& x) {
  return composition::hardtanh(x, 0, 6, "relu6");
}

// relu6(x + 3) / 6          (Howard et al., "Searching for MobileNetV3", 2019)
template <class X>
X hardsigmoid(const X& x) {
  return composition::hardtanh(x + 3, 0, 6, "hardsigmoid") / 6;
}
// x * hardsigmoid(x)        (the same)
template <class X>
X hardswish(const X& x) {
  return x * (composition::hardtanh(x + 3, 0, 6, "hardswish") / 6);
}

// x above 0, and alpha (exp(x / alpha) - 1) below        (Barron 2017)
template <class X>
X celu(const X& x, double alpha) {
  detail::require_floating("celu", x.dtype());
  if (alpha == 0) throw ValueError("celu: alpha is 0, needed another number");
  return relu(x) + alpha * expm1(masked_fill(x, x > 0, 0) / alpha);
}

// scale (x above 0, alpha (exp(x) - 1) below), which keeps mean 0 and variance 1 from layer to
// layer (Klambauer et al., "Self-Normalizing Neural Networks", 2017).
template <class X>
X selu(const X& x) {
  constexpr double kAlpha = 1.6732632423543772848170429916717;
  constexpr double kScale = 1.0507009873554804934193349852946;
  detail::require_floating("selu", x.dtype());
  return kScale * elu(x, kAlpha);
}

// x tanh(softplus(x))       (Misra 2019)
template <class X>
X mish(const X& x) {
  detail::require_floating("mish", x.dtype());
  return x * tanh(softplus(x));
}

// log(sigmoid(x))
template <class X>
X logsigmoid(const X& x) {
  detail::require_floating("logsigmoid", x.dtype());
  return -softplus(-x);
}

// x moved towards 0 by lambd, and 0 for |x| <= lambd.
template <class X>
X softshrink(const X& x, double lambd) {
  detail::require_floating("softshrink", x.dtype());
  if (!(lambd >= 0)) {
    throw ValueError("softshrink: lambd is " + std::to_string(lambd) + ", needed 0 or more");
  }
  return x - clamp(x, -lambd, lambd);
}
// x, and 0 for |x| <= lambd.
template <class X>
X hardshrink(const X& x, double lambd) {
  detail::require_floating("hardshrink", x.dtype());
  return masked_fill(x, abs(x) <= lambd, 0);
}

// x above the threshold, otherwise value.
template <class X>
X threshold(const X& x, double threshold, double value) {
  detail::require_floating("threshold", x.dtype());
  return masked_fill(x, x <= threshold, value);
}

// x above 0, and weight x below        (He et al., "Delving Deep into Rectifiers", 2015)
template <class X>
X prelu(const X& x, const X& weight) {
  detail::require_floating("prelu", x.dtype());
  detail::require_same_dtype("prelu", x.dtype(), "weight", weight.dtype());
  Shape along;
  if (weight.numel() != 1) {
    const std::int64_t channels = x.dim() < 2 ? 1 : x.size(1);
    if (weight.dim() != 1 || weight.numel() != channels) {
      throw ShapeError("prelu: weight is " + to_string(weight.sizes()) + " and x " +
                       to_string(x.sizes()) + ", needed one element or (" +
                       std::to_string(channels) + "), the channels of dimension 1");
    }
    along = Shape(std::vector<std::int64_t>(static_cast<std::size_t>(x.dim()), 1));
    along[1] = channels;
  }
  const X slope = reshape(weight, along);
  return masked_fill(x, x <= 0, 0) + slope * masked_fill(x, x > 0, 0);
}

// The first half of x along dim, times the sigmoid of the second   (Dauphin et al. 2017)
template <class X>
X glu(const X& x, std::int64_t dim) {
  detail::require_floating("glu", x.dtype());
  const auto position = static_cast<std::int64_t>(detail::existing_dim(dim, x, "glu"));
  const std::int64_t size = x.size(position);
  if (size % 2 != 0) {
    throw ShapeError("glu: x is " + to_string(x.sizes()) + ", dimension " +
                     std::to_string(position) + " has the odd size " + std::to_string(size) +
                     "; needed two halves, values and gates");
  }
  return narrow(x, position, 0, size / 2) * sigmoid(narrow(x, position, size / 2, size / 2));
}

}  // namespace tapegrad::composition
