// RNNCell: one step of a recurrent network (Elman 1990). Read next: nn/sequential.h.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

enum class Nonlinearity { tanh, relu };

struct RNNCellOptions {
  bool bias = true;
  Nonlinearity nonlinearity = Nonlinearity::tanh;
  DType dtype = float32;
};

// h' = tanh(x W_ih^T + b_ih + h W_hh^T + b_hh), or relu of it. All parameters are drawn uniformly
// from [-1/sqrt(hidden_size), 1/sqrt(hidden_size)).
class RNNCell : public Module {
 public:
  // ValueError for negative sizes.
  RNNCell(std::int64_t input_size, std::int64_t hidden_size, RNNCellOptions options = {});

  // (batch, input_size) and (batch, hidden_size) -> (batch, hidden_size); both without batch too.
  Variable operator()(const Variable& x, const Variable& h) const;
  Variable operator()(const Variable& x) const;  // from the initial state
  // Where mask, a boolean (batch), is false, the state stays as it is: text that has ended.
  Variable operator()(const Variable& x, const Variable& h, const Tensor& mask) const;

  // Zeros, (batch, hidden_size).
  Variable initial_state(std::int64_t batch) const;

  std::int64_t input_size() const { return weight_ih.size(1); }
  std::int64_t hidden_size() const { return weight_hh.size(1); }
  std::string description() const override;

  Parameter weight_ih;  // (hidden_size, input_size)
  Parameter weight_hh;  // (hidden_size, hidden_size)
  Parameter bias_ih;    // (hidden_size); undefined if there is none, as bias_hh
  Parameter bias_hh;

 protected:
  void become(const Module& other) const override;

 private:
  Parameter draw(const std::string& name, const Shape& shape, std::int64_t hidden_size,
                 DType dtype);
  Shared<RNNCellOptions> options_;
};

}  // namespace tapegrad::nn
