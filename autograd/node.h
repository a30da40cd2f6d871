// Node: a value that can receive a gradient. There are two kinds: an Entry is the result of an
// operation (autograd/tape.h), a Leaf is a parameter. This file holds the common base class Node,
// and Leaf.
//
// Invariants of a leaf (each has a test of its number in tests/autograd/node_test.cc):
//   1. A Tensor taken from value() is a snapshot: later changes of the leaf do not reach it.
//   2. version() grows with every change of the value, and with nothing else. A flush of pending
//      rows is not a change: each pending step was counted when it was recorded.
//   3. value() has no pending rows; stored() may have.
//   4. The gradient has the value's shape and type, and no history.
//   5. Only a backward pass that succeeded, clipping, set_grad() and zero_grad() change it.
//
// Read next: autograd/record.h.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include <tapegrad/autograd/row_policy.h>
#include <tapegrad/autograd/row_sparse.h>

namespace tapegrad {

class Entry;
class Leaf;
class Variable;

// Reference-counted. A handle may be copied and dropped on any thread (autograd/tape_threads.cc).
class Node {
 public:
  bool is_leaf() const { return is_leaf_; }
  std::uint32_t use_count() const { return references_; }  // handles, also those of entries
  inline Leaf& as_leaf();
  inline Entry& as_entry();

 protected:
  explicit Node(bool is_leaf) : is_leaf_(is_leaf) {}
  ~Node() = default;

 private:
  friend class BackwardPass;
  friend class NodePtr;
  friend class Tape;
  void retain() noexcept {
    if (!TAPEGRAD_SINGLE_THREADED) return retain_shared();
    ++references_;
  }
  void release() noexcept {
    if (!TAPEGRAD_SINGLE_THREADED) return release_shared();
    if (--references_ == 0) destroy(this);
  }
  void retain_shared() noexcept;  // atomic
  void release_shared() noexcept;
  static void destroy(Node* node) noexcept;

  std::uint32_t references_ = 0;
  bool is_leaf_;
};

// A counted handle to a node, or null.
class NodePtr {
 public:
  NodePtr() = default;
  explicit NodePtr(Node* node) noexcept : node_(node) {
    if (node_ != nullptr) node_->retain();
  }
  NodePtr(const NodePtr& other) noexcept : NodePtr(other.node_) {}
  NodePtr(NodePtr&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodePtr& operator=(NodePtr other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodePtr() { reset(); }

  void reset() noexcept {
    if (node_ != nullptr) std::exchange(node_, nullptr)->release();
  }
  Node* get() const { return node_; }
  Node& operator*() const { return *node_; }
  Node* operator->() const { return node_; }
  explicit operator bool() const { return node_ != nullptr; }

 private:
  Node* node_ = nullptr;
};

// Functions that are called with a gradient before it is used, each with its number. They are held
// by shared_ptr, so that a hook can remove itself while it runs.
using Hook = std::function<Variable(const Variable& gradient)>;
using Hooks = std::vector<std::pair<std::size_t, std::shared_ptr<const Hook>>>;

class Leaf : public Node {
 public:
  Leaf(Tensor value, bool wants_grad);
  ~Leaf();

  bool requires_grad;
  Hooks hooks;

  // value() flushes all pending rows first. stored() does not: use it for the sizes and the type,
  // and for rows that were flushed.
  const Tensor& value() {
    flush();
    return value_;
  }
  const Tensor& stored() const { return value_; }
  // The value, to be written to. If another Tensor shares the memory, the leaf copies it first.
  Tensor& writable_value();
  Tensor& writable_stored();  // without a flush; for callers that know which rows are pending
  void set_value(Tensor value);
  std::uint32_t version() const { return changes_ + value_.version(); }  // wraps around

  // Rows: what optimizers must honor, and the pending steps of rows (row_policy.h).
  // Threads that only read may call these at the same time.
  void flush() {
    if (RowPolicy* const policy = policy_; policy != nullptr && policy->has_pending_rows()) {
      flush_pending_rows(nullptr);
    }
  }
  void flush_rows(const Tensor& ids) {  // int64, contiguous, in range
    if (RowPolicy* const policy = policy_; policy != nullptr && policy->has_pending_rows()) {
      flush_pending_rows(&ids);
    }
  }
  RowPolicy& row_policy() {  // creates it on first use
    RowPolicy* const policy = policy_;
    return policy != nullptr ? *policy : create_policy();
  }
  const RowPolicy& row_policy() const;
  void copy_policy_from(const Leaf& other);  // copies requires_grad, too
  bool is_pruned() const {
    const RowPolicy* const policy = policy_;
    return policy != nullptr && policy->kept().defined();
  }

  GradientSum grad;
  std::atomic<std::uint64_t> slot = 0;  // position in the list of a BackwardPass (find() there)

 private:
  void flush_pending_rows(const Tensor* ids);  // null: all rows
  RowPolicy& create_policy();

  Tensor value_;
  std::uint32_t changes_;                     // version() minus value_.version()
  std::atomic<RowPolicy*> policy_ = nullptr;  // owned
};

inline Leaf& Node::as_leaf() { return static_cast<Leaf&>(*this); }

}  // namespace tapegrad
