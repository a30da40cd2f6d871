// What operations and optimizers tell a Trace besides Variables. An operation describes its other
// arguments before it is recorded:
//
//   describe("sum", [&] { return Attributes{{"dim", dims}, {"keepdim", keepdim}}; }, x);
//   return record("sum", ...);
//
// Read next: autograd/observer.cc.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/autograd/observer.h>

namespace tapegrad {

// The value of an argument, in the member that `kind` names. (A std::variant would cost every file
// that includes this header a tenth of its time to compile.) A Tensor is an argument without
// history, such as ids or a mask.
struct AttributeValue {
  enum class Kind { flag, integer, number, text, sizes, pair, tensor };

  AttributeValue(bool value) : kind(Kind::flag), flag(value) {}  // NOLINT: implicit
  template <std::integral T>
  AttributeValue(T value) : kind(Kind::integer), integer(value) {}
  AttributeValue(double value) : kind(Kind::number), number(value) {}
  AttributeValue(std::string value) : kind(Kind::text), text(std::move(value)) {}
  AttributeValue(const char* value) : AttributeValue(std::string(value)) {}
  AttributeValue(Shape value) : kind(Kind::sizes), sizes(std::move(value)) {}
  AttributeValue(std::pair<double, double> value) : kind(Kind::pair), pair(value) {}
  AttributeValue(Tensor value) : kind(Kind::tensor), tensor(std::move(value)) {}

  Kind kind;
  bool flag = false;
  std::int64_t integer = 0;
  double number = 0;
  std::string text{};
  Shape sizes{};
  std::pair<double, double> pair{};
  Tensor tensor{};
};

// The names are those of PyTorch's arguments.
struct Attribute {
  const char* name;
  AttributeValue value;
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
