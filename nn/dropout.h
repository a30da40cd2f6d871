// Dropout (Srivastava and others 2014). Read next: nn/losses.h.
#pragma once

#include <string>

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
  void become(const Module& other) const override;

 private:
  Shared<double> p_;
};

}  // namespace tapegrad::nn
