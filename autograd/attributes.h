// The arguments of an operation that are no Variables, for a Trace. An operation describes them
// before it is recorded:
//
//   describe("sum", [&] { return Attributes{{"dim", dims}, {"keepdim", keepdim}}; }, x);
//   return record("sum", ...);
//
// Read next: autograd/observer.cc.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <tapegrad/autograd/observer.h>

namespace tapegrad {

// The names are those of PyTorch's arguments. A Tensor is an argument without history, such as ids
// or a mask.
struct Attribute {
  const char* name;
  std::variant<bool, std::int64_t, double, std::string, Shape, Tensor> value;
};
using Attributes = std::vector<Attribute>;

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
