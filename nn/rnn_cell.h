// RNNCell, LSTMCell, GRUCell: one step of a recurrent network. Read next: nn/rnn_cell.cc.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad {
enum class Recurrence;
}  // namespace tapegrad

namespace tapegrad::nn {

enum class Nonlinearity { tanh, relu };

struct RNNCellOptions {
  bool bias = true;
  Nonlinearity nonlinearity = Nonlinearity::tanh;
  DType dtype = float32;
  GeneratorRef generator{};  // draws the initial weights
};
struct LSTMCellOptions {
  bool bias = true;
  DType dtype = float32;
  GeneratorRef generator{};  // draws the initial weights
};
using GRUCellOptions = LSTMCellOptions;

// The common part of all cells. Parameters are drawn uniformly from [-1/sqrt(hidden_size),
// 1/sqrt(hidden_size)), in the order of their declarations.
class RNNCellBase : public Module {
 public:
  std::int64_t input_size() const { return weight_ih.size(1); }
  std::int64_t hidden_size() const { return weight_hh.size(1); }
  std::string description() const override;

  Parameter weight_ih;  // (gates * hidden_size, input_size)
  Parameter weight_hh;  // (gates * hidden_size, hidden_size)
  Parameter bias_ih;    // (gates * hidden_size); undefined if there is none, as bias_hh
  Parameter bias_hh;

 protected:
  // ValueError for negative sizes. `name` is a literal.
  RNNCellBase(const char* name, std::int64_t gates, std::int64_t input_size,
              std::int64_t hidden_size, const LSTMCellOptions& options);
  // ShapeError and DTypeError unless x is (..., input_size) and the state, and the mask if there is
  // one, fit; an undefined state fits.
  void check(const Variable& x, const Variable& state, const char* name_of_state,
             const Tensor& mask = {}) const;
  // One step of a cell whose state is h alone.
  Variable step(Recurrence kind, const Variable& x, const Variable& h, const Tensor& mask) const;

 private:
  Parameter draw(const std::string& name, const Shape& shape, std::int64_t hidden_size,
                 const LSTMCellOptions& options);
  const char* name_;
};

// In all cells below, x is (batch, input_size) and a state is (batch, hidden_size), or both have no
// batch. A state that is not given is 0. Where mask, a boolean (batch), is false, the state does
// not change, because that sequence has ended.

// h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it (Elman 1990).
class RNNCell : public RNNCellBase, public Forward<RNNCell> {
 public:
  RNNCell(std::int64_t input_size, std::int64_t hidden_size, RNNCellOptions options = {});

  Variable operator()(const Variable& x) const;
  Variable operator()(const Variable& x, const Variable& h) const;
  Variable operator()(const Variable& x, const Variable& h, const Tensor& mask) const;

  Variable initial_state(std::int64_t batch) const;  // zeros, (batch, hidden_size)
  std::string description() const override;

 protected:
  void assign_from(const Module& other) override;

 private:
  Shared<RNNCellOptions> options_;
};

struct LSTMState {
  Variable h{};
  Variable c{};
};

// Long short-term memory (Hochreiter and Schmidhuber 1997; Gers and others 2000). The weights hold
// the gates in the order i, f, g, o:
//   i, f, o = sigmoid(W_ih x + b_ih + W_hh h + b_hh),  g = tanh of the same
//   c' = f c + i g,  h' = o tanh(c')
//
//   auto state = cell.initial_state(batch);
//   for (std::int64_t t = 0; t < steps; ++t) state = cell(select(x, 1, t), state);
class LSTMCell : public RNNCellBase, public Forward<LSTMCell> {
 public:
  LSTMCell(std::int64_t input_size, std::int64_t hidden_size, LSTMCellOptions options = {});

  LSTMState operator()(const Variable& x) const;
  LSTMState operator()(const Variable& x, const LSTMState& state) const;
  LSTMState operator()(const Variable& x, const LSTMState& state, const Tensor& mask) const;

  LSTMState initial_state(std::int64_t batch) const;  // zeros, (batch, hidden_size) each
};

// Gated recurrent unit (Cho and others 2014). The weights hold the gates in the order r, z, n:
//   r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)
//   n = tanh(W_in x + b_in + r (W_hn h + b_hn)),  h' = (1 - z) n + z h
class GRUCell : public RNNCellBase, public Forward<GRUCell> {
 public:
  GRUCell(std::int64_t input_size, std::int64_t hidden_size, GRUCellOptions options = {});

  Variable operator()(const Variable& x) const;
  Variable operator()(const Variable& x, const Variable& h) const;
  Variable operator()(const Variable& x, const Variable& h, const Tensor& mask) const;

  Variable initial_state(std::int64_t batch) const;  // zeros, (batch, hidden_size)
};

}  // namespace tapegrad::nn
