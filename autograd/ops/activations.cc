// The activations of tensor/ops/activations.h for Variables: the gradient is that of the operations
// that each is composed of. Read next: autograd/ops/reduced.h.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/ops/activations.h>

namespace tapegrad {

Variable relu6(const Variable& x) { return composition::relu6(x); }
Variable hardsigmoid(const Variable& x) { return composition::hardsigmoid(x); }
Variable hardswish(const Variable& x) { return composition::hardswish(x); }
Variable selu(const Variable& x) { return composition::selu(x); }
Variable mish(const Variable& x) { return composition::mish(x); }
Variable logsigmoid(const Variable& x) { return composition::logsigmoid(x); }
Variable hardtanh(const Variable& x, double min_val, double max_val) {
  return composition::hardtanh(x, min_val, max_val);
}
Variable celu(const Variable& x, double alpha) { return composition::celu(x, alpha); }
Variable softshrink(const Variable& x, double lambd) { return composition::softshrink(x, lambd); }
Variable hardshrink(const Variable& x, double lambd) { return composition::hardshrink(x, lambd); }
Variable threshold(const Variable& x, double threshold, double value) {
  return composition::threshold(x, threshold, value);
}
Variable prelu(const Variable& x, const Variable& weight) { return composition::prelu(x, weight); }
Variable glu(const Variable& x, std::int64_t dim) { return composition::glu(x, dim); }

}  // namespace tapegrad
