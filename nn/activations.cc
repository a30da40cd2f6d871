// The functions that activations with options share, and the larger modules. Read next:
// nn/sequential.h.
#include <tapegrad/nn/activations.h>

#include <sstream>

namespace tapegrad::nn {
namespace {

std::ostream& operator<<(std::ostream& out, const TwoOptions& options) {
  return out << options.first << ", " << options.second;
}

// The bodies of operator(), of few types, so that hooked() is compiled a few times only.
using Plain = Variable (*)(const Variable&);

template <class Option>
struct With {
  Variable (*function)(const Variable&, Option);
  Option option;
  Variable operator()(const Variable& x) const { return function(x, option); }
};

struct WithTwo {
  Variable (*function)(const Variable&, double, double);
  TwoOptions options;
  Variable operator()(const Variable& x) const {
    return function(x, options.first, options.second);
  }
};

}  // namespace

template <class Option>
ActivationWith<Option>::ActivationWith(Option option) : option_(option) {}

template <class Option>
std::string ActivationWith<Option>::description() const {
  std::ostringstream text;
  text << Module::description() << '(' << option() << ')';
  return text.str();
}

template <class Option>
void ActivationWith<Option>::assign_from(const Module& other) {
  Module::assign_from(other);
  *option_ = *static_cast<const ActivationWith&>(other).option_;
}

template class ActivationWith<double>;
template class ActivationWith<TwoOptions>;
template class ActivationWith<std::int64_t>;

Variable Identity::operator()(const Variable& x) const {
  return hooked([](const Variable& in) { return in; }, x);
}
Variable Tanh::operator()(const Variable& x) const { return hooked(Plain(tanh), x); }
Variable Sigmoid::operator()(const Variable& x) const { return hooked(Plain(sigmoid), x); }
Variable ReLU::operator()(const Variable& x) const { return hooked(Plain(relu), x); }
Variable LeakyReLU::operator()(const Variable& x) const {
  return hooked(With<double>{leaky_relu, negative_slope()}, x);
}
Variable ELU::operator()(const Variable& x) const { return hooked(With<double>{elu, alpha()}, x); }
Variable GELU::operator()(const Variable& x) const {
  return hooked([](const Variable& in) { return gelu(in); }, x);
}
Variable SiLU::operator()(const Variable& x) const { return hooked(Plain(silu), x); }
Variable Softplus::operator()(const Variable& x) const {
  return hooked(WithTwo{softplus, option()}, x);
}
Variable Softsign::operator()(const Variable& x) const { return hooked(Plain(softsign), x); }
Variable ReLU6::operator()(const Variable& x) const { return hooked(Plain(relu6), x); }
Variable Hardtanh::operator()(const Variable& x) const {
  return hooked(WithTwo{hardtanh, option()}, x);
}
Variable Hardsigmoid::operator()(const Variable& x) const { return hooked(Plain(hardsigmoid), x); }
Variable Hardswish::operator()(const Variable& x) const { return hooked(Plain(hardswish), x); }
Variable SELU::operator()(const Variable& x) const { return hooked(Plain(selu), x); }
Variable CELU::operator()(const Variable& x) const {
  return hooked(With<double>{celu, alpha()}, x);
}
Variable Mish::operator()(const Variable& x) const { return hooked(Plain(mish), x); }
Variable LogSigmoid::operator()(const Variable& x) const { return hooked(Plain(logsigmoid), x); }
Variable Softshrink::operator()(const Variable& x) const {
  return hooked(With<double>{softshrink, lambd()}, x);
}
Variable Hardshrink::operator()(const Variable& x) const {
  return hooked(With<double>{hardshrink, lambd()}, x);
}
Variable Threshold::operator()(const Variable& x) const {
  return hooked(WithTwo{tapegrad::threshold, option()}, x);
}
Variable GLU::operator()(const Variable& x) const {
  return hooked(With<std::int64_t>{glu, dim()}, x);
}
Variable PReLU::operator()(const Variable& x) const {
  return hooked([this](const Variable& in) { return prelu(in, weight); }, x);
}
Variable Softmax::operator()(const Variable& x) const {
  return hooked(With<std::int64_t>{softmax, dim()}, x);
}
Variable LogSoftmax::operator()(const Variable& x) const {
  return hooked(With<std::int64_t>{log_softmax, dim()}, x);
}
Variable Softmin::operator()(const Variable& x) const {
  return hooked(With<std::int64_t>{softmin, dim()}, x);
}
Variable Flatten::operator()(const Variable& x) const {
  return hooked([](const Variable& in) { return flatten(in, 1); }, x);
}
Variable Unflatten::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) { return unflatten(in, settings_->dim, settings_->sizes); }, x);
}

PReLU::PReLU(std::int64_t num_parameters, double init)
    : weight(register_parameter("weight", full({num_parameters}, init, float32))) {}

std::string PReLU::description() const {
  return "PReLU(num_parameters=" + std::to_string(weight.numel()) + ")";
}

Unflatten::Unflatten(std::int64_t dim, const Shape& sizes) : settings_({dim, sizes}) {}

std::string Unflatten::description() const {
  return "Unflatten(" + std::to_string(settings_->dim) + ", " + to_string(settings_->sizes) + ")";
}

void Unflatten::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const Unflatten&>(other).settings_;
}

}  // namespace tapegrad::nn
