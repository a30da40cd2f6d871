// Activations as modules, to put into a Sequential; each is the function of autograd/ops.h with the
// same name. Read next: nn/dropout.h.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

struct Tanh : Module {
  Variable operator()(const Variable& x) const { return tanh(x); }
};
struct Sigmoid : Module {
  Variable operator()(const Variable& x) const { return sigmoid(x); }
};
struct ReLU : Module {
  Variable operator()(const Variable& x) const { return relu(x); }
};
struct LeakyReLU : Module {
  explicit LeakyReLU(double slope = 0.01) : negative_slope(slope) {}
  Variable operator()(const Variable& x) const { return leaky_relu(x, negative_slope); }
  const double negative_slope;
};
struct ELU : Module {
  explicit ELU(double scale = 1.0) : alpha(scale) {}
  Variable operator()(const Variable& x) const { return elu(x, alpha); }
  const double alpha;
};
struct GELU : Module {
  Variable operator()(const Variable& x) const { return gelu(x); }
};
struct SiLU : Module {
  Variable operator()(const Variable& x) const { return silu(x); }
};
struct Softplus : Module {
  Variable operator()(const Variable& x) const { return softplus(x); }
};
struct Softmax : Module {
  explicit Softmax(std::int64_t along) : dim(along) {}
  Variable operator()(const Variable& x) const { return softmax(x, dim); }
  const std::int64_t dim;
};
struct LogSoftmax : Module {
  explicit LogSoftmax(std::int64_t along) : dim(along) {}
  Variable operator()(const Variable& x) const { return log_softmax(x, dim); }
  const std::int64_t dim;
};
// All dimensions but the first become one.
struct Flatten : Module {
  Variable operator()(const Variable& x) const { return flatten(x, 1); }
};

}  // namespace tapegrad::nn
