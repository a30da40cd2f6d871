// The arguments of an operation that are no Variables, for a Trace. An operation describes them
// before it is recorded:
//
//   describe("sum", [&] { return Attributes{{"dim", dims}, {"keepdim", keepdim}}; });
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
  std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, Tensor> value;
};
using Attributes = std::vector<Attribute>;

// `make` is called only if there is an observer.
template <class Make>
void describe(const char* operation, const Make& make) {
  if (Observer* const observer = Observer::current()) [[unlikely]]
    observer->describes(operation, make());
}

}  // namespace tapegrad
