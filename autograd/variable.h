// Variable: a Tensor, and where it came from. What can be done with Variables is declared in
// autograd/ops.h; how history is kept and played back is told in autograd/tape.h, the file to read
// next.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

class Entry;
class Leaf;
class Variable;

// Something that can receive a gradient: a Leaf (autograd/node.h) or an Entry (autograd/tape.h).
// Counted by the Variables and entries that refer to it.
class Node {
 public:
  bool is_leaf() const { return is_leaf_; }
  inline Leaf& as_leaf();
  inline Entry& as_entry();

  static void retain(Node* node) noexcept {
    if (node->is_leaf_ && !TAPEGRAD_SINGLE_THREADED) {  // parameters may be shared by threads
      __atomic_add_fetch(&node->references_, 1U, __ATOMIC_RELAXED);
    } else {
      ++node->references_;
    }
  }
  static void release(Node* node) noexcept {
    if (node->is_leaf_ && !TAPEGRAD_SINGLE_THREADED) {
      if (__atomic_sub_fetch(&node->references_, 1U, __ATOMIC_ACQ_REL) == 0) drop(node);
    } else if (--node->references_ == 0) {
      drop(node);
    }
  }

 protected:
  explicit Node(bool is_leaf) : is_leaf_(is_leaf) {}
  ~Node() = default;

 private:
  friend class BackwardPass;
  static void drop(Node* node) noexcept;  // no reference is left

  std::uint32_t references_ = 0;
  bool is_leaf_;
  bool wanted_ = false;  // grad() was asked for it, or for something that it was computed from
};

struct BackwardOptions {
  bool retain_graph = false;  // keep what was played back, to play it again
};

// Rows of a table's gradient: row i belongs to row ids[i] of the table; ids are distinct.
struct RowGradient {
  Tensor ids;   // (count) int64
  Tensor rows;  // (count, width)
};

// A handle to a value with its history, if it has any:
//   - a constant: made from a Tensor, no history;
//   - a leaf: made by parameter(); gradients arrive in grad();
//   - a result: made by an operation that was recorded; its entry on the tape knows its inputs.
// Copies refer to the same leaf or entry. A Variable with history belongs to the thread that
// recorded it; leaves may be shared by threads that only read them.
//
//   Variable w = parameter(randn({2, 3}));
//   Variable loss = mean(square(matmul(x, w)));
//   loss.backward();
//   w.set_value(w.value() - 0.1 * w.grad());
class Variable {
 public:
  Variable() = default;   // undefined
  Variable(Tensor value)  // NOLINT: a Tensor is a constant
      : value_(std::move(value)), version_(value_.defined() ? value_.version() : 0) {}
  Variable(Tensor value, Node* node) : Variable(std::move(value)) {
    node_ = node;
    if (node_ != nullptr) Node::retain(node_);
  }
  Variable(const Variable& other) noexcept
      : value_(other.value_), node_(other.node_), version_(other.version_) {
    if (node_ != nullptr) {
      Node::retain(node_);
      if (node_->is_leaf()) {
        if (version_ != leaf_version()) renew_version();
        return;
      }
    }
    if (value_.defined() && version_ != value_.version()) renew_version();
  }
  Variable(Variable&& other) noexcept
      : value_(std::move(other.value_)),
        node_(std::exchange(other.node_, nullptr)),
        version_(other.version_) {}
  Variable& operator=(Variable other) noexcept {
    swap(other);
    return *this;
  }
  void swap(Variable& other) noexcept {
    value_.swap(other.value_);
    std::swap(node_, other.node_);
    std::swap(version_, other.version_);
  }
  ~Variable() {
    if (node_ != nullptr) Node::release(node_);
  }

  bool defined() const { return value_.defined() || node_ != nullptr; }

  // The numbers. A Tensor taken from a leaf is a snapshot: set_value() and optimisers do not change
  // it. Inside a rule, an AutogradError if the value was overwritten since it was captured.
  [[gnu::always_inline]] const Tensor& value() const& {
    if (node_ != nullptr && node_->is_leaf()) return leaf_value();
    if (value_.defined() && version_ != value_.version()) [[unlikely]]
      check_stale();
    return value_;
  }
  Tensor value() const&& { return static_cast<const Variable&>(*this).value(); }

  std::int64_t dim() const { return stored().dim(); }
  std::int64_t size(std::int64_t dim) const { return stored().size(dim); }
  std::span<const std::int64_t> sizes() const { return stored().sizes(); }
  Shape shape() const { return stored().shape(); }
  std::int64_t numel() const { return stored().numel(); }
  DType dtype() const { return stored().dtype(); }
  // Recorded, and the gradient comes back in this type; int64 and boolean are constants.
  Variable to(DType dtype) const;
  template <class T>
  T item() const {
    return value().item<T>();
  }
  template <class T>
  T item(const Shape& index) const {
    return value().item<T>(index);
  }

  // History -----------------------------------------------------------------------------------
  bool is_leaf() const { return node_ == nullptr || node_->is_leaf(); }
  bool requires_grad() const;
  // On a leaf: false freezes it, for operations recorded from now on and for optimisers. On a
  // constant, true makes this handle a leaf. DTypeError unless floating-point; AutogradError for
  // a result, whose history cannot be taken away (detach() gives one without).
  void set_requires_grad(bool requires_grad);
  Variable detach() const { return Variable(value()); }  // the same value, a constant

  // Adds the gradients of this 1-element value (or of sum(this * gradient)) with respect to every
  // leaf it was computed from into the leaves' grad(). Consumes the history unless told to retain
  // it. AutogradError where there is no history or it was consumed; ShapeError for `gradient`.
  void backward(BackwardOptions options = {}) const;
  void backward(const Tensor& gradient, BackwardOptions options = {}) const;

  // Calls `hook` with the complete gradient of this variable when backward() or grad() has it,
  // before it is used; what the hook returns (of the same shape), if anything, takes its place.
  // Hooks that a hook adds or removes count from the next time on.
  // Gives a number for remove_hook().
  using Hook = std::function<Variable(const Variable& gradient)>;
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
  // AutogradError on anything but a leaf. Gradients carry no history.
  bool has_grad() const;
  Tensor grad() const;           // dense; AutogradError where there is none
  bool has_row_grad() const;     // whether the gradient is row-sparse: from lookups only
  RowGradient row_grad() const;  // its distinct rows, without ever making the table
  void set_grad(Tensor gradient) const;
  void zero_grad() const;        // has_grad() is false afterwards
  void set_value(Tensor value);  // same shape and dtype; stays the same leaf

  // For the machinery: the node, the leaf behind it (AutogradError if there is none), and the value
  // as it lies in memory: rows of a leaf may wait there for steps of an optimiser.
  Node* node() const { return node_; }
  Leaf& leaf() const;
  const Tensor& stored() const {
    return node_ != nullptr && node_->is_leaf() ? leaf_stored() : value_;
  }

 private:
  friend class BackwardPass;
  std::uint32_t leaf_version() const noexcept;
  const Tensor& leaf_value() const;
  const Tensor& leaf_stored() const;
  void check_stale() const;
  void renew_version() noexcept;
  void note_version() { version_ = value_.version(); }
  std::size_t add_hook(Hook hook) const;

  Tensor value_;               // not for a leaf: that has its own
  Node* node_ = nullptr;       // counted; null for a constant
  std::uint32_t version_ = 0;  // of the value when this handle was made; a rule's copies keep it
};

// A leaf that wants a gradient. DTypeError unless floating-point.
Variable parameter(Tensor value, bool requires_grad = true);

// A leaf with its name, as Module::parameters() lists them and optimisers take them. Optimisers
// know parameters by identity, not by name.
struct NamedParameter {
  NamedParameter(std::string its_name, Variable its_variable)
      : name(std::move(its_name)), variable(std::move(its_variable)) {}
  NamedParameter(Variable its_variable) : variable(std::move(its_variable)) {}  // NOLINT
  std::string name;
  Variable variable;
};

// Prints the value as a Tensor prints, and whether it wants a gradient.
std::ostream& operator<<(std::ostream& out, const Variable& variable);

// While one exists, nothing is recorded on this thread. An optimisation: what is recorded and not
// kept is dropped by itself.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

struct GradOptions {
  Tensor grad_output{};       // of the output's shape; needed unless it has one element
  bool create_graph = false;  // record the gradients themselves, to differentiate them again
  bool retain_graph = false;  // keep the history; create_graph implies it
  bool allow_unused = false;  // an input that the output does not depend on gives an undefined
                              // Variable instead of an AutogradError
};

// The gradients of `output` with respect to `inputs` (leaves or results), as Variables. Touches
// no grad().
std::vector<Variable> grad(const Variable& output, const std::vector<Variable>& inputs,
                           GradOptions options = {});

}  // namespace tapegrad
