// Sequential: one module behind the other. Read next: nn/activations.h.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

// Modules, or functions, that each take what the one before gives. Modules are registered as "0",
// "1", ... by their position; a function takes a position but has no parameters. The first module
// may take a Tensor of ids. With braces the arguments are evaluated in order, so that seeds give
// the same numbers with every compiler:
//
//   Sequential model{Linear(2, 16), Tanh(), Linear(16, 1)};
class Sequential : public Module {
 public:
  template <class... Parts>
  requires(sizeof...(Parts) > 0 &&
           !(std::is_same_v<Parts, Sequential> && ...)) explicit Sequential(Parts... parts) {
    (push_back(std::move(parts)), ...);
  }
  Sequential() = default;

  // Adds one at the end.
  template <class Part>
  void push_back(Part part) {
    if constexpr (std::is_base_of_v<Module, Part>) {
      steps_->push_back(step(register_module(std::to_string(steps_->size()), std::move(part))));
    } else {
      steps_->push_back(step(std::move(part)));
    }
  }

  std::size_t size() const { return steps_->size(); }

  Variable operator()(const Variable& x) const {
    Variable y = x;
    for (const Step& each : *steps_) y = each(y);
    return y;
  }

 private:
  using Step = std::function<Variable(const Variable&)>;

  template <class Part>
  static Step step(Part part) {
    if constexpr (std::is_invocable_v<const Part&, const Variable&>) {
      return [part = std::move(part)](const Variable& x) -> Variable { return part(x); };
    } else {
      return [part = std::move(part)](const Variable& x) -> Variable { return part(x.value()); };
    }
  }

  Shared<std::vector<Step>> steps_{std::vector<Step>()};
};

}  // namespace tapegrad::nn
