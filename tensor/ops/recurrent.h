// Recurrent networks over whole sequences, forward and back: one product for the inputs of all
// steps, one in each step for the recurrence, one for each weight's gradient. The operations that
// the tape remembers are made of these, and the formulas stand with them in
// autograd/ops/recurrent.cc.
//
// Internal. Read next: tensor/ops/recurrent.cc.
#pragma once

#include <cstdint>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// Elman's network with tanh or relu, the LSTM and the GRU.
enum class Recurrence { tanh, relu, lstm, gru };

// Gates: what the rows of a weight are a multiple of the hidden size by.
constexpr std::int64_t gate_count(Recurrence kind) {
  return kind == Recurrence::lstm ? 4 : kind == Recurrence::gru ? 3 : 1;
}

// All of one floating-point type, of sizes that fit.
struct SequenceInputs {
  Tensor x;          // (steps, batch, input)
  Tensor weight_ih;  // (gates * hidden, input)
  Tensor weight_hh;  // (gates * hidden, hidden)
  Tensor bias_ih;    // (gates * hidden); either bias may be undefined: 0
  Tensor bias_hh;
  Tensor h;     // (batch, hidden) before the first step; undefined: 0
  Tensor c;     // likewise, for lstm only
  Tensor mask;  // boolean (steps, batch): where false, x does not count and the state stays;
                // undefined: all true
  bool reverse = false;  // from the last step to the first
};

struct SequenceResult {
  // h after each step, (steps, batch, hidden), at the step's place whichever way time runs; for
  // lstm one slice more: c after all steps.
  Tensor states;
  // For the way back, of lstm and gru:
  Tensor gates;  // (steps, batch, gates * hidden) after their nonlinearities
  Tensor inner;  // (steps, batch, hidden); lstm: c after each step; gru: W_hn h + b_hn
};
SequenceResult run_sequence(Recurrence kind, const SequenceInputs& in);

// Which gradients are asked for, and these; the others stay undefined. dbias_hh is that of bias_ih
// but for gru.
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
