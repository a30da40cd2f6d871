// NamedParameter: a leaf with its name. Modules return lists of them, and optimizers take such
// lists. Read next: autograd/gradcheck.h.
#pragma once

#include <string>
#include <utility>

#include <tapegrad/autograd/variable.h>

namespace tapegrad {

// Optimizers identify parameters by their node, not by name: the name may be empty.
struct NamedParameter {
  NamedParameter(std::string its_name, Variable its_variable)
      : name(std::move(its_name)), variable(std::move(its_variable)) {}
  NamedParameter(Variable its_variable) : variable(std::move(its_variable)) {}  // NOLINT
  std::string name;
  Variable variable;
};

}  // namespace tapegrad
