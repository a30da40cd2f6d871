// Sequential: modules that run one after the other. Read next: nn/module_list.h.
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/nn/module.h>

namespace tapegrad::nn {

// Each part is a module or a function, and its input is the output of the previous part. Modules
// are registered as "0", "1", ... by their position; a function takes a position but has no
// parameters. The first module may take a Tensor of ids. With braces the arguments are evaluated in
// order, so that seeds give the same weights with every compiler:
//
//   Sequential model{Linear(2, 16), Tanh(), Linear(16, 1)};
//
// Sequential{other} is a copy of `other`, as everywhere in C++; push_back(other) nests it.
class Sequential : public Module, public Forward<Sequential> {
 public:
  template <class... Parts>
  requires(sizeof...(Parts) > 1 ||
           !(std::is_same_v<Parts, Sequential> && ...)) explicit Sequential(Parts... parts) {
    (push_back(std::move(parts)), ...);
  }
  Sequential() = default;

  // Appends a part.
  template <class Part>
  void push_back(Part part) {
    if constexpr (std::is_base_of_v<Module, Part>) {
      Part module = register_module(std::to_string(steps_->size()), std::move(part));
      steps_->push_back({function(std::move(module)), true});
    } else {
      steps_->push_back({function(std::move(part)), false});
    }
  }

  std::size_t size() const { return steps_->size(); }

  Variable operator()(const Variable& x) const {
    return hooked(
        [this](const Variable& in) {
          Variable y = in;
          for (const Step& each : *steps_) y = each.run(y);
          return y;
        },
        x);
  }

 protected:
  // Module::assign_from() replaces the modules, so only functions are copied here.
  void assign_from(const Module& other) override {
    Module::assign_from(other);
    std::vector<Step> steps = *static_cast<const Sequential&>(other).steps_;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].is_module) steps[i] = (*steps_)[i];
    }
    *steps_ = std::move(steps);
  }

 private:
  using Function = std::function<Variable(const Variable&)>;
  struct Step {
    Function run;
    bool is_module;
  };

  template <class Part>
  static Function function(Part part) {
    if constexpr (std::is_invocable_v<const Part&, const Variable&>) {
      return [part = std::move(part)](const Variable& x) -> Variable { return part(x); };
    } else {
      return [part = std::move(part)](const Variable& x) -> Variable {
        if (x.requires_grad()) {
          throw AutogradError(
              "Sequential: a part that takes a Tensor would cut the history of the parts before "
              "it; let it take a Variable, or put it first");
        }
        return part(x.value());
      };
    }
  }

  Shared<std::vector<Step>> steps_{std::vector<Step>()};
};

}  // namespace tapegrad::nn
