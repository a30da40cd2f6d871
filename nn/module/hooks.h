// Hooks: functions that see, and may change, a module's inputs and outputs in the forward pass and
// their gradients in the backward pass, without a change to the module. Functions of Module
// register them:
//
//   const std::size_t hook = model.hidden.register_forward_hook(
//       [](const tapegrad::nn::Module& module, const auto& inputs, auto& outputs) {
//         std::cout << module.description() << ' ' << outputs[0] << '\n';
//       });
//   model(x);
//   model.hidden.remove_hook(hook);
//
// Every layer of the library runs its hooks. A module of your own does so if its operator() calls
// hooked():
//
//   Variable operator()(const Variable& x) const {
//     return hooked([this](const Variable& in) { return head(relu(hidden(in))); }, x);
//   }
//
// Read next: nn/module/hooks.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <type_traits>
#include <vector>

#include <tapegrad/autograd/backward_hook.h>
#include <tapegrad/autograd/variable.h>

namespace tapegrad::nn {

class Module;

// Runs before the module. `inputs` are the Variables and Tensors of the call (a Tensor becomes a
// constant; one that was not given is undefined). The hook may replace them, and the module is
// called with the result. ValueError if their number changed.
using ForwardPreHook = std::function<void(const Module&, std::vector<Variable>& inputs)>;

// Runs after the module. `outputs` are the Variables that the module returns: one, or the members
// of a struct. The hook may replace them, and the call returns the result. ValueError if their
// number changed.
using ForwardHook = std::function<void(const Module&, const std::vector<Variable>& inputs,
                                       std::vector<Variable>& outputs)>;

// PyTorch's full backward hook. Runs in backward() and grad(), when the gradients of the module's
// inputs are complete and before they are used; see autograd/backward_hook.h. The module is a
// handle to the same parameters and modules, with the same description() but without the same
// class, because the object that was called may no longer exist.
using FullBackwardHook = std::function<void(const Module&, std::vector<Variable>& grad_inputs,
                                            const std::vector<Variable>& grad_outputs)>;

// One registered hook. Exactly one of the three functions is set.
struct ModuleHook {
  std::size_t number;  // for remove_hook()
  ForwardPreHook before{};
  ForwardHook after{};
  FullBackwardHook backward{};
};
using ModuleHooks = std::vector<ModuleHook>;

// One call of a module with hooks. They run in the order in which they were registered.
class HookedCall {
 public:
  // Runs the forward pre-hooks.
  HookedCall(const Module& module, ModuleHooks hooks, std::vector<Variable> inputs);
  const std::vector<Variable>& inputs() const { return inputs_; }
  // Runs the forward hooks; returns the outputs of the call.
  std::vector<Variable> finish(std::vector<Variable> outputs);

 private:
  const Module& module_;
  const ModuleHooks hooks_;
  std::vector<Variable> inputs_;
  std::optional<BackwardHook> backward_hook_;
};

// Calls function(variable) for every Variable in the result of a module: a Variable, a vector of
// Variables, or a struct, pair or tuple of two or three.
template <class Result, class Function>
void for_each_variable(Result& result, const Function& function) {
  using Plain = std::remove_const_t<Result>;
  using V = Variable;
  if constexpr (std::is_same_v<Plain, Variable>) {
    function(result);
  } else if constexpr (std::is_same_v<Plain, std::vector<Variable>>) {
    for (auto& each : result) function(each);
  } else if constexpr (requires { Plain{V(), V(), V()}; }) {
    auto& [a, b, c] = result;
    function(a), function(b), function(c);
  } else {
    static_assert(
        requires {
          Plain{V(), V()};
        },
        "hooked: the body returns a Variable, a vector of them, or a struct, pair or "
        "tuple of two or three");
    auto& [a, b] = result;
    function(a), function(b);
  }
}

template <class Result>
std::vector<Variable> variables_of(const Result& result) {
  std::vector<Variable> list;
  for_each_variable(result, [&](const Variable& each) { list.push_back(each); });
  return list;
}

// The inverse of Variable(input): a hook sees a Tensor as a constant.
template <class Input>
Input as_input(const Variable& variable) {
  if constexpr (std::is_same_v<Input, Tensor>) {
    return variable.defined() ? variable.value() : Tensor();
  } else {
    return variable;
  }
}

}  // namespace tapegrad::nn
