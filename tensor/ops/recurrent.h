// Recurrent networks over whole sequences, forward and backward: one matrix product for the inputs
// of all steps, one per step for the recurrence, one for the gradient of each weight. The recorded
// operations in autograd/ops/recurrent.cc call these functions; the formulas are there.
//
// Internal. Read next: tensor/ops/recurrent.cc.
#pragma once

#include <cstdint>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// The Elman network with tanh or relu, the LSTM and the GRU.
enum class Recurrence { tanh, relu, lstm, gru };

// A weight has gate_count * hidden rows.
constexpr std::int64_t gate_count(Recurrence kind) {
  return kind == Recurrence::lstm ? 4 : kind == Recurrence::gru ? 3 : 1;
}

// Requires that all tensors but the mask have the same floating-point type and matching sizes.
struct SequenceInputs {
  Tensor x;          // (steps, batch, input)
  Tensor weight_ih;  // (gates * hidden, input)
  Tensor weight_hh;  // (gates * hidden, hidden)
  Tensor bias_ih;    // (gates * hidden); an undefined bias is 0
  Tensor bias_hh;
  Tensor h;     // (batch, hidden), the initial state; undefined: 0
  Tensor c;     // the same for c, for lstm only
  Tensor mask;  // boolean (steps, batch): where it is false, x is ignored and the state is kept;
                // undefined: all true
  bool reverse = false;  // from the last step to the first
};

struct SequenceResult {
  // h after each step, (steps, batch, hidden); index t belongs to x[t] in both directions. For lstm
  // there is one more slice: c after all steps.
  Tensor states;
  // What the backward pass needs of lstm and gru:
  Tensor gates;  // (steps, batch, gates * hidden) after their nonlinearities
  Tensor inner;  // (steps, batch, hidden); lstm: c after each step; gru: W_hn h + b_hn
};
SequenceResult run_sequence(Recurrence kind, const SequenceInputs& in);

// Which gradients are needed, and the gradients. Those that are not needed may stay undefined.
// Except for gru, bias_hh has the same gradient as bias_ih.
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
