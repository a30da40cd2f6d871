// What operations and optimizers tell a Trace besides Variables. An operation describes its other
// arguments before it is recorded:
//
//   describe("sum", [&] { return Attributes{{"dim", dims}, {"keepdim", keepdim}}; }, x);
//   return record("sum", ...);
//
// Read next: autograd/observer.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <tapegrad/autograd/observer.h>

namespace tapegrad {

// The names are those of PyTorch's arguments. A Tensor is an argument without history, such as ids
// or a mask.
struct Attribute {
  const char* name;
  std::variant<bool, std::int64_t, double, std::string, Shape, std::pair<double, double>, Tensor>
      value;
};
using Attributes = std::vector<Attribute>;

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// A step that an optimizer takes with one parameter.
struct ParameterStep {
  const Variable& parameter;
  const std::string& name;       // of the parameter; may be empty
  const std::string& optimizer;  // "Adam"
  double lr;
  std::int64_t number;  // 1 in the parameter's first step
  // Under PyTorch's names. Besides the optimizer's own options: "sparse", if only the rows with a
  // gradient move, and the parameter's "rate_multiplier", unless it is 1.
  Attributes options;
  NamedTensors state;  // the moments, before the step or after it; no copies
  // After the step, why the parameter moved (Optimizer::explain_update()): the parts of the change.
  // Empty if they are unknown.
  std::function<NamedTensors()> parts;
};

// `make` is called only if there is an observer and the operation is going to be recorded, because
// one of its inputs requires a gradient.
template <class Make, class... Inputs>
void describe(const char* operation, const Make& make, const Inputs&... inputs) {
  if (Observer* const observer = Observer::current()) [[unlikely]] {
    if (Tape::is_recording() && (inputs.requires_grad() || ...)) {
      observer->describes(operation, make());
    }
  }
}

}  // namespace tapegrad
