// Activations as modules, for use in a Sequential. Each calls the function of the same name in
// autograd/ops.h. Read next: nn/activations.cc.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

// The options of an activation that has two.
struct TwoOptions {
  double first;
  double second;
};

// An activation with options: a double, an std::int64_t, or TwoOptions.
template <class Option>
class ActivationWith : public Module {
 public:
  std::string description() const override;  // LeakyReLU(0.01)

 protected:
  explicit ActivationWith(Option option);
  Option option() const { return *option_; }
  void assign_from(const Module& other) override;

 private:
  Shared<Option> option_;
};

// Returns its input.
struct Identity : Module, Forward<Identity> {
  Variable operator()(const Variable& x) const;
};
struct Tanh : Module, Forward<Tanh> {
  Variable operator()(const Variable& x) const;
};
struct Sigmoid : Module, Forward<Sigmoid> {
  Variable operator()(const Variable& x) const;
};
struct ReLU : Module, Forward<ReLU> {
  Variable operator()(const Variable& x) const;
};
struct LeakyReLU : ActivationWith<double>, Forward<LeakyReLU> {
  explicit LeakyReLU(double negative_slope = 0.01) : ActivationWith(negative_slope) {}
  Variable operator()(const Variable& x) const;
  double negative_slope() const { return option(); }
};
struct ELU : ActivationWith<double>, Forward<ELU> {
  explicit ELU(double alpha = 1.0) : ActivationWith(alpha) {}
  Variable operator()(const Variable& x) const;
  double alpha() const { return option(); }
};
struct GELU : Module, Forward<GELU> {
  Variable operator()(const Variable& x) const;
};
struct SiLU : Module, Forward<SiLU> {
  Variable operator()(const Variable& x) const;
};
struct Softplus : ActivationWith<TwoOptions>, Forward<Softplus> {
  explicit Softplus(double beta = 1, double threshold = 20) : ActivationWith({beta, threshold}) {}
  Variable operator()(const Variable& x) const;
  double beta() const { return option().first; }
  double threshold() const { return option().second; }
};
struct Softsign : Module, Forward<Softsign> {
  Variable operator()(const Variable& x) const;
};
struct ReLU6 : Module, Forward<ReLU6> {
  Variable operator()(const Variable& x) const;
};
struct Hardtanh : ActivationWith<TwoOptions>, Forward<Hardtanh> {
  explicit Hardtanh(double min_val = -1, double max_val = 1) : ActivationWith({min_val, max_val}) {}
  Variable operator()(const Variable& x) const;
  double min_val() const { return option().first; }
  double max_val() const { return option().second; }
};
struct Hardsigmoid : Module, Forward<Hardsigmoid> {
  Variable operator()(const Variable& x) const;
};
struct Hardswish : Module, Forward<Hardswish> {
  Variable operator()(const Variable& x) const;
};
struct SELU : Module, Forward<SELU> {
  Variable operator()(const Variable& x) const;
};
struct CELU : ActivationWith<double>, Forward<CELU> {
  explicit CELU(double alpha = 1.0) : ActivationWith(alpha) {}
  Variable operator()(const Variable& x) const;
  double alpha() const { return option(); }
};
struct Mish : Module, Forward<Mish> {
  Variable operator()(const Variable& x) const;
};
struct LogSigmoid : Module, Forward<LogSigmoid> {
  Variable operator()(const Variable& x) const;
};
struct Softshrink : ActivationWith<double>, Forward<Softshrink> {
  explicit Softshrink(double lambd = 0.5) : ActivationWith(lambd) {}
  Variable operator()(const Variable& x) const;
  double lambd() const { return option(); }
};
struct Hardshrink : ActivationWith<double>, Forward<Hardshrink> {
  explicit Hardshrink(double lambd = 0.5) : ActivationWith(lambd) {}
  Variable operator()(const Variable& x) const;
  double lambd() const { return option(); }
};
struct Threshold : ActivationWith<TwoOptions>, Forward<Threshold> {
  Threshold(double threshold, double value) : ActivationWith({threshold, value}) {}
  Variable operator()(const Variable& x) const;
  double threshold() const { return option().first; }
  double value() const { return option().second; }
};
struct GLU : ActivationWith<std::int64_t>, Forward<GLU> {
  explicit GLU(std::int64_t dim = -1) : ActivationWith(dim) {}
  Variable operator()(const Variable& x) const;
  std::int64_t dim() const { return option(); }
};
// x above 0, and a learned slope below: one slope, or one for each of num_parameters channels.
// Weight decay is usually not applied to it.
class PReLU : public Module, public Forward<PReLU> {
 public:
  explicit PReLU(std::int64_t num_parameters = 1, double init = 0.25);
  Variable operator()(const Variable& x) const;
  std::string description() const override;  // PReLU(num_parameters=1)

  Parameter weight;  // (num_parameters)
};
struct Softmax : ActivationWith<std::int64_t>, Forward<Softmax> {
  explicit Softmax(std::int64_t dim) : ActivationWith(dim) {}
  Variable operator()(const Variable& x) const;
  std::int64_t dim() const { return option(); }
};
struct LogSoftmax : ActivationWith<std::int64_t>, Forward<LogSoftmax> {
  explicit LogSoftmax(std::int64_t dim) : ActivationWith(dim) {}
  Variable operator()(const Variable& x) const;
  std::int64_t dim() const { return option(); }
};
struct Softmin : ActivationWith<std::int64_t>, Forward<Softmin> {
  explicit Softmin(std::int64_t dim) : ActivationWith(dim) {}
  Variable operator()(const Variable& x) const;
  std::int64_t dim() const { return option(); }
};
// Joins all dimensions but the first into one.
struct Flatten : Module, Forward<Flatten> {
  Variable operator()(const Variable& x) const;
};

// Splits a dimension: Unflatten(1, {2, 3}) makes (n, 6, ...) into (n, 2, 3, ...).
class Unflatten : public Module, public Forward<Unflatten> {
 public:
  Unflatten(std::int64_t dim, const Shape& sizes);
  Variable operator()(const Variable& x) const;
  std::string description() const override;  // Unflatten(1, {2, 3})

 protected:
  void assign_from(const Module& other) override;

 private:
  struct Settings {
    std::int64_t dim;
    Shape sizes;
  };
  Shared<Settings> settings_;
};

extern template class ActivationWith<double>;
extern template class ActivationWith<TwoOptions>;
extern template class ActivationWith<std::int64_t>;

}  // namespace tapegrad::nn
