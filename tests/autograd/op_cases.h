// OpCase: a row of the table of operations of autograd/ops.h, with a call and its inputs. Read
// next: op_cases.cc, then ops_test.cc, which holds the tests that run on every row.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>

namespace tapegrad {

namespace detail {

// The result of a row's function as a list.
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
  // Elementwise: inputs may have any shape, and are broadcast.
  bool elementwise = false;
};

struct OpCase {
  // `function` takes a vector of Variables or of Tensors; overload resolution selects the operation
  // of either class.
  template <class Function>
  OpCase(std::string its_name, Function /*function*/, std::vector<Tensor> its_inputs,
         OpTraits its_traits = {})
      : OpCase(std::move(its_name), Function(), Function(), std::move(its_inputs), its_traits) {}

  // For an operation whose calls differ for Variables and Tensors.
  template <class OnVariables, class OnTensors>
  OpCase(std::string its_name, OnVariables /*function*/, OnTensors /*function*/,
         std::vector<Tensor> its_inputs, OpTraits its_traits = {})
      : name(std::move(its_name)),
        inputs(std::move(its_inputs)),
        traits(its_traits),
        on_variables(detail::call<OnVariables, Variable>),
        on_tensors(detail::call<OnTensors, Tensor>) {}

  // The name of the operation in ops.h.
  std::string operation() const { return name.substr(0, name.find(' ')); }

  std::string name;            // the operation and, after a space, what is special in this row
  std::vector<Tensor> inputs;  // float64 ones are differentiated; integers and masks are constants
  OpTraits traits;
  std::vector<Variable> (*on_variables)(std::vector<Variable>& inputs);
  std::vector<Tensor> (*on_tensors)(std::vector<Tensor>& inputs);
};

const std::vector<OpCase>& op_cases();

}  // namespace tapegrad
