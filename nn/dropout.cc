// The masks of the three dropout layers. Read next: nn/activations.h.
#include <tapegrad/nn/dropout.h>

#include <cmath>
#include <sstream>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {

namespace {

double checked_rate(const char* layer, double p) {
  if (p >= 0 && p <= 1) return p;
  throw ValueError(std::string(layer) + ": p is " + std::to_string(p) +
                   ", needed a probability in [0, 1]");
}

}  // namespace

Variable dropout(const Variable& x, double p, bool training, GeneratorRef generator) {
  checked_rate("dropout", p);
  if (!training || p == 0) return x;
  if (p == 1) return x * 0;
  Tensor mask = bernoulli_(empty(x.shape(), x.dtype()), 1 - p, generator);
  mask.div_(1 - p);
  return x * mask;
}

Dropout::Dropout(double p, GeneratorRef generator)
    : settings_(Settings{checked_rate("Dropout", p), generator}) {
  depend_on_mode();
}

Variable Dropout::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) { return dropout(in, p(), is_training(), settings_->generator); },
      x);
}

std::string Dropout::description() const {
  std::ostringstream text;
  text << "Dropout(" << p() << ")";
  return text.str();
}

void Dropout::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const Dropout&>(other).settings_;
}

// Channels --------------------------------------------------------------------------------------

Dropout1d::Dropout1d(double p, GeneratorRef generator)
    : ActivationWith(checked_rate("Dropout1d", p)), generator_(generator) {
  depend_on_mode();
}

Variable Dropout1d::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return run(in); }, x);
}

Variable Dropout1d::run(const Variable& x) const {
  if (x.dim() != 2 && x.dim() != 3) {
    throw ShapeError("Dropout1d: x is " + to_string(x.sizes()) +
                     ", needed (batch, channels, length) or (channels, length)");
  }
  if (!is_training() || p() == 0) return x;
  if (p() == 1) return x * 0;
  Shape channels = x.shape();
  channels[x.dim() - 1] = 1;
  Tensor mask = bernoulli_(empty(channels, x.dtype()), 1 - p(), *generator_);
  mask.div_(1 - p());
  return x * mask;
}

void Dropout1d::assign_from(const Module& other) {
  ActivationWith::assign_from(other);
  *generator_ = *static_cast<const Dropout1d&>(other).generator_;
}

// For SELU ----------------------------------------------------------------------------------------

AlphaDropout::AlphaDropout(double p, GeneratorRef generator)
    : ActivationWith(checked_rate("AlphaDropout", p)), generator_(generator) {
  depend_on_mode();
}

Variable AlphaDropout::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return run(in); }, x);
}

// y = a (kept ? x : -limit) + b, where a and b restore mean 0 and variance 1
Variable AlphaDropout::run(const Variable& x) const {
  if (!is_training() || p() == 0) return x;
  if (p() == 1) return x * 0;
  constexpr double kLimit = 1.7580993408473766;  // SELU's lower limit is -kLimit
  const double a = 1 / std::sqrt((kLimit * kLimit * p() + 1) * (1 - p()));
  const Tensor kept = bernoulli_(empty(x.shape(), x.dtype()), 1 - p(), *generator_);
  return x * Variable(kept * a) + Variable((kept - 1) * (kLimit * a) + kLimit * a * p());
}

void AlphaDropout::assign_from(const Module& other) {
  ActivationWith::assign_from(other);
  *generator_ = *static_cast<const AlphaDropout&>(other).generator_;
}

}  // namespace tapegrad::nn
