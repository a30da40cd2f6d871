// Sequential: modules that run one after the other. Read next: nn/sequential.cc.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

// What may be a part of a Sequential: a module with operator() or forward(), or a function, of a
// Variable or a Tensor.
template <class T>
concept SequentialPart = std::is_base_of_v<Module, T> ||
    std::is_invocable_v<const T&, const Variable&> || std::is_invocable_v<const T&, const Tensor&>;

// Each part's input is the output of the previous part. Modules are registered under their names,
// or as "0", "1", ... by their position; a function takes a position but has no parameters. The
// first part may take a Tensor of ids.
//
//   Sequential model{Linear(2, 16), relu, Linear(16, 1)};
//   Sequential named{{"embedding", Embedding(100, 16)}, {"head", Linear(16, 4)}};
//
// The parts are written in braces, where C++ evaluates them in order: with parentheses the compiler
// would choose the order in which layers draw their weights, so parentheses do not compile.
//
// Sequential{other} is a copy of `other`, as everywhere in C++; push_back(other) nests it.
class Sequential : public Module, public Forward<Sequential> {
 public:
  // A part of any type, with or without a name.
  class Part {
   public:
    template <SequentialPart P>
    Part(P part) : Part("", std::move(part)) {}  // NOLINT: implicit, for the list in braces
    // Chooses one of the functions of a name, as in Sequential{Linear(2, 3), relu}.
    Part(Variable (*part)(const Variable&));  // NOLINT
    Part(const std::string& name, Variable (*part)(const Variable&));
    template <SequentialPart P>
    Part(const std::string& name, P part) {
      if constexpr (std::is_same_v<P, Sequential>) {
        if (name.empty()) same_ = std::make_shared<const P>(part);
      }
      append_ = [name, part = std::move(part)](Sequential& to) { to.add_part(name, part); };
    }

   private:
    friend class Sequential;
    std::function<void(Sequential&)> append_;
    std::shared_ptr<const Sequential> same_;  // the part, if it is a Sequential without a name
  };

  Sequential();
  explicit Sequential(std::initializer_list<Part> parts);
  template <SequentialPart P>
  requires(!std::is_same_v<P, Sequential>) explicit Sequential(P part) : Sequential() {
    push_back(std::move(part));
  }
  // Parts are modules and functions, and stand in braces.
  template <class First, class Second, class... More>
  Sequential(First&&, Second&&, More&&...) = delete;  // write Sequential{...}, with braces

  void push_back(const Part& part) { part.append_(*this); }
  Sequential& append(const Part& part) {  // PyTorch's name
    push_back(part);
    return *this;
  }

  std::size_t size() const { return steps_->size(); }

  Variable operator()(const Variable& x) const;

 protected:
  void assign_from(const Module& other) override;

 private:
  using Function = std::function<Variable(const Variable&)>;
  struct Step {
    Function run;
    bool is_module;
  };

  static Sequential made_of(std::initializer_list<Part> parts);

  template <class P>
  void add_part(const std::string& name, P part) {
    if constexpr (std::is_base_of_v<Module, P>) {
      P module =
          register_module(name.empty() ? std::to_string(steps_->size()) : name, std::move(part));
      steps_->push_back({function(std::move(module)), true});
    } else {
      steps_->push_back({function(std::move(part)), false});
    }
  }

  template <class P>
  static Function function(P part) {
    if constexpr (std::is_invocable_v<P&, const Variable&>) {
      return [part = std::move(part)](const Variable& x) mutable -> Variable { return part(x); };
    } else if constexpr (!std::is_invocable_v<P&, const Tensor&>) {
      return [part = std::move(part)](const Variable& x) mutable -> Variable {
        return part.forward(x);
      };
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

  Shared<std::vector<Step>> steps_;
};

}  // namespace tapegrad::nn
