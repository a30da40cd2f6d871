// RNN, LSTM, GRU: recurrent networks over whole sequences, with several layers, in one direction or
// both. Read next: nn/rnn.cc.
//
//   tapegrad::nn::LSTM lstm(64, 128, {.batch_first = true, .bidirectional = true});
//   auto [output, h, c] = lstm(x, {.lengths = lengths});   // x: (batch, steps, 64)
//
// Names and order of the parameters are PyTorch's: weight_ih_l0, weight_hh_l0, bias_ih_l0,
// bias_hh_l0, weight_hr_l0 (with proj_size), weight_ih_l0_reverse, ..., weight_ih_l1, ...; all are
// drawn uniformly from [-1/sqrt(hidden_size), 1/sqrt(hidden_size)).
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <tapegrad/nn/module/module.h>
#include <tapegrad/nn/rnn_cell.h>

namespace tapegrad::nn {

struct RNNOptions {
  std::int64_t num_layers = 1;  // each layer reads the states of the one below
  Nonlinearity nonlinearity = Nonlinearity::tanh;
  bool bias = true;
  bool batch_first = false;  // x and output are (batch, steps, ...) instead of (steps, batch, ...)
  double dropout = 0;        // between layers, in training
  bool bidirectional = false;  // output holds the states of both directions side by side
  DType dtype = float32;
  GeneratorRef generator{};  // draws weights and dropout; with dropout it must outlive the layer
};
struct LSTMOptions {
  std::int64_t num_layers = 1;
  bool bias = true;
  bool batch_first = false;
  double dropout = 0;
  bool bidirectional = false;
  // If above 0, h has this size instead of hidden_size: h = weight_hr (o tanh(c)) (Sak, Senior and
  // Beaufays 2014). Less than hidden_size.
  std::int64_t proj_size = 0;
  DType dtype = float32;
  GeneratorRef generator{};
};
using GRUOptions = LSTMOptions;  // proj_size is for an LSTM only

// Optional arguments of a call, besides x (steps, batch, input_size). h and c are the initial
// states of each layer and direction, (num_layers * directions, batch, hidden_size), h with
// proj_size instead if there is one: layer 0, layer 0 in reverse, layer 1, and so on. The default
// is 0.
//
// If sequences end early, give either `lengths`, int64 (batch), from 0 to steps, or `mask`, boolean
// (steps, batch) (with batch_first (batch, steps), as Embedding::mask() returns it), of any
// pattern. Steps after the end, or where mask is false, are skipped: they change neither states nor
// gradients, whatever x holds there, and output is 0 there. The final state is the state after the
// last step that is not skipped; in reverse, after the first one. A sequence whose steps are all
// skipped keeps its initial state. So output and states are those of PyTorch for a packed sequence
// (which may not be empty), but dropout between layers draws for every step.
struct RNNArguments {
  Variable h{};
  Tensor lengths{};
  Tensor mask{};
};
struct LSTMArguments {
  Variable h{};
  Variable c{};
  Tensor lengths{};
  Tensor mask{};
};

struct RNNResult {
  Variable output;  // h of the last layer after each step, (steps, batch, directions * hidden_size)
  Variable h;       // the final states, ordered like RNNArguments::h
};
struct LSTMResult {
  Variable output;
  Variable h;
  Variable c;
};

// The common part of RNN, LSTM and GRU. x may also have no batch: for x (steps, input_size), output
// is (steps, directions * hidden_size), states are (num_layers * directions, hidden_size), a mask
// is (steps), and lengths has no dimension.
class RNNBase : public Module {
 public:
  std::int64_t input_size() const { return weights_[0].weight_ih.size(1); }
  std::int64_t hidden_size() const { return settings_->hidden_size; }
  std::int64_t proj_size() const { return settings_->proj_size; }  // of an LSTM; 0: none
  std::int64_t num_layers() const { return settings_->num_layers; }
  bool is_bidirectional() const { return settings_->bidirectional; }
  bool is_batch_first() const { return settings_->batch_first; }
  Nonlinearity nonlinearity() const { return settings_->nonlinearity; }  // of an RNN

  // The parameters of a layer in one direction. IndexError if there is no such layer or direction.
  Parameter& weight_ih(std::int64_t layer = 0, bool reverse = false) & {
    return weights_[index_of(layer, reverse)].weight_ih;
  }
  Parameter& weight_hh(std::int64_t layer = 0, bool reverse = false) & {
    return weights_[index_of(layer, reverse)].weight_hh;
  }
  Parameter& bias_ih(std::int64_t layer = 0, bool reverse = false) & {
    return weights_[index_of(layer, reverse)].bias_ih;
  }
  Parameter& bias_hh(std::int64_t layer = 0, bool reverse = false) & {
    return weights_[index_of(layer, reverse)].bias_hh;
  }
  const Parameter& weight_ih(std::int64_t layer = 0, bool reverse = false) const& {
    return weights_[index_of(layer, reverse)].weight_ih;
  }
  Parameter weight_ih(std::int64_t layer = 0, bool reverse = false) const&& {
    return weights_[index_of(layer, reverse)].weight_ih;
  }
  const Parameter& weight_hh(std::int64_t layer = 0, bool reverse = false) const& {
    return weights_[index_of(layer, reverse)].weight_hh;
  }
  Parameter weight_hh(std::int64_t layer = 0, bool reverse = false) const&& {
    return weights_[index_of(layer, reverse)].weight_hh;
  }
  const Parameter& bias_ih(std::int64_t layer = 0, bool reverse = false) const& {
    return weights_[index_of(layer, reverse)].bias_ih;
  }
  Parameter bias_ih(std::int64_t layer = 0, bool reverse = false) const&& {
    return weights_[index_of(layer, reverse)].bias_ih;
  }
  const Parameter& bias_hh(std::int64_t layer = 0, bool reverse = false) const& {
    return weights_[index_of(layer, reverse)].bias_hh;
  }
  Parameter bias_hh(std::int64_t layer = 0, bool reverse = false) const&& {
    return weights_[index_of(layer, reverse)].bias_hh;
  }
  // Undefined without proj_size.
  Parameter& weight_hr(std::int64_t layer = 0, bool reverse = false) & {
    return weights_[index_of(layer, reverse)].weight_hr;
  }
  const Parameter& weight_hr(std::int64_t layer = 0, bool reverse = false) const& {
    return weights_[index_of(layer, reverse)].weight_hr;
  }
  Parameter weight_hr(std::int64_t layer = 0, bool reverse = false) const&& {
    return weights_[index_of(layer, reverse)].weight_hr;
  }

  std::string description() const override;

 protected:
  struct Settings {
    std::int64_t num_layers;
    bool bias, batch_first, bidirectional;
    double dropout;
    Nonlinearity nonlinearity;
    GeneratorRef generator;
    std::int64_t proj_size = 0;
    std::int64_t hidden_size = 0;  // set by the constructor
  };
  // ValueError for negative sizes, no layers, a dropout outside of [0, 1], and a proj_size that is
  // not below hidden_size or not of an LSTM. `name` is a literal.
  RNNBase(const char* name, std::int64_t gates, std::int64_t input_size, std::int64_t hidden_size,
          const Settings& settings, DType dtype);
  LSTMResult run(Recurrence kind, const Variable& x, const LSTMArguments& with) const;
  RNNResult run_without_c(Recurrence kind, const Variable& x, const RNNArguments& with) const;
  void assign_from(const Module& other) override;

 private:
  struct Weights {
    Parameter weight_ih, weight_hh, bias_ih, bias_hh, weight_hr;
  };
  std::size_t index_of(std::int64_t layer, bool reverse) const;  // in weights_
  void check(const Variable& x, const LSTMArguments& with) const;
  Tensor counted_steps(const Variable& x, const LSTMArguments& with) const;

  const char* name_;
  Shared<Settings> settings_;
  std::vector<Weights> weights_;  // layer by layer, forward first
};

// Elman's network (1990): nn::RNNCell at every step.
class RNN : public RNNBase, public Forward<RNN> {
 public:
  RNN(std::int64_t input_size, std::int64_t hidden_size, RNNOptions options = {});
  template <std::integral Count>
  RNN(std::int64_t input_size, std::int64_t hidden_size, Count num_layers)
      : RNN(input_size, hidden_size, RNNOptions{.num_layers = num_layers}) {}
  RNNResult operator()(const Variable& x, const RNNArguments& with = {}) const;
};

// Long short-term memory (Hochreiter and Schmidhuber 1997): nn::LSTMCell at every step.
class LSTM : public RNNBase, public Forward<LSTM> {
 public:
  LSTM(std::int64_t input_size, std::int64_t hidden_size, LSTMOptions options = {});
  template <std::integral Count>
  LSTM(std::int64_t input_size, std::int64_t hidden_size, Count num_layers)
      : LSTM(input_size, hidden_size, LSTMOptions{.num_layers = num_layers}) {}
  LSTMResult operator()(const Variable& x, const LSTMArguments& with = {}) const;
};

// Gated recurrent units (Cho and others 2014): nn::GRUCell at every step.
class GRU : public RNNBase, public Forward<GRU> {
 public:
  GRU(std::int64_t input_size, std::int64_t hidden_size, GRUOptions options = {});
  template <std::integral Count>
  GRU(std::int64_t input_size, std::int64_t hidden_size, Count num_layers)
      : GRU(input_size, hidden_size, GRUOptions{.num_layers = num_layers}) {}
  RNNResult operator()(const Variable& x, const RNNArguments& with = {}) const;
};

}  // namespace tapegrad::nn
