// gradcheck: whether the gradients of a function are right, by comparing them with differences. The
// test of every operation here, and the first thing to run on one of your own. Read next:
// tests/autograd/op_cases.cc.
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
  double eps = 1e-6;   // half the distance of the two points that a difference is taken from
  double atol = 1e-5;  // |analytical - numerical| <= atol + rtol * |numerical|
  double rtol = 1e-3;
  bool raise_exception = true;  // AutogradError with the first element that differs, or false
  bool second_order = false;    // gradgradcheck() as well
};

namespace detail {

using CheckedFunction = std::function<std::vector<Variable>(std::vector<Variable>&)>;
bool gradcheck(const CheckedFunction& function, const std::vector<Variable>& inputs,
               const GradcheckOptions& options);
bool gradgradcheck(const CheckedFunction& function, const std::vector<Variable>& inputs,
                   const GradcheckOptions& options);

// A function that returns one Variable or several, as one that returns several.
template <class Function>
CheckedFunction checked(Function& function) {
  return [&function](std::vector<Variable>& inputs) -> std::vector<Variable> {
    if constexpr (std::is_convertible_v<decltype(function(inputs)), Variable>) {
      return {function(inputs)};
    } else {
      return function(inputs);
    }
  };
}

}  // namespace detail

// Whether the gradients of sum(weight * output), with fixed random weights, are what central
// differences say. `function` takes a std::vector<Variable> and returns a Variable or a
// std::vector<Variable>; it must give the same result every time. Its inputs are copies of
// `inputs`: float64 ones are leaves, and checked; int64 and boolean ones are constants. DTypeError
// for float32, in which differences are mostly rounding. Draws nothing from the default generator.
template <class Function>
bool gradcheck(Function&& function, const std::vector<Variable>& inputs,
               const GradcheckOptions& options = {}) {
  return detail::gradcheck(detail::checked(function), inputs, options);
}

// The same for the gradients themselves, as functions of the inputs and of the outputs' gradients:
// whether rules can be differentiated again.
template <class Function>
bool gradgradcheck(Function&& function, const std::vector<Variable>& inputs,
                   const GradcheckOptions& options = {}) {
  return detail::gradgradcheck(detail::checked(function), inputs, options);
}

}  // namespace tapegrad
