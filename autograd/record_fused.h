// Two more kinds of rules than autograd/record.h has: rules that also have a faster form, a kernel
// on Tensors, and rules that return the gradients of several inputs at once.
//
//   return record_fused("tanh", tanh(x.value()), x, tanh_backward,
//                       [](const Variable& dy, const Variable& y) { return dy * (1.0 - square(y));
//                       });
//
// Read next: autograd/slice_gradient.h.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include <tapegrad/autograd/record.h>

namespace tapegrad {

// The two forms of one rule, for from(). fused(dy, y) takes Tensors and returns a Tensor or a
// RowSparse. composed(dy, y) is the plain reference, written with Variable operations; it is used
// when gradients are recorded (create_graph). Each may also take (dy) alone.
template <class Fused, class Composed>
struct FusedRule {
  Fused fused;
  Composed composed;

  template <class Use, class... More>
  friend void apply_rule(const BackwardPass& pass, const FusedRule& rule, const Variable& dy,
                         const Variable& y, const Use& use, const More&... more) {
    if (pass.creates_graph()) {
      detail::apply_rule(pass, rule.composed, dy, y, use, more...);
    } else if constexpr (std::is_invocable_v<const Fused&, const Tensor&, const Tensor&,
                                             const More&...>) {
      use(rule.fused(dy.value(), y.value(), more...));
    } else {
      use(rule.fused(dy.value(), more...));
    }
  }
};
template <class Fused, class Composed>
FusedRule(Fused, Composed) -> FusedRule<Fused, Composed>;

namespace detail {

template <class Fused, class Composed, class... More>
inline constexpr bool kNeedsOutput<FusedRule<Fused, Composed>, More...> =
    kNeedsOutput<Composed, More...> ||
    std::is_invocable_v<const Fused&, const Tensor&, const Tensor&, More...>;

// The entry of an operation whose rule returns all gradients at once.
template <std::size_t N, class Rule>
class JointRecord final : public Entry {
 public:
  using Flags = std::array<bool, N>;

  static Variable make(const char* name, Tensor value, const std::array<Variable, N>& inputs,
                       Rule&& rule) {
    auto* const entry = new JointRecord(name, value, std::move(rule));
    Variable result(std::move(value), entry);
    for (std::size_t i = 0; i < N; ++i) {
      if (!inputs[i].requires_grad()) continue;
      if (!entry->is_of_this_thread(*inputs[i].node())) throw_other_thread(name);
      entry->inputs_[i] = NodePtr(inputs[i].node());
    }
    if (entry->owner().observer() != nullptr) [[unlikely]] {
      std::array<const Variable*, N> all;
      for (std::size_t i = 0; i < N; ++i) all[i] = &inputs[i];
      result = detail::reported(*entry, result, all);
    }
    if constexpr (kNeedsOutput<Rule, const Flags&>) entry->output_ = Variable(result.value());
    return result;
  }

  std::size_t input_count() const override { return N; }
  Node* input(std::size_t i) const override { return inputs_[i].get(); }

 private:
  JointRecord(const char* name, const Tensor& value, Rule&& rule)
      : Entry(name, value), rule_(std::move(rule)) {}

  void fire(BackwardPass& pass, const Variable& dy) override {
    Flags wanted{};
    for (std::size_t i = 0; i < N; ++i) wanted[i] = inputs_[i] && pass.wants(*inputs_[i]);
    const Variable y =
        output_.defined() ? Variable(output_.value(), pass.creates_graph() ? this : nullptr) : dy;
    const auto use = [&](auto gradients) {
      for (std::size_t i = 0; i < N; ++i) {
        if (wanted[i]) pass.accumulate(*inputs_[i], Variable(std::move(gradients[i])));
      }
    };
    apply_rule(pass, *rule_, dy, y, use, wanted);
  }
  void forget() override {
    for (NodePtr& input : inputs_) input.reset();
    rule_.reset();
    output_ = Variable();  // `= {}` leaks with clang 14: it forgets the parameter's destructor
  }

  std::array<NodePtr, N> inputs_;
  std::optional<Rule> rule_;
  Variable output_;
};

}  // namespace detail

// record() for a rule that computes the gradients of several inputs together, as the operation on a
// whole sequence does. rule(dy, y, wanted), or rule(dy, wanted), returns them as a
// std::array<Variable, N> in the order of `inputs`; elements whose wanted[i] is false are ignored.
// An input may be undefined. Instead of the rule one may pass a function that takes a
// std::array<bool, N>, which says which inputs require a gradient, and returns the rule: so the
// rule captures only what these gradients need.
template <std::size_t N, class Rule>
Variable record_joint(const char* name, Tensor value, const std::array<Variable, N>& inputs,
                      Rule rule) {
  std::array<bool, N> tracked{};
  bool any = false;
  for (std::size_t i = 0; i < N; ++i) any = (tracked[i] = inputs[i].requires_grad()) || any;
  if (!Tape::is_recording() || !any) return Variable(std::move(value));
  if constexpr (std::is_invocable_v<Rule&, const std::array<bool, N>&>) {
    using Made = std::invoke_result_t<Rule&, const std::array<bool, N>&>;
    return detail::JointRecord<N, Made>::make(name, std::move(value), inputs, rule(tracked));
  } else {
    return detail::JointRecord<N, Rule>::make(name, std::move(value), inputs, std::move(rule));
  }
}

// An operation whose rule has the two forms of a FusedRule.
template <class Fused, class Composed>
Variable record_fused(const char* name, Tensor value, const Variable& input, Fused fused,
                      Composed composed) {
  return record(name, std::move(value),
                from(input, FusedRule{std::move(fused), std::move(composed)}));
}

// The same for a rule that returns all gradients at once, as in record_joint(): fused(dy, y,
// wanted) returns a std::array<Tensor, N>, composed(dy, y, wanted) a std::array<Variable, N>.
template <std::size_t N, class Fused, class Composed>
Variable record_fused(const char* name, Tensor value, const std::array<Variable, N>& inputs,
                      Fused fused, Composed composed) {
  return record_joint(name, std::move(value), inputs,
                      FusedRule{std::move(fused), std::move(composed)});
}

}  // namespace tapegrad
