// NamedParameter: a leaf with its name. Modules return lists of them, and optimizers take such
// lists. Read next: autograd/observer.h.
#pragma once

#include <cstdint>
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
      (!std::is_same_v<T, Variable> &&
       !std::is_same_v<T, NamedParameter>)NamedParameter(const T& parameter)  // NOLINT
      : variable(static_cast<const Variable&>(parameter)) {}
  operator const Variable&() const& { return variable; }  // NOLINT: implicit on purpose
  operator Variable() const&& { return variable; }        // NOLINT

  const Tensor& value() const& { return variable.value(); }
  Tensor value() const&& { return variable.value(); }
  Tensor grad() const { return variable.grad(); }
  bool has_grad() const { return variable.has_grad(); }
  Shape shape() const { return variable.shape(); }
  std::int64_t numel() const { return variable.numel(); }
  DType dtype() const { return variable.dtype(); }
  bool requires_grad() const { return variable.requires_grad(); }
  void set_requires_grad(bool requires_grad) { variable.set_requires_grad(requires_grad); }
  void set_value(Tensor value) { variable.set_value(std::move(value)); }

  std::string name;
  Variable variable;
};
template <>
inline constexpr bool kHasHistory<NamedParameter> = true;

}  // namespace tapegrad
