// How an operation writes itself onto the tape:
//
//   Variable mul(const Variable& a, const Variable& b) {   // da = dy * b,  db = dy * a
//     return record("mul", mul(a.value(), b.value()),
//                   from(a, [b](const Variable& dy) { return dy * b; }),
//                   from(b, [a](const Variable& dy) { return dy * a; }));
//   }
//
// There is one rule per input, and it is kept only if that input wants a gradient: otherwise what
// it captured is let go at once, and it is never called. What a rule captures is what the tape
// keeps; it captures Variables rather than Tensors, because they notice when their value was
// overwritten since. A rule takes (dy), or (dy, y) where it needs the result: it must not capture
// the result itself, which would refer to its own entry. It returns a Variable of its input's shape
// or of any shape that this was broadcast to (the engine sums it down; no rule mentions
// broadcasting), or one of the two gradients of a part below. Where all gradients come out of
// one computation, record_joint() at the end takes one rule for all. Read next:
// autograd/ops/elementwise.cc, then autograd/backward.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/memory.h>

namespace tapegrad {

// A gradient that is zero but for a part: `piece` belongs at positions start, start + step, ... of
// dimension dim of the input, or, having one dimension fewer than the input, at position start. It
// is added in place, so that T slices of one sequence cost T small additions, not T additions of
// whole sequences.
struct Placed {
  Variable piece;
  std::int64_t dim;
  std::int64_t start;
  std::int64_t step = 1;
};

// The gradient of a table of which some rows were looked up: row ids[i] gets
// scale[i] * rows[pick[i]]. So what several ids share, as those of a bag do, is there once, and no
// rule makes a row for each id.
struct PlacedRows {
  Tensor ids;                    // int64, any shape
  Variable rows;                 // ids' shape with the table's width behind; with `pick`, any rows
  std::int64_t skip = -1;        // what is for this row does not count
  Tensor pick{};                 // one for each id; undefined: the i-th takes the i-th row
  Variable scale{};              // one for each id; undefined: 1
  std::int64_t table_rows = -1;  // of the table when it was looked up; -1 if nobody knows
};

// What a BackwardHook (autograd/backward_hook.h) has collected in one run through the tape.
struct BackwardHookNotes {
  const void* passage;
  std::vector<Variable> grad_inputs{};
  std::vector<Variable> grad_outputs{};
  bool called = false;
};

// One run through the tape, from newest to oldest. Rules' results are delivered to inputs here.
class BackwardPass {
 public:
  static BackwardPass& running() { return *tape().playing_; }  // for rules
  BackwardHookNotes& notes(const void* passage);               // kept to the end of the run
  bool wants(const Node& input) const { return all_wanted_ || input.wanted_; }
  bool records() const { return create_graph_; }
  void deliver(Node& input, Variable gradient);
  void deliver(Node& input, Placed gradient);
  void deliver(Node& input, PlacedRows gradient);

 private:
  friend class Variable;
  friend std::vector<Variable> grad(const Variable&, const std::vector<Variable>&, GradOptions);

  struct Target {
    Node* node;
    Variable gradient;
  };

  BackwardPass(bool create_graph, bool retain_graph);
  ~BackwardPass();
  BackwardPass(const BackwardPass&) = delete;
  BackwardPass& operator=(const BackwardPass&) = delete;

  void want_only(const std::vector<Variable>& inputs);
  bool wants_inputs_of(const Entry& entry) const;
  void run(Entry& start, Variable seed);
  void fire(Entry& entry);
  static Variable& sum_of(Node& input);
  void begin_sum(Node& input);
  Variable& writable_sum(Node& input);
  void add(Variable& sum, Variable gradient) const;
  bool fits(const Node& input, const Variable& gradient) const;
  Variable fitted(const Node& input, Variable gradient) const;
  [[gnu::noinline]] void call_hooks(Entry& entry) const;
  [[noreturn, gnu::noinline]] static void throw_consumed(const Entry& entry);
  void call_leaf_hooks();
  void commit();

  Tape& tape_;
  const bool create_graph_;
  const bool retain_graph_;
  bool all_wanted_ = true;
  bool recording_before_;
  std::size_t pending_ = 0;   // entries with a pending gradient
  Entry* current_ = nullptr;  // where the walk is
  Leaf* staged_ = nullptr;    // the leaves that something was delivered to, linked and counted
  std::vector<Target> targets_;
  std::vector<std::unique_ptr<BackwardHookNotes>> notes_;
};

namespace detail {

// Whether history is kept of what is computed from it.
inline bool is_tracked(const Variable& input) {
  Node* const node = input.node();
  return node != nullptr && (!node->is_leaf() || node->as_leaf().requires_grad);
}

}  // namespace detail

// from(x, rule): an input and how its gradient follows from the result's. It refers to both, so it
// stands where record() is called. The rule may also be given by a function without arguments that
// makes it, called only if the input wants a gradient: then nothing is captured in vain.
template <class Given>
struct From {
  const Variable& input;
  Given&& given;
  bool tracked() const { return detail::is_tracked(input); }
};

template <class Given>
From<Given> from(const Variable& input, Given&& given) {
  return {input, std::forward<Given>(given)};
}

namespace detail {

[[noreturn]] void throw_overwritten(const char* operation);

template <class Rule>
inline constexpr bool kNeedsOutput =
    std::is_invocable_v<const Rule&, const Variable&, const Variable&>;

template <class Given>
inline constexpr bool kMakesRule = std::is_invocable_v<Given&>;

// The rule that is kept for what from() was given.
template <class Given, bool makes_rule = kMakesRule<Given>>
struct RuleOf {
  using Type = std::decay_t<Given>;
};
template <class Given>
struct RuleOf<Given, true> {
  using Type = std::invoke_result_t<Given&>;
};

// An input that wants a gradient, and its rule; or nothing.
template <class Rule>
class Edge {
 public:
  Edge() {}  // NOLINT: the rule is not made yet
  ~Edge() { reset(); }
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  template <class Given>
  void set(const From<Given>& from) {
    if constexpr (kMakesRule<Given>) {
      new (&rule_) Rule(from.given());
    } else {
      new (&rule_) Rule(std::forward<Given>(from.given));
    }
    input_ = from.input.node();
    Node::retain(input_);
  }
  void reset() {
    if (input_ == nullptr) return;
    Node* input = std::exchange(input_, nullptr);
    rule_.~Rule();
    Node::release(input);
  }
  Node* input() const { return input_; }
  const Rule& rule() const { return rule_; }

 private:
  Node* input_ = nullptr;
  union {
    Rule rule_;
  };
};

// The result, for rules that ask for it, and its version when it was recorded.
struct Kept {
  Variable output;  // without its history, which would be a circle
  std::uint32_t version = 0;

  void check(const char* operation) const {
    if (output.stored().version() != version) throw_overwritten(operation);
  }
};
struct Nothing {};

// The entry of one operation: edges, and the result where a rule asked for it.
template <class... Rules>
class Record final : public Entry {
 public:
  template <class... Given>
  static Variable make(const char* name, Tensor value, const From<Given>&... inputs) {
    const std::size_t bytes =
        sizeof(Record) + static_cast<std::size_t>(value.dim()) * sizeof(std::int64_t);
    auto* entry = new (memory::allocate(bytes)) Record(name, value, bytes);
    Variable result(std::move(value), entry);
    entry->connect(result.value(), std::index_sequence_for<Rules...>{}, inputs...);
    return result;
  }

  std::size_t input_count() const override { return sizeof...(Rules); }
  Node* input(std::size_t i) const override {
    Node* found = nullptr;
    std::size_t position = 0;
    std::apply(
        [&](const auto&... edge) { ((position++ == i ? found = edge.input() : found), ...); },
        edges_);
    return found;
  }

 private:
  Record(const char* name, const Tensor& value, std::size_t bytes) : Entry(name, value, bytes) {}

  template <std::size_t... I, class... Given>
  void connect(const Tensor& value, std::index_sequence<I...>, const From<Given>&... inputs) {
    (connect_one<I>(value, inputs), ...);
  }
  template <std::size_t I, class Given>
  void connect_one(const Tensor& value, const From<Given>& from) {
    if (!from.tracked()) return;
    check_thread(*from.input.node(), name());
    if constexpr (kNeedsOutput<typename RuleOf<Given>::Type>) {
      kept_.output = Variable(value);
      kept_.version = value.version();
    }
    std::get<I>(edges_).set(from);
  }

  void fire(BackwardPass& playback, const Variable& dy) override {
    std::apply([&](const auto&... edge) { (fire_one(playback, edge, dy), ...); }, edges_);
  }
  template <class Rule>
  void fire_one(BackwardPass& playback, const Edge<Rule>& edge, const Variable& dy) {
    if (edge.input() == nullptr || !playback.wants(*edge.input())) return;
    if constexpr (kNeedsOutput<Rule>) {
      kept_.check(name());
      if (!playback.records()) {
        playback.deliver(*edge.input(), edge.rule()(dy, kept_.output));
      } else {
        playback.deliver(*edge.input(), edge.rule()(dy, Variable(kept_.output.value(), this)));
      }
    } else {
      playback.deliver(*edge.input(), edge.rule()(dy));
    }
  }
  void forget() override {
    std::apply([](auto&... edge) { (edge.reset(), ...); }, edges_);
    kept_ = {};
  }

  std::tuple<Edge<Rules>...> edges_;
  [[no_unique_address]] std::conditional_t<(kNeedsOutput<Rules> || ...), Kept, Nothing> kept_;
};

// The entry of an operation whose rule gives all gradients at once.
template <std::size_t N, class Rule>
class JointRecord final : public Entry {
 public:
  static Variable make(const char* name, Tensor value, const std::array<Variable, N>& inputs,
                       Rule&& rule) {
    const std::size_t bytes =
        sizeof(JointRecord) + static_cast<std::size_t>(value.dim()) * sizeof(std::int64_t);
    auto* entry = new (memory::allocate(bytes)) JointRecord(name, value, bytes);
    Variable result(std::move(value), entry);
    for (std::size_t i = 0; i < N; ++i) {
      if (!is_tracked(inputs[i])) continue;
      entry->check_thread(*inputs[i].node(), name);
      entry->inputs_[i] = inputs[i].node();
      Node::retain(entry->inputs_[i]);
    }
    entry->rule_.emplace(std::move(rule));
    entry->kept_ = {Variable(result.value()), result.value().version()};
    return result;
  }

  std::size_t input_count() const override { return N; }
  Node* input(std::size_t i) const override { return inputs_[i]; }

 private:
  JointRecord(const char* name, const Tensor& value, std::size_t bytes)
      : Entry(name, value, bytes) {}
  ~JointRecord() override { forget_inputs(); }

  void fire(BackwardPass& playback, const Variable& dy) override {
    std::array<bool, N> wanted{};
    for (std::size_t i = 0; i < N; ++i) {
      wanted[i] = inputs_[i] != nullptr && playback.wants(*inputs_[i]);
    }
    kept_.check(name());
    const Variable y(kept_.output.value(), playback.records() ? this : nullptr);
    std::array<Variable, N> gradients = (*rule_)(dy, y, wanted);
    for (std::size_t i = 0; i < N; ++i) {
      if (wanted[i]) playback.deliver(*inputs_[i], std::move(gradients[i]));
    }
  }
  void forget() override {
    forget_inputs();
    rule_.reset();
    kept_ = {};
  }
  void forget_inputs() {
    for (Node*& input : inputs_) {
      if (input != nullptr) Node::release(std::exchange(input, nullptr));
    }
  }

  std::array<Node*, N> inputs_{};
  std::optional<Rule> rule_;
  Kept kept_;
};

}  // namespace detail

// The result of an operation: `value`, and an entry on the tape if recording is on and an input
// wants a gradient. `name` must outlive the program's history (a string literal). AutogradError if
// an input's history belongs to another thread.
template <class... Given>
Variable record(const char* name, Tensor value, const From<Given>&... inputs) {
  if (!tape().recording() || !(inputs.tracked() || ...)) return Variable(std::move(value));
  return detail::Record<typename detail::RuleOf<Given>::Type...>::make(name, std::move(value),
                                                                       inputs...);
}

// The same where the gradients of several inputs come out of one computation, as those of a whole
// sequence do: rule(dy, y, wanted) returns all of them as a std::array<Variable, N>, in the order
// of `inputs` (undefined where there is none); those whose wanted[i] is false are not looked at.
template <std::size_t N, class Rule>
Variable record_joint(const char* name, Tensor value, const std::array<Variable, N>& inputs,
                      Rule rule) {
  bool any = false;
  for (const Variable& input : inputs) any = any || detail::is_tracked(input);
  if (!tape().recording() || !any) return Variable(std::move(value));
  return detail::JointRecord<N, Rule>::make(name, std::move(value), inputs, std::move(rule));
}

}  // namespace tapegrad
