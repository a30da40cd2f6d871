#include <tapegrad/nn/dropout.h>

#include <sstream>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random.h>

namespace tapegrad::nn {

Dropout::Dropout(double p) : p_(p) {
  if (!(p >= 0 && p <= 1)) {
    throw ValueError("Dropout: p is " + std::to_string(p) + ", needed a probability in [0, 1]");
  }
}

Variable Dropout::operator()(const Variable& x) const {
  if (!is_training() || p() == 0) return x;
  if (p() == 1) return x * 0;
  Tensor mask = bernoulli_(empty(x.shape(), x.dtype()), 1 - p());
  mask.div_(1 - p());
  return x * mask;
}

std::string Dropout::description() const {
  std::ostringstream text;
  text << "Dropout(" << p() << ")";
  return text.str();
}

void Dropout::become(const Module& other) const {
  Module::become(other);
  *p_ = *static_cast<const Dropout&>(other).p_;
}

}  // namespace tapegrad::nn
