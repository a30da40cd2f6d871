// Recurrent networks over whole sequences, forward and backward: one product for the inputs of all
// steps, one in each step for the recurrence, one for each weight's gradient. The operations that
// the tape remembers call these functions; the formulas stand with them in
// autograd/ops/recurrent.cc.
//
// Internal. Read next: tensor/ops/recurrent.cc.
#pragma once

#include <cstdint>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// Elman's network with tanh or relu, the LSTM and the GRU.
enum class Recurrence { tanh, relu, lstm, gru };

// A weight has gate_count * hidden rows.
constexpr std::int64_t gate_count(Recurrence kind) {
  return kind == Recurrence::lstm ? 4 : kind == Recurrence::gru ? 3 : 1;
}

// All tensors have one floating-point type and sizes that fit.
struct SequenceInputs {
  Tensor x;          // (steps, batch, input)
  Tensor weight_ih;  // (gates * hidden, input)
  Tensor weight_hh;  // (gates * hidden, hidden)
  Tensor bias_ih;    // (gates * hidden); an undefined bias is 0
  Tensor bias_hh;
  Tensor h;     // (batch, hidden), the initial state; undefined: 0
  Tensor c;     // likewise, for lstm only
  Tensor mask;  // boolean (steps, batch): where it is false, x is ignored and the state stays;
                // undefined: all true
  bool reverse = false;  // from the last step to the first
};

struct SequenceResult {
  // h after each step, (steps, batch, hidden), at the step's index in x in either direction. An
  // lstm adds one slice: c after all steps.
  Tensor states;
  // What the backward pass needs of lstm and gru:
  Tensor gates;  // (steps, batch, gates * hidden) after their nonlinearities
  Tensor inner;  // (steps, batch, hidden); lstm: c after each step; gru: W_hn h + b_hn
};
SequenceResult run_sequence(Recurrence kind, const SequenceInputs& in);

// Which gradients are asked for, and the gradients; those that nobody asked for may stay undefined.
// bias_hh has the gradient of bias_ih, except for gru.
struct SequenceWanted {
  bool x, weight_ih, weight_hh, bias_ih, bias_hh, h, c;
};
struct SequenceGradients {
  Tensor x, weight_ih, weight_hh, bias_ih, bias_hh, h, c;
};
SequenceGradients run_sequence_back(Recurrence kind, const SequenceInputs& in,
                                    const SequenceResult& result, const Tensor& dstates,
                                    const SequenceWanted& wanted);

}  // namespace tapegrad
