// record() and from(): how an operation is recorded on the tape.
//
//   Variable mul(const Variable& a, const Variable& b) {   // da = dy * b,  db = dy * a
//     return record("mul", mul(a.value(), b.value()),
//                   from(a, [b](const Variable& dy) { return dy * b; }),
//                   from(b, [a](const Variable& dy) { return dy * a; }));
//   }
//
// There is one rule per input. The entry keeps it only if that input requires a gradient; otherwise
// the rule is never called, and its captures are released at once. The tape keeps in memory what
// the rules capture. A rule captures Variables rather than Tensors, because a Variable detects that
// its value was overwritten. A rule takes (dy), or (dy, y) where it needs the result; it must not
// capture the result itself, because the entry would then refer to itself. A rule returns
//   - a Variable of its input's shape, or of a shape that this can be broadcast to: the pass sums
//   it
//     down to the input's shape, so no rule mentions broadcasting;
//   - a SliceGradient (autograd/slice_gradient.h); or
//   - an undefined Variable, for no gradient.
//
// Read next: autograd/backward.h.
#pragma once

#include <array>
#include <optional>
#include <tuple>

#include <tapegrad/autograd/backward.h>

namespace tapegrad {

// from(x, rule): an input and its rule. The result only refers to both, so write it directly in the
// call of record(), which refuses a variable. Instead of the rule one may pass a function without
// arguments that returns the rule; it is called only if the input requires a gradient, so that
// nothing is captured needlessly.
template <class Given>
struct From {
  const Variable& input;
  Given&& given;
};

template <class Given>
From<Given> from(const Variable& input, Given&& given) {
  return {input, std::forward<Given>(given)};
}

namespace detail {

[[noreturn]] void throw_other_thread(const char* operation);

// RuleOf: the type of the rule that the entry keeps; `Given` is the type that from() received.
// kNeedsOutput: whether the rule takes (dy, y).
template <class Given>
auto rule_of(Given& given) {
  if constexpr (std::is_invocable_v<Given&>) return given();
  if constexpr (!std::is_invocable_v<Given&>) return given;
}
template <class Given>
using RuleOf = decltype(rule_of(std::declval<Given&>()));
template <class Rule, class... More>
inline constexpr bool kNeedsOutput =
    std::is_invocable_v<const Rule&, const Variable&, const Variable&, More...>;

// Calls use(rule(dy, y, more...)), without y if the rule does not take it. Other kinds of rules
// have their own overloads.
template <class Rule, class Use, class... More>
void apply_rule(const BackwardPass& /*pass*/, const Rule& rule, const Variable& dy,
                const Variable& y, const Use& use, const More&... more) {
  if constexpr (kNeedsOutput<Rule, const More&...>) {
    use(rule(dy, y, more...));
  } else {
    use(rule(dy, more...));
  }
}

// An input that requires a gradient, and its rule. Both are empty for other inputs.
template <class Rule>
struct Edge {
  NodePtr input;
  std::optional<Rule> rule;
};

// The entry of an operation: its edges, and its result if a rule takes it. The result is kept
// without its history, because a handle to the entry itself would be a cycle.
template <class... Rules>
class Record final : public Entry {
 public:
  template <class... Given>
  static Variable make(const char* name, Tensor value, const From<Given>&... inputs) {
    auto* const entry = new Record(name, value);
    Variable result(std::move(value), entry);
    entry->connect(std::index_sequence_for<Rules...>(), inputs...);
    if (entry->owner().observer() != nullptr) [[unlikely]]
      result = detail::reported(*entry, result, std::array{&inputs.input...});
    if constexpr (kKeepsOutput) {
      if (entry->needs_output()) entry->output_ = Variable(result.value());
    }
    return result;
  }

  std::size_t input_count() const override { return sizeof...(Rules); }
  Node* input(std::size_t i) const override {
    return std::apply([i](const auto&... edge) { return std::array{edge.input.get()...}[i]; },
                      edges_);
  }

 private:
  Record(const char* name, const Tensor& value) : Entry(name, value) {}

  template <std::size_t... positions, class... Given>
  void connect(std::index_sequence<positions...> /*each*/, const From<Given>&... inputs) {
    (connect_one(std::get<positions>(edges_), inputs), ...);
  }
  template <class Rule, class Given>
  void connect_one(Edge<Rule>& edge, const From<Given>& from) {
    if (!from.input.requires_grad()) return;
    if (!is_of_this_thread(*from.input.node())) throw_other_thread(name());
    if constexpr (std::is_invocable_v<Given&>) {
      edge.rule.emplace(from.given());
    } else {
      edge.rule.emplace(std::forward<Given>(from.given));
    }
    edge.input = NodePtr(from.input.node());
  }
  bool needs_output() const {
    return std::apply(
        [](const Edge<Rules>&... edge) { return ((kNeedsOutput<Rules> && edge.input) || ...); },
        edges_);
  }

  void fire(BackwardPass& pass, const Variable& dy) override {
    std::apply([&](const auto&... edge) { (fire_one(pass, edge, dy), ...); }, edges_);
  }
  template <class Rule>
  void fire_one(BackwardPass& pass, const Edge<Rule>& edge, const Variable& dy) {
    if (!edge.input || !pass.wants(*edge.input)) return;
    const auto use = [&](auto gradient) { pass.accumulate(*edge.input, std::move(gradient)); };
    if constexpr (!kNeedsOutput<Rule>) {
      apply_rule(pass, *edge.rule, dy, dy, use);
    } else if (pass.creates_graph()) {
      apply_rule(pass, *edge.rule, dy, Variable(output_.value(), this), use);
    } else {
      apply_rule(pass, *edge.rule, dy, output_, use);
    }
  }
  void forget() override {
    std::apply([](auto&... edge) { ((edge.rule.reset(), edge.input.reset()), ...); }, edges_);
    output_ = {};
  }

  struct Nothing {};
  static constexpr bool kKeepsOutput = (kNeedsOutput<Rules> || ...);
  std::tuple<Edge<Rules>...> edges_;
  [[no_unique_address]] std::conditional_t<kKeepsOutput, Variable, Nothing> output_;
};

}  // namespace detail

// Returns the result of an operation: `value`, with an entry on the tape if recording is on and an
// input requires a gradient. `name` is not copied: pass a string literal. AutogradError if an
// input's history belongs to another thread.
template <class... Given>
Variable record(const char* name, Tensor value, From<Given>&&... inputs) {
  if (!Tape::is_recording() || !(inputs.input.requires_grad() || ...)) {
    return Variable(std::move(value));
  }
  return detail::Record<detail::RuleOf<Given>...>::make(name, std::move(value), inputs...);
}

}  // namespace tapegrad
