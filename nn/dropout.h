// Dropout (Srivastava and others 2014) and its kin. Read next: nn/dropout.cc.
#pragma once

#include <string>

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

// In training, each element becomes 0 with probability p and is divided by 1 - p otherwise; in eval
// mode nothing happens. Draws from the default generator, as PyTorch does.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);  // ValueError unless 0 <= p <= 1
  Variable operator()(const Variable& x) const;
  double p() const { return *p_; }
  std::string description() const override;

 protected:
  void assign_from(const Module& other) override;

 private:
  Variable forward(const Variable& x) const;
  Shared<double> p_;
};

// The same for whole channels (Tompson and others 2015): (batch, channels, length) or (channels,
// length).
struct Dropout1d : ActivationWith<double> {
  explicit Dropout1d(double p = 0.5);
  Variable operator()(const Variable& x) const;
  double p() const { return option(); }

 private:
  Variable forward(const Variable& x) const;
};

// Keeps the mean and variance that SELU works towards: dropped elements become SELU's limit, and
// all are scaled and shifted (Klambauer and others 2017).
struct AlphaDropout : ActivationWith<double> {
  explicit AlphaDropout(double p = 0.5);
  Variable operator()(const Variable& x) const;
  double p() const { return option(); }

 private:
  Variable forward(const Variable& x) const;
};

}  // namespace tapegrad::nn
