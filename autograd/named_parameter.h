// NamedParameter: a leaf with its name. Modules return lists of them, and optimizers take such
// lists. Read next: autograd/gradcheck.h.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

// Optimizers identify parameters by their node, not by name: the name may be empty.
struct NamedParameter {
  NamedParameter(std::string its_name, Variable its_variable)
      : name(std::move(its_name)), variable(std::move(its_variable)) {}
  NamedParameter(Variable its_variable) : variable(std::move(its_variable)) {}  // NOLINT
  // Also what refers to a Variable, as an nn::Parameter does: `SGD({layer.weight, layer.bias})`.
  template <class T>
  requires std::is_convertible_v<const T&, const Variable&> &&
      (!std::is_same_v<T, Variable>)NamedParameter(const T& parameter)  // NOLINT
      : variable(static_cast<const Variable&>(parameter)) {}
  std::string name;
  Variable variable;
};

}  // namespace tapegrad
