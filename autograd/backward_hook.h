// BackwardHook: a stretch of the computation, seen on the way back. What enters it and what leaves
// it go through entries of their own that change nothing; on the way back they collect the
// gradients there, so that one function sees those of all outputs and all inputs together. Module
// hooks are made of it (nn/module.h). Read next: autograd/backward_hook.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

//   BackwardHook passage("double it", [](auto& grad_inputs, const auto& grad_outputs) { ... });
//   const std::vector<Variable> in = passage.enter({x});
//   const std::vector<Variable> out = passage.leave({tanh(in[0])});
//
// The function is called once in each backward() or grad() that passes from the outputs to an
// input, when the gradients of all inputs are complete and before they are used. It may put others
// of the same shape in the place of grad_inputs (ShapeError, naming `name`, if the shape differs);
// one that it makes undefined counts as 0. Undefined stands for an input that wants no gradient or
// got none, and for an output without one. If no input wants a gradient, it is called when those of
// the outputs are complete.
class BackwardHook {
 public:
  using Function = std::function<void(std::vector<Variable>& grad_inputs,
                                      const std::vector<Variable>& grad_outputs)>;

  BackwardHook(std::string name, Function function);

  // Once each, enter() first. The same values; undefined ones stay undefined.
  std::vector<Variable> enter(const std::vector<Variable>& inputs);
  std::vector<Variable> leave(const std::vector<Variable>& outputs);

 private:
  struct Plan;
  std::shared_ptr<Plan> plan_;
};

}  // namespace tapegrad
