// BackwardPass: one walk along the tape from the newest entry to the oldest, for backward() or
// grad(). It accumulates the gradients that rules return.
//
// Invariants (each has a test of its number in tests/autograd/backward_test.cc):
//   1. An entry fires at most once in a pass, and only when its gradient is complete.
//   2. The pass refers to every entry with a pending gradient; the walk ends when there is none.
//   3. Leaves change last, when all rules and hooks have succeeded: after an exception every grad()
//      is unchanged.
//   4. After a pass, even one ended by an exception, nothing is pending, firing or marked as
//   wanted.
//   5. A pass adds to a sum in place only if nothing else shares its memory.
//   6. A thread runs one pass at a time, and passes share no state: grad() may run on several
//      threads that share leaves.
//
// Read next: autograd/backward.cc.
#pragma once

#include <tapegrad/autograd/observer.h>
#include <tapegrad/tensor/memory.h>

namespace tapegrad {

class BackwardPass {
 public:
  static BackwardPass& running() { return *tape().pass_; }  // for rules

  bool creates_graph() const { return create_graph_; }
  bool wants(Node& input) { return all_wanted_ || is_wanted(input); }

  // Adds a rule's result to the input's gradient. An undefined Variable adds nothing.
  void accumulate(Node& input, Variable gradient);
  void accumulate(Node& input, RowSparse gradient);
  // For a gradient type with its own add_to(), such as SliceGradient.
  template <class Part>
  requires requires(const Part& part, Tensor& sum) { part.add_to(sum); }
  void accumulate(Node& input, const Part& part) {
    if (create_graph_ || tape_.observer_) return accumulate(input, part.composed(shape_of(input)));
    Variable& sum = writable_sum(input);
    part.add_to(sum.value_);
    sum.mark_current();
  }

  // State of a caller for this pass, found by its key: created on first use, destroyed with the
  // pass.
  template <class T>
  T& state(const void* key) {
    for (const auto& [owner, state] : states_) {
      if (owner == key) return *static_cast<T*>(state.get());
    }
    return *static_cast<T*>(states_.emplace_back(key, std::make_shared<T>()).second.get());
  }

 private:
  friend class Variable;
  friend std::vector<Variable> grad(const Variable&, const std::vector<Variable>&, GradOptions);

  // The gradient of a leaf so far.
  struct LeafGradient {
    NodePtr leaf;
    Variable sum{};
    memory::Vector<RowSparse> rows{};
    const Node* node() const { return leaf.get(); }
  };

  BackwardPass(bool create_graph, bool retain_graph);
  ~BackwardPass();
  BackwardPass(const BackwardPass&) = delete;

  void want_only(const std::vector<Variable>& inputs);
  bool is_wanted(Node& input);
  bool wants_input_of(const Entry& entry);
  void run(Node& output, Variable gradient);
  template <bool observed>  // a hook may still begin or end a Trace
  void fire(Entry& entry);
  void finish_current();
  void call_hooks(const Hooks& hooks, const Node& node, Variable& gradient);
  static void release_hooks(Hooks& hooks);
  void call_leaf_hooks();
  void commit();

  LeafGradient* find(Node& leaf);  // null if there is no gradient yet and grad() did not ask for it
  LeafGradient& find_or_add(Node& leaf);
  static Variable& make_dense(LeafGradient& gradient);
  static Shape shape_of(const Node& node);
  Variable& sum_of(Node& input);
  void set_sum(Node& input, Variable& sum, Variable&& first);
  Variable& writable_sum(Node& input);
  bool fits(const Node& input, const Variable& gradient) const;
  Variable fitted(const Node& input, Variable gradient) const;

  Tape& tape_;
  const std::uint64_t number_;  // counts the passes of all threads, in the order of their start
  const bool create_graph_;
  const bool retain_graph_;
  const bool recording_before_;
  bool all_wanted_ = true;
  std::size_t pending_ = 0;                          // entries with a pending gradient
  Node* current_ = nullptr;                          // the entry that the walk has reached
  memory::Vector<LeafGradient> leaves_;              // in the order of their first gradient
  std::vector<std::pair<Node*, Variable>> targets_;  // entries that grad() was asked for
  std::vector<std::pair<const void*, std::shared_ptr<void>>> states_;
};

}  // namespace tapegrad
