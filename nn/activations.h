// Activations as modules, for use in a Sequential. Each calls the function of the same name in
// autograd/ops.h. Read next: nn/activations.cc.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

// An activation with one option, a double or an std::int64_t.
template <class Option>
class ActivationWith : public Module {
 public:
  std::string description() const override;  // LeakyReLU(0.01)

 protected:
  explicit ActivationWith(Option option) : option_(option) {}
  Option option() const { return *option_; }
  void assign_from(const Module& other) override;

 private:
  Shared<Option> option_;
};

// Returns its input.
struct Identity : Module, Forward<Identity> {
  Variable operator()(const Variable& x) const {
    return hooked([](const Variable& in) { return in; }, x);
  }
};
struct Tanh : Module, Forward<Tanh> {
  Variable operator()(const Variable& x) const {
    return hooked([](const Variable& in) { return tanh(in); }, x);
  }
};
struct Sigmoid : Module, Forward<Sigmoid> {
  Variable operator()(const Variable& x) const {
    return hooked([](const Variable& in) { return sigmoid(in); }, x);
  }
};
struct ReLU : Module, Forward<ReLU> {
  Variable operator()(const Variable& x) const {
    return hooked([](const Variable& in) { return relu(in); }, x);
  }
};
struct LeakyReLU : ActivationWith<double>, Forward<LeakyReLU> {
  explicit LeakyReLU(double negative_slope = 0.01) : ActivationWith(negative_slope) {}
  Variable operator()(const Variable& x) const {
    return hooked([this](const Variable& in) { return leaky_relu(in, negative_slope()); }, x);
  }
  double negative_slope() const { return option(); }
};
struct ELU : ActivationWith<double>, Forward<ELU> {
  explicit ELU(double alpha = 1.0) : ActivationWith(alpha) {}
  Variable operator()(const Variable& x) const {
    return hooked([this](const Variable& in) { return elu(in, alpha()); }, x);
  }
  double alpha() const { return option(); }
};
struct GELU : Module, Forward<GELU> {
  Variable operator()(const Variable& x) const {
    return hooked([](const Variable& in) { return gelu(in); }, x);
  }
};
struct SiLU : Module, Forward<SiLU> {
  Variable operator()(const Variable& x) const {
    return hooked([](const Variable& in) { return silu(in); }, x);
  }
};
struct Softplus : Module, Forward<Softplus> {
  Variable operator()(const Variable& x) const {
    return hooked([](const Variable& in) { return softplus(in); }, x);
  }
};
struct Softmax : ActivationWith<std::int64_t>, Forward<Softmax> {
  explicit Softmax(std::int64_t dim) : ActivationWith(dim) {}
  Variable operator()(const Variable& x) const {
    return hooked([this](const Variable& in) { return softmax(in, dim()); }, x);
  }
  std::int64_t dim() const { return option(); }
};
struct LogSoftmax : ActivationWith<std::int64_t>, Forward<LogSoftmax> {
  explicit LogSoftmax(std::int64_t dim) : ActivationWith(dim) {}
  Variable operator()(const Variable& x) const {
    return hooked([this](const Variable& in) { return log_softmax(in, dim()); }, x);
  }
  std::int64_t dim() const { return option(); }
};
// Joins all dimensions but the first into one.
struct Flatten : Module, Forward<Flatten> {
  Variable operator()(const Variable& x) const {
    return hooked([](const Variable& in) { return flatten(in, 1); }, x);
  }
};

extern template class ActivationWith<double>;
extern template class ActivationWith<std::int64_t>;

}  // namespace tapegrad::nn
