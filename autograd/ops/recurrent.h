// Recurrent networks as the tape remembers them: a whole sequence, or one step, is one entry. What
// nn/rnn.h and the cells are made of.
//
// Internal. Read next: autograd/ops/recurrent.cc.
#pragma once

#include <utility>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/tensor/ops/recurrent.h>

namespace tapegrad {

// All of one floating-point type, of sizes that fit.
struct RecurrentInputs {
  Variable x;          // (steps, batch, input)
  Variable weight_ih;  // (gates * hidden, input), in PyTorch's order of gates
  Variable weight_hh;  // (gates * hidden, hidden)
  Variable bias_ih{};  // (gates * hidden); either bias may be undefined: 0
  Variable bias_hh{};
  Variable h{};   // (batch, hidden) before the first step; undefined: 0
  Variable c{};   // likewise, for lstm only
  Tensor mask{};  // boolean (steps, batch), our own: where false, x does not count and the state
                  // stays as it is; undefined: all true
  bool reverse = false;  // from the last step to the first
};

// h after each step, (steps, batch, hidden), at the step's place whichever way time runs; for lstm
// one slice more: c after all steps. There is at least one step.
Variable recurrence(Recurrence kind, const RecurrentInputs& in);

// One step: x is (..., input), h and c (..., hidden), mask (...). The result is the new h, or for
// lstm (2, ..., hidden): the new h and c.
Variable recurrent_step(Recurrence kind, const RecurrentInputs& in);

// The same as recurrence(), step by step from primitives: the reference that it is held to.
Variable recurrence_from_primitives(Recurrence kind, const RecurrentInputs& in);

}  // namespace tapegrad
