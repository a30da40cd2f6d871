// gradcheck: compares the gradients of a function with numerical differences. Every operation of
// this library is tested with it; use it first for an operation of your own. Read next:
// autograd/gradcheck.cc.
//
//   Variable cube(const Variable& x) {
//     return record("cube", x.value() * x.value() * x.value(),
//                   from(x, [x](const Variable& dy) { return dy * 3.0 * x * x; }));
//   }
//   gradcheck([](auto& v) { return cube(v[0]); }, {randn({2, 3}, float64)});   // true
#pragma once

#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

// PyTorch's defaults.
struct GradcheckOptions {
  double eps = 1e-6;   // the difference is f(x + eps) - f(x - eps)
  double atol = 1e-5;  // |analytical - numerical| <= atol + rtol * |numerical|
  double rtol = 1e-3;
  bool raise_exception = true;  // a mismatch throws AutogradError; otherwise it returns false
  bool second_order = false;    // calls gradgradcheck(), too
};

namespace detail {

using CheckedFunction = std::function<std::vector<Variable>(std::vector<Variable>&)>;
bool gradcheck(const CheckedFunction& function, const std::vector<Variable>& inputs,
               const GradcheckOptions& options);
bool gradgradcheck(const CheckedFunction& function, const std::vector<Variable>& inputs,
                   const GradcheckOptions& options);

// function(inputs), or function(inputs[0], ...) for a function of one to three Variables.
template <class Function>
decltype(auto) call_checked(Function& function, std::vector<Variable>& x) {
  if constexpr (std::is_invocable_v<Function&, std::vector<Variable>&>) {
    return function(x);
  } else if constexpr (std::is_invocable_v<Function&, Variable&>) {
    return function(x.at(0));
  } else if constexpr (std::is_invocable_v<Function&, Variable&, Variable&>) {
    return function(x.at(0), x.at(1));
  } else {
    return function(x.at(0), x.at(1), x.at(2));
  }
}

// Adapts a function that returns one Variable or several to one that returns a vector.
template <class Function>
CheckedFunction checked(Function& function) {
  return [&function](std::vector<Variable>& inputs) -> std::vector<Variable> {
    if constexpr (std::is_convertible_v<decltype(call_checked(function, inputs)), Variable>) {
      return {call_checked(function, inputs)};
    } else {
      return call_checked(function, inputs);
    }
  };
}

}  // namespace detail

// Whether the gradients of sum(weight * output), with fixed random weights, agree with central
// differences. `function` takes a std::vector<Variable>, or one to three Variables, and returns a
// Variable or a std::vector<Variable>; it must return the same result every time. It is called with
// copies of `inputs`: float64 inputs become leaves and are checked; int64 and boolean inputs are
// constants. DTypeError for float32, where differences consist mostly of rounding errors. Does not
// use the default generator.
template <class Function>
bool gradcheck(Function&& function, const std::vector<Variable>& inputs,
               const GradcheckOptions& options = {}) {
  return detail::gradcheck(detail::checked(function), inputs, options);
}

// The same for the gradients, as functions of the inputs and of the outputs' gradients: checks that
// rules can be differentiated again.
template <class Function>
bool gradgradcheck(Function&& function, const std::vector<Variable>& inputs,
                   const GradcheckOptions& options = {}) {
  return detail::gradgradcheck(detail::checked(function), inputs, options);
}

}  // namespace tapegrad
