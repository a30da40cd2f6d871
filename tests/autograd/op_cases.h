// One row for each operation of autograd/ops.h: how to call it, and with what. Read next:
// op_cases.cc, then ops_test.cc, which says what every row must pass.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>

namespace tapegrad {

namespace detail {

// What a row's function returned, as a list.
template <class Result, class T>
std::vector<T> listed(Result&& result) {
  if constexpr (std::is_convertible_v<Result, std::vector<T>>) {
    return std::forward<Result>(result);
  } else if constexpr (std::is_convertible_v<Result, T>) {
    return {std::forward<Result>(result)};
  } else {
    return {result.values, result.indices};
  }
}

template <class Function, class T>
std::vector<T> call(std::vector<T>& inputs) {
  return listed<decltype(Function()(inputs)), T>(Function()(inputs));
}

}  // namespace detail

struct OpTraits {
  // Element by element: inputs may have any shape, and several broadcast.
  bool elementwise = false;
};

struct OpCase {
  // `function` takes a vector of Variables or of Tensors; what it looks up by name is the operation
  // at either level.
  template <class Function>
  OpCase(std::string its_name, Function /*function*/, std::vector<Tensor> its_inputs,
         OpTraits its_traits = {})
      : OpCase(std::move(its_name), Function(), Function(), std::move(its_inputs), its_traits) {}

  // Where the two levels are not called alike.
  template <class OnVariables, class OnTensors>
  OpCase(std::string its_name, OnVariables /*function*/, OnTensors /*function*/,
         std::vector<Tensor> its_inputs, OpTraits its_traits = {})
      : name(std::move(its_name)),
        inputs(std::move(its_inputs)),
        traits(its_traits),
        on_variables(detail::call<OnVariables, Variable>),
        on_tensors(detail::call<OnTensors, Tensor>) {}

  // The operation's, as ops.h declares it.
  std::string operation() const { return name.substr(0, name.find(' ')); }

  std::string name;            // the operation and, behind a space, what is particular here
  std::vector<Tensor> inputs;  // float64 ones are differentiated; integers and masks are constants
  OpTraits traits;
  std::vector<Variable> (*on_variables)(std::vector<Variable>& inputs);
  std::vector<Tensor> (*on_tensors)(std::vector<Tensor>& inputs);
};

const std::vector<OpCase>& op_cases();

}  // namespace tapegrad
