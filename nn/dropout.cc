// The masks of the three dropout layers. Read next: nn/activations.h.
#include <tapegrad/nn/dropout.h>

#include <cmath>
#include <sstream>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random/dropout_mask.h>

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
  Tensor mask = dropout_mask(x.shape(), x.dtype(), p, generator);
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

ChannelDropout::ChannelDropout(const char* layer, double p, GeneratorRef generator)
    : ActivationWith(checked_rate(layer, p)), generator_(generator) {
  depend_on_mode();
}

Variable ChannelDropout::run(const Variable& x, std::int64_t dims) const {
  if (!is_training() || p() == 0) return x;
  if (p() == 1) return x * 0;
  Shape channels = x.shape();
  for (std::int64_t d = x.dim() - dims; d < x.dim(); ++d) {
    channels[d] = 1;
  }
  Tensor mask = dropout_mask(channels, x.dtype(), p(), *generator_);
  mask.div_(1 - p());
  return x * mask;
}

void ChannelDropout::assign_from(const Module& other) {
  ActivationWith::assign_from(other);
  *generator_ = *static_cast<const ChannelDropout&>(other).generator_;
}

Variable Dropout1d::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        if (in.dim() != 2 && in.dim() != 3) {
          throw ShapeError("Dropout1d: x is " + to_string(in.sizes()) +
                           ", needed (batch, channels, length) or (channels, length)");
        }
        return run(in, 1);
      },
      x);
}

Variable Dropout2d::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        if (in.dim() != 4) {
          throw ShapeError("Dropout2d: x is " + to_string(in.sizes()) +
                           ", needed (batch, channels, height, width)" +
                           (in.dim() == 3 ? "; for sequences, use Dropout1d" : ""));
        }
        return run(in, 2);
      },
      x);
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
  const Tensor kept = dropout_mask(x.shape(), x.dtype(), p(), *generator_);
  return x * Variable(kept * a) + Variable((kept - 1) * (kLimit * a) + kLimit * a * p());
}

void AlphaDropout::assign_from(const Module& other) {
  ActivationWith::assign_from(other);
  *generator_ = *static_cast<const AlphaDropout&>(other).generator_;
}

}  // namespace tapegrad::nn
