// Recurrent networks as operations: a whole sequence, or one step, is one entry on the tape.
// nn/rnn.h and the cells use them.
//
// Internal. Read next: autograd/ops/recurrent.cc.
#pragma once

#include <utility>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/ops/recurrent.h>

namespace tapegrad {

// All Variables have one floating-point type, and their sizes match.
struct RecurrentInputs {
  Variable x;          // (steps, batch, input)
  Variable weight_ih;  // (gates * hidden, input), in PyTorch's order of gates
  Variable weight_hh;  // (gates * hidden, hidden)
  Variable bias_ih{};  // (gates * hidden); an undefined bias is 0
  Variable bias_hh{};
  Variable h{};  // (batch, hidden), the state before the first step; undefined: 0
  Variable c{};  // likewise, for lstm only
  // Boolean (steps, batch): where false, x is ignored and the state is kept; undefined: all true.
  // The caller must not change it later.
  Tensor mask{};
  bool reverse = false;  // from the last step to the first
  // (projected, hidden), for projected_lstm() only. Then h and weight_hh have the width projected.
  Variable weight_hr{};
};

// h after each step, (steps, batch, hidden); element t belongs to x[t], also with `reverse`. For
// lstm there is one more slice: c after all steps. Requires at least one step.
Variable recurrence(Recurrence kind, const RecurrentInputs& in);

// One step: x is (..., input), h and c (..., hidden), mask (...). The result is the new h, or for
// lstm (2, ..., hidden): the new h and c.
Variable recurrent_step(Recurrence kind, const RecurrentInputs& in);

// The same as recurrence(), step by step from primitives: the plain reference for its tests.
Variable recurrence_from_primitives(Recurrence kind, const RecurrentInputs& in);

// An LSTM whose h is projected to fewer elements after each step, h' = W_hr (o tanh(c')) (Sak,
// Senior and Beaufays 2014), from primitives.
struct ProjectedStates {
  Variable h;  // after each step, (steps, batch, projected)
  Variable c;  // after all steps, (1, batch, hidden)
};
ProjectedStates projected_lstm(const RecurrentInputs& in);

}  // namespace tapegrad
