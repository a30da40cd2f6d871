// The activations of tensor/ops/activations.h for Tensors. Read next: tensor/ops/inplace.cc.
#include <tapegrad/tensor/ops/activations.h>

namespace tapegrad {

Tensor relu6(const Tensor& x) { return composition::relu6(x); }
Tensor hardsigmoid(const Tensor& x) { return composition::hardsigmoid(x); }
Tensor hardswish(const Tensor& x) { return composition::hardswish(x); }
Tensor selu(const Tensor& x) { return composition::selu(x); }
Tensor mish(const Tensor& x) { return composition::mish(x); }
Tensor logsigmoid(const Tensor& x) { return composition::logsigmoid(x); }
Tensor hardtanh(const Tensor& x, double min_val, double max_val) {
  return composition::hardtanh(x, min_val, max_val);
}
Tensor celu(const Tensor& x, double alpha) { return composition::celu(x, alpha); }
Tensor softshrink(const Tensor& x, double lambd) { return composition::softshrink(x, lambd); }
Tensor hardshrink(const Tensor& x, double lambd) { return composition::hardshrink(x, lambd); }
Tensor threshold(const Tensor& x, double threshold, double value) {
  return composition::threshold(x, threshold, value);
}
Tensor prelu(const Tensor& x, const Tensor& weight) { return composition::prelu(x, weight); }
Tensor glu(const Tensor& x, std::int64_t dim) { return composition::glu(x, dim); }

}  // namespace tapegrad
