// BackwardHook: a function that a backward pass calls with all gradients of the inputs and outputs
// of a part of the computation. The inputs and outputs pass through additional entries that leave
// the values unchanged; in the backward pass these entries collect the gradients. Module hooks use
// it (nn/module/module.h). Read next: autograd/backward_hook.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

//   BackwardHook hook("double it", [](auto& grad_inputs, const auto& grad_outputs) { ... });
//   const std::vector<Variable> in = hook.enter({x});
//   const std::vector<Variable> out = hook.leave({tanh(in[0])});
//
// Each backward() or grad() that reaches an input from the outputs calls the function once, when
// the gradients of all inputs are complete and before they are used. A gradient is undefined for an
// input that requires none or received none, and for an output that received none. The function may
// replace elements of grad_inputs by others of the same shape (ShapeError, with `name` in its text,
// if the shape differs); an element that it makes undefined counts as 0. If no input requires a
// gradient, the function is called when the gradients of the outputs are complete.
class BackwardHook {
 public:
  using Function = std::function<void(std::vector<Variable>& grad_inputs,
                                      const std::vector<Variable>& grad_outputs)>;

  BackwardHook(std::string name, Function function);

  // Call each once, enter() first. They return the same values; undefined ones stay undefined.
  std::vector<Variable> enter(const std::vector<Variable>& inputs);
  std::vector<Variable> leave(const std::vector<Variable>& outputs);

 private:
  struct Shared;  // what all entries of this hook refer to
  std::shared_ptr<Shared> shared_;
};

}  // namespace tapegrad
