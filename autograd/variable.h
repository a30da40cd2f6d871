// Variable: a Tensor with its history. The operations on Variables are declared in autograd/ops.h.
// Read next: autograd/node.h.
#pragma once

#include <iosfwd>
#include <type_traits>

#include <tapegrad/autograd/node.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {

struct BackwardOptions {
  bool retain_graph = false;  // keep the history for another backward pass
};

// A handle to a value with its history, if it has any:
//   - a constant: made from a Tensor, no history;
//   - a leaf: made by parameter(); backward() adds its gradient to grad();
//   - a result: made by a recorded operation; its entry on the tape refers to its inputs.
// Copies refer to the same leaf or entry. Operations on a Variable with history belong to the
// thread that recorded it; any thread may copy and drop it. Leaves may be shared by threads that
// only read them.
//
//   Variable w = parameter(randn({2, 3}));
//   Variable loss = mean(square(matmul(x, w)));
//   loss.backward();
//   w.set_value(w.value() - 0.1 * w.grad());
class Variable : public Methods<Variable> {
 public:
  Variable() = default;   // undefined
  Variable(Tensor value)  // NOLINT: a Tensor is a constant
      : value_(std::move(value)), version_(value_.defined() ? value_.version() : 0) {}
  [[gnu::always_inline]] Variable(Tensor value, Node* node)
      : value_(std::move(value)), node_(node), version_(value_.defined() ? value_.version() : 0) {}
  Variable(const Variable& other) noexcept
      : Methods(other), value_(other.value_), node_(other.node_), version_(other.version_) {
    if (!is_current()) renew_version();
  }
  Variable(Variable&& other) noexcept = default;
  Variable& operator=(Variable other) & noexcept {
    swap(other);
    return *this;
  }
  [[gnu::always_inline]] ~Variable() = default;
  void swap(Variable& other) noexcept {
    value_.swap(other.value_);
    std::swap(node_, other.node_);
    std::swap(version_, other.version_);
  }

  bool defined() const { return value_.defined() || node_; }

  // The elements. A Tensor taken from a leaf is a snapshot: set_value() and optimizers do not
  // change it. Inside a rule, throws AutogradError if the value was overwritten after the rule
  // captured it.
  [[gnu::always_inline]] const Tensor& value() const& {
    if (!is_current()) [[unlikely]]
      check_stale();
    return holds_leaf() ? node_->as_leaf().value() : value_;
  }
  Tensor value() const&& { return this->value(); }  // a copy: *this is an lvalue here

  std::int64_t dim() const { return stored().dim(); }
  std::int64_t size(std::int64_t dim) const { return stored().size(dim); }
  std::span<const std::int64_t> sizes() const& { return stored().sizes(); }
  Shape sizes() const&& { return shape(); }  // see Tensor
  Shape shape() const { return stored().shape(); }
  std::int64_t numel() const { return stored().numel(); }
  DType dtype() const { return stored().dtype(); }
  // Recorded; the gradient is converted back to this variable's type. An int64 or boolean result is
  // a constant.
  Variable to(DType dtype) const;
  using Methods<Variable>::item;  // item() is a double
  template <Number T>
  T item() const {
    return value().item<T>();
  }
  template <Number T>
  T item(const Shape& index) const {
    return value().item<T>(index);
  }

  // x += y binds x to the result of x + y; it never writes into x's memory, so the tape misses
  // nothing. On a leaf that requires a gradient it throws AutogradError, unless a NoGrad exists:
  // there it is set_value(), and x stays the leaf.
  Variable& operator+=(const Variable& other) &;
  Variable& operator+=(Scalar other) &;
  Variable& operator-=(const Variable& other) &;
  Variable& operator-=(Scalar other) &;
  Variable& operator*=(const Variable& other) &;
  Variable& operator*=(Scalar other) &;
  Variable& operator/=(const Variable& other) &;
  Variable& operator/=(Scalar other) &;

  // History -----------------------------------------------------------------------------------
  bool is_leaf() const { return !node_ || node_->is_leaf(); }
  bool requires_grad() const {
    return node_ && (!node_->is_leaf() || node_->as_leaf().requires_grad);
  }
  // On a leaf, false freezes it: later operations treat it as a constant, and optimizers skip it.
  // On a constant, true turns this handle into a leaf; DTypeError unless floating-point. On a
  // result, false throws AutogradError, because its history cannot be removed; detach() returns a
  // Variable without it.
  void set_requires_grad(bool requires_grad);
  Variable detach() const { return Variable(value()); }  // the same value, a constant

  // Computes the gradient of this 1-element value (or of sum(this * gradient)) with respect to
  // every leaf that it was computed from, and adds it to the leaf's grad(). Consumes the history
  // unless retain_graph is set. AutogradError if there is no history or it was consumed; ShapeError
  // if `gradient` does not have this variable's shape.
  void backward(BackwardOptions options = {}) const;
  void backward(const Tensor& gradient, BackwardOptions options = {}) const;

  // backward() and grad() call `function` with the complete gradient of this variable before they
  // use it. If the function returns a defined Variable (of the same shape), this replaces the
  // gradient. Hooks that a hook adds or removes take effect in the next pass. Returns a number for
  // remove_hook(). AutogradError unless requires_grad().
  template <class Function>
  std::size_t register_hook(Function function) const {
    if constexpr (std::is_void_v<std::invoke_result_t<Function&, const Variable&>>) {
      return add_hook([function = std::move(function)](const Variable& gradient) mutable {
        function(gradient);
        return Variable();
      });
    } else {
      return add_hook(std::move(function));
    }
  }
  void remove_hook(std::size_t hook) const;

  // Leaves ------------------------------------------------------------------------------------
  // AutogradError on anything but a leaf, or a result after retain_grad(). Gradients carry no
  // history.
  bool has_grad() const { return !gradient().empty(); }
  Tensor grad() const;  // dense; AutogradError if there is none
  bool has_row_grad() const { return gradient().is_row_sparse(); }  // from lookups only
  RowSparse row_grad() const;               // coalesced; never allocates a dense table
  void set_grad(Tensor gradient);           // ShapeError unless of the value's shape and type
  void zero_grad() { gradient().clear(); }  // has_grad() is false afterwards
  // backward() adds the gradient of this result to its grad(), too, after all hooks. On a leaf it
  // changes nothing. AutogradError unless requires_grad().
  void retain_grad() const;
  bool retains_grad() const;
  void set_value(Tensor value);  // ShapeError unless of the same shape and type; stays this leaf
  // What optimizers must honor about the rows, such as frozen rows (autograd/row_policy.h).
  RowPolicy& row_policy() const& { return leaf().row_policy(); }
  RowPolicy& row_policy() const&& = delete;

  // For the library itself: the node; the leaf (AutogradError if this is not one); the value in
  // memory as it is, where rows of a leaf may have pending steps.
  Node* node() const { return node_.get(); }
  Leaf& leaf() const;
  const Tensor& stored() const { return holds_leaf() ? node_->as_leaf().stored() : value_; }

 private:
  friend class BackwardPass;
  bool holds_leaf() const { return node_ && node_->is_leaf(); }
  // Whether the value is unchanged since this handle was made.
  [[gnu::always_inline]] bool is_current() const {
    if (holds_leaf()) return version_ == node_->as_leaf().version();
    return !value_.defined() || version_ == value_.version();
  }
  void mark_current() { version_ = value_.version(); }  // after a write of the library's own
  void check_stale() const;
  void renew_version() noexcept;
  std::size_t add_hook(Hook hook) const;
  GradientSum& gradient() const;

  Tensor value_;               // undefined for a leaf, which holds its own value
  NodePtr node_;               // null for a constant
  std::uint32_t version_ = 0;  // of the value when this handle was made; a rule's copies keep it
};

extern template class Methods<Variable>;

// A leaf that requires a gradient. DTypeError unless floating-point.
Variable parameter(Tensor value, bool requires_grad = true);

// Prints the value as a Tensor is printed, and whether it requires a gradient.
std::ostream& operator<<(std::ostream& out, const Variable& variable);

// While one exists, nothing is recorded on this thread. It is only an optimization: recorded
// history that no Variable refers to is dropped anyway.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;

 private:
  const bool recording_before_;
};
using no_grad = NoGrad;  // PyTorch's name

struct GradOptions {
  Tensor grad_output{};       // of the output's shape; needed unless it has one element
  bool create_graph = false;  // record the gradients themselves, to differentiate them again
  bool retain_graph = false;  // keep the history; create_graph implies it
  bool allow_unused = false;  // an input that the output does not depend on gives an undefined
                              // Variable instead of an AutogradError
};

// The gradients of `output` with respect to `inputs` (leaves or results), as Variables. Changes no
// grad().
std::vector<Variable> grad(const Variable& output, const std::vector<Variable>& inputs,
                           GradOptions options = {});
std::vector<Variable> grad(const Variable& output, std::initializer_list<Variable> inputs,
                           GradOptions options = {});
// The gradient with respect to one input.
Variable grad(const Variable& output, const Variable& input, GradOptions options = {});

}  // namespace tapegrad
