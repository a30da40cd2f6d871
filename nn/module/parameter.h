// Parameter and Buffer: a module's handles to its leaves and to its other tensors. Read next:
// nn/module/parameter.cc.
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <type_traits>
#include <utility>

#include <tapegrad/autograd/variable.h>
#include <tapegrad/nn/module/clone.h>
#include <tapegrad/nn/module/registration.h>

namespace tapegrad {
namespace nn {
class Module;
}

// A Variable that is registered with a module, usable wherever a Variable is. It cannot be
// assigned, because the module's registry would keep the old leaf, and an optimizer would silently
// train the wrong weights. Instead, tie(a, b) makes a use b's leaf, and set_value() changes the
// elements. A const Parameter can only be read.
class Parameter : public Methods<Variable, Parameter> {
 public:
  Parameter() : Parameter(Variable()) {}  // undefined, like the bias of a layer without one
  explicit Parameter(Variable leaf);
  Parameter(const Parameter& other);
  Parameter& operator=(const Parameter&) = delete;

  // A temporary becomes a Variable of its own and not a reference, which would dangle in
  // `const Variable& w = Linear(2, 2).weight;`. To pass a temporary on, write .variable().
  operator const Variable&() const& { return slot_->variable; }  // NOLINT: implicit on purpose
  operator Variable() const&& { return slot_->variable; }        // NOLINT
  template <std::same_as<Variable> V>
  operator const V&() const&& = delete;  // of a temporary: write .variable()
  const Variable& variable() const& { return slot_->variable; }
  Variable variable() const&& { return slot_->variable; }

  bool defined() const { return variable().defined(); }
  const Tensor& value() const& { return variable().value(); }
  Tensor value() const&& { return slot_->variable.value(); }
  std::int64_t dim() const { return variable().dim(); }
  std::int64_t size(std::int64_t dim) const { return variable().size(dim); }
  std::span<const std::int64_t> sizes() const& { return variable().sizes(); }
  Shape sizes() const&& { return shape(); }  // see Tensor
  Shape shape() const { return variable().shape(); }
  std::int64_t numel() const { return variable().numel(); }
  DType dtype() const { return variable().dtype(); }
  bool requires_grad() const { return variable().requires_grad(); }
  bool has_grad() const { return variable().has_grad(); }
  Tensor grad() const { return variable().grad(); }
  bool has_row_grad() const { return variable().has_row_grad(); }
  RowSparse row_grad() const { return variable().row_grad(); }
  void zero_grad() { slot_->variable.zero_grad(); }
  Variable detach() const { return variable().detach(); }
  using Methods<Variable, Parameter>::item;
  template <Number T>
  T item() const {
    return variable().item<T>();
  }
  template <Number T>
  T item(const Shape& index) const {
    return variable().item<T>(index);
  }
  Leaf& leaf() const& { return variable().leaf(); }  // for autograd and optimizers
  Leaf& leaf() const&& = delete;
  RowPolicy& row_policy() & { return variable().row_policy(); }
  const RowPolicy& row_policy() const& { return variable().row_policy(); }
  const RowPolicy& row_policy() const&& = delete;
  template <class Function>
  std::size_t register_hook(Function function) {
    return variable().register_hook(std::move(function));
  }

  // Frozen parameters get no gradient, and optimizers do not change them.
  void set_requires_grad(bool requires_grad) { slot_->variable.set_requires_grad(requires_grad); }
  void set_value(Tensor value) { slot_->variable.set_value(std::move(value)); }

  // Where a NoGrad exists, set_value() of the result, as in `w -= 0.1 * w.grad()`. AutogradError
  // elsewhere, because a result of the tape would have to replace the leaf.
  Parameter& operator+=(const Variable& other) &;
  Parameter& operator+=(Scalar other) &;
  Parameter& operator-=(const Variable& other) &;
  Parameter& operator-=(Scalar other) &;
  Parameter& operator*=(const Variable& other) &;
  Parameter& operator*=(Scalar other) &;
  Parameter& operator/=(const Variable& other) &;
  Parameter& operator/=(Scalar other) &;

  // All copies of `target`, and the module that registered it, then use `source`'s leaf. ShapeError
  // unless both have the same shape and element type. An optimizer holds leaves, so create it after
  // tie().
  friend void tie(Parameter& target, const Parameter& source);

  // The same for replace_module(), where the shapes may differ.
  void adopt(const Parameter& source) { slot_->variable = source.variable(); }

 private:
  friend class nn::CloneScope;
  friend class nn::Module;
  struct Slot {
    explicit Slot(Variable leaf) : variable(std::move(leaf)) {}
    Slot(const Slot& other)
        : variable(nn::CloneScope::current()->clone_of(other.variable)),
          registration(other.registration) {}
    Slot(Slot&&) = default;
    Variable variable;
    nn::Registration registration{};
  };
  nn::Shared<Slot> slot_;
};

template <>
inline constexpr bool kHasHistory<Parameter> = true;

inline std::ostream& operator<<(std::ostream& out, const Parameter& parameter) {
  return out << parameter.variable();
}

void tie(Parameter& target, const Parameter& source);
// These keep std::tie, which would match better and tie nothing, from being called after `using
// namespace std`.
inline void tie(Parameter& target, Parameter& source) { tie(target, std::as_const(source)); }
template <class... Others>
void tie(Parameter& target, Others&... others) = delete;
template <class... Others>
void tie(const Parameter& target, Others&... others) = delete;

// A tensor that is saved with the module but not trained. It is usable wherever a Tensor is;
// `*buffer` is the Tensor, and `*buffer = x` replaces it in all copies of the module.
class Buffer : public nn::Shared<Tensor> {
 public:
  using nn::Shared<Tensor>::Shared;
  operator const Tensor&() const& { return **this; }  // NOLINT: implicit on purpose
  operator const Tensor&() const&& = delete;          // it may be the last handle; copy *buffer

  // With a Variable or a Parameter, as in `x * weight + running_mean`.
  template <class V>
  static constexpr bool kVariable = std::is_same_v<V, Variable> || std::is_same_v<V, Parameter>;
  template <class V>
  requires kVariable<V>
  friend Variable operator+(const V& a, const Buffer& b) { return a + *b; }
  template <class V>
  requires kVariable<V>
  friend Variable operator+(const Buffer& a, const V& b) { return *a + b; }
  template <class V>
  requires kVariable<V>
  friend Variable operator-(const V& a, const Buffer& b) { return a - *b; }
  template <class V>
  requires kVariable<V>
  friend Variable operator-(const Buffer& a, const V& b) { return *a - b; }
  template <class V>
  requires kVariable<V>
  friend Variable operator*(const V& a, const Buffer& b) { return a * *b; }
  template <class V>
  requires kVariable<V>
  friend Variable operator*(const Buffer& a, const V& b) { return *a * b; }
  template <class V>
  requires kVariable<V>
  friend Variable operator/(const V& a, const Buffer& b) { return a / *b; }
  template <class V>
  requires kVariable<V>
  friend Variable operator/(const Buffer& a, const V& b) { return *a / b; }
};

namespace nn {
using tapegrad::Buffer;
using tapegrad::Parameter;  // PyTorch's name
}  // namespace nn

}  // namespace tapegrad
