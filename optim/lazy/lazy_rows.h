// How a step goes over a parameter, and how rows without a gradient wait for theirs. An optimiser's
// formulas are a Rule: one step with all its numbers, applied to consecutive numbers of the
// parameter and what is remembered of them.
//
//   struct Rule {
//     // One step; g is null where the gradient is zero.
//     template <class T>
//     void apply(const ParameterSlice<T>& x, const T* g, std::size_t n) const;
//     // Whether a step moves anything, or changes what is remembered, where the gradient is zero.
//     bool acts_without_gradient() const;
//     // Whether a sparse parameter's other rows rest (torch.optim.SparseAdam's way).
//     static constexpr bool kSparseRowsRest;
//     // Many steps without a gradient at once (jumps.h).
//     class Jump {
//       Jump(double step, const Rule& like);  // all rows have taken the steps up to number `step`
//       void append(const Rule& rule);
//       // Takes n numbers over all steps after the first `from` of `rules`. False: replay them.
//       template <class T>
//       bool apply(std::size_t from, std::span<const Rule> rules, const ParameterSlice<T>& x,
//                  std::size_t n) const;
//     };
//     // Optional: apply() to whole rows of these ids, whose gradients g holds. False: one by one.
//     template <class T>
//     bool apply_to_rows(const ParameterSlice<T>& x, std::span<const std::int64_t> ids, const T* g,
//                        std::int64_t width) const;
//     // Takes the step apart: p and its moments are what they were after it.
//     MovedBy explain(double p, const double* moments, double g) const;
//     double step;  // its number in the parameter's life: 1, 2, ...
//   };
//
// A step with a row-sparse gradient applies its rule to the rows that have one. It is recorded for
// the others: each row knows how many of the recorded steps it has taken, and takes the rest when
// it is next read, by a lookup, or by anything else (Leaf::value()).
//
// Internal. Read next: optim/sgd.cc.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/optim/lazy/closed_form_steps.h>
#include <tapegrad/optim/lazy/trainable_ranges.h>
#include <tapegrad/optim/state.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad::optim {

// Consecutive numbers of a parameter, and what is remembered of them; null where nothing is.
template <class T>
struct ParameterSlice {
  static constexpr std::size_t kMoments = 3;
  T* p;
  std::array<T*, kMoments> moments;

  ParameterSlice from(std::int64_t begin) const {
    ParameterSlice part{p + begin, {}};
    for (std::size_t i = 0; i < kMoments; ++i) {
      part.moments[i] = moments[i] != nullptr ? moments[i] + begin : nullptr;
    }
    return part;
  }
};

template <class T>
ParameterSlice<T> slice_of(Optimizer::State& state, T* p) {
  ParameterSlice<T> numbers{p, {}};
  for (std::size_t i = 0; i < state.moments.size(); ++i) {
    numbers.moments[i] = state.moments[i].mutable_data<T>();
  }
  return numbers;
}

// So few steps are taken one by one: that costs no more than a jump, and gives the bits that a
// dense gradient would give.
inline constexpr std::size_t kReplayed = 6;

// Rows are read in no order, from tables that no cache holds: the next ones are asked for early.
inline constexpr std::size_t kRowsAhead = 6;

template <class T>
void prefetch_row(const ParameterSlice<T>& table, std::int64_t row, std::int64_t width) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  const std::int64_t lines = std::min<std::int64_t>(width, 8 * kLine);
  for (std::int64_t j = 0; j < lines; j += kLine) {
    __builtin_prefetch(table.p + row * width + j, 1);
    for (const T* moment : table.moments) {
      if (moment != nullptr) __builtin_prefetch(moment + row * width + j, 1);
    }
  }
}

// What the leaf's constraint makes of a row, but for its frozen columns.
template <class T>
void constrain(const RowConstraint& constraint, const TrainableRanges& table, T* row) {
  using Kind = RowConstraint::Kind;
  if (constraint.kind == Kind::non_negative) {
    table.in_row([row](std::int64_t begin, std::int64_t count) {
      for (T* x = row + begin; x != row + begin + count; ++x) *x = *x >= 0 ? *x : T(0);
    });
    return;
  }
  double squares = 0;
  for (std::int64_t i = 0; i < table.width(); ++i) {
    squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  }
  const double norm = std::sqrt(squares);
  const double target = constraint.kind == Kind::unit_norm ? 1 : std::min(norm, constraint.limit);
  const T factor = static_cast<T>(target / (norm + 1e-7));
  table.in_row([row, factor](std::int64_t begin, std::int64_t count) {
    for (T* x = row + begin; x != row + begin + count; ++x) *x *= factor;
  });
}

// As constrain(), and remembers the row for explain_update(), unless that would take much memory.
template <class T>
void constrain_and_note(Optimizer::State& state, const TrainableRanges& table, std::int64_t row,
                        T* numbers) {
  constexpr std::int64_t kMost = 1'000'000;
  if (static_cast<std::int64_t>(state.unconstrained.size() + 1) * table.width() <= kMost) {
    state.unconstrained.emplace_back(row, std::vector<double>(numbers, numbers + table.width()));
  }
  constrain(state.leaf.row_policy().constraint(), table, numbers);
}

template <class Rule>
class WaitingRows final : public Waiting {
 public:
  WaitingRows(std::int64_t rows, const Rule& next)
      : taken_(static_cast<std::size_t>(rows), 0), jump_(next.step - 1, next) {
    rules_.reserve(kStepsAtFirst);
  }

  // Rules are kept for so many steps; then all rows take them, which costs few rows a step.
  static constexpr std::size_t kLongest = 32'768;
  bool is_full() const { return rules_.size() >= kLongest; }

  void flush(Optimizer::State& state) override {
    state.leaf.row_policy().set_pending_rows(state, false);
    if (rules_.empty()) return;
    const TrainableRanges table(state.leaf);
    visit_floating(state.leaf.stored().dtype(), [&](auto zero) {
      using T = decltype(zero);
      const ParameterSlice<T> numbers = waiting_numbers<T>(state);
      for (std::int64_t row = 0; row < table.rows(); ++row) {
        catch_up(state, table, numbers, row);
      }
    });
    std::ranges::fill(taken_, 0);
    const Rule last = rules_.back();
    rules_.clear();
    jump_ = typename Rule::Jump(last.step, last);
  }

  void flush_rows(Optimizer::State& state, std::span<const std::int64_t> ids) override {
    if (rules_.empty()) return;
    const TrainableRanges table(state.leaf);
    visit_floating(state.leaf.stored().dtype(), [&](auto zero) {
      using T = decltype(zero);
      const ParameterSlice<T> numbers = waiting_numbers<T>(state);
      constexpr std::size_t kFar = 3 * kRowsAhead;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i + kFar < ids.size()) {
          __builtin_prefetch(&taken_[static_cast<std::size_t>(ids[i + kFar])], 1);
        }
        if (i + kRowsAhead < ids.size()) {
          const std::int64_t next = ids[i + kRowsAhead];
          if (taken_[static_cast<std::size_t>(next)] != rules_.size()) {
            prefetch_row(numbers, next, table.width());
          }
        }
        catch_up(state, table, numbers, ids[i]);
      }
    });
  }

  // The step that is being taken: rows wait for it unless they take it.
  void record(const Rule& rule) {
    rules_.push_back(rule);
    jump_.append(rule);
  }
  void take(std::int64_t row) {
    taken_[static_cast<std::size_t>(row)] = static_cast<std::uint32_t>(rules_.size());
  }

 private:
  template <class T>
  ParameterSlice<T> waiting_numbers(Optimizer::State& state) const {
    return slice_of<T>(state, state.leaf.writable_stored().mutable_data<T>());
  }

  template <class T>
  void catch_up(Optimizer::State& state, const TrainableRanges& table,
                const ParameterSlice<T>& numbers, std::int64_t row) {
    std::uint32_t& taken = taken_[static_cast<std::size_t>(row)];
    const std::size_t from = taken;
    if (from == rules_.size()) return;
    taken = static_cast<std::uint32_t>(rules_.size());
    if (table.is_held(row)) return;
    const ParameterSlice<T> whole = numbers.from(row * table.width());
    if (state.leaf.row_policy().constraint().kind != RowConstraint::Kind::none) {
      replay_constrained(state, table, whole, row, from);
      return;
    }
    const std::span<const Rule> rules(rules_);
    table.in_row([&](std::int64_t begin, std::int64_t count) {
      const auto n = static_cast<std::size_t>(count);
      const ParameterSlice<T> part = whole.from(begin);
      if (jump_.apply(from, rules, part, n)) return;
      for (const Rule& rule : rules.subspan(from)) rule.apply(part, static_cast<T*>(nullptr), n);
    });
  }

  // A constraint acts after every step.
  template <class T>
  void replay_constrained(Optimizer::State& state, const TrainableRanges& table,
                          const ParameterSlice<T>& whole, std::int64_t row, std::size_t from) {
    const bool moves = rules_.back().acts_without_gradient();
    if (!moves && state.leaf.row_policy().constraint().kind == RowConstraint::Kind::non_negative) {
      from = rules_.size() - 1;  // once is enough
    }
    for (; from < rules_.size(); ++from) {
      if (moves) {
        table.in_row([&](std::int64_t begin, std::int64_t count) {
          rules_[from].apply(whole.from(begin), static_cast<T*>(nullptr),
                             static_cast<std::size_t>(count));
        });
      }
      if (from + 1 < rules_.size()) {
        constrain(state.leaf.row_policy().constraint(), table, whole.p);
      } else {
        constrain_and_note(state, table, row, whole.p);
      }
    }
  }

  std::vector<std::uint32_t> taken_;  // how many of rules_ each row has taken
  std::vector<Rule> rules_;           // since all rows were up to date
  typename Rule::Jump jump_;
};

namespace detail {

// A step with a dense gradient.
template <class Rule, class T>
void step_densely(Optimizer::State& state, const Rule& rule) {
  Leaf& leaf = state.leaf;
  const Tensor gradient = leaf.grad.dense(leaf.stored()).contiguous();
  const T* const g = gradient.data<T>();
  const ParameterSlice<T> numbers = slice_of<T>(state, leaf.writable_value().mutable_data<T>());
  state.waiting.reset();
  const TrainableRanges table(leaf);
  table.in_table([&](std::int64_t begin, std::int64_t count) {
    parallel_for(count, kElementsPerPart, 64, [&](std::int64_t first, std::int64_t last) {
      rule.apply(numbers.from(begin + first), g + begin + first,
                 static_cast<std::size_t>(last - first));
    });
  });
  if (leaf.row_policy().constraint().kind == RowConstraint::Kind::none) return;
  for (std::int64_t row = 0; row < table.rows(); ++row) {
    if (table.is_held(row)) continue;
    constrain_and_note(state, table, row, numbers.p + row * table.width());
  }
}

// A step with a row-sparse gradient.
template <class Rule, class T>
void step_rows(Optimizer::State& state, const Rule& rule) {
  Leaf& leaf = state.leaf;
  const RowSparse& gradient = leaf.grad.rows();
  const auto ids = gradient.ids.span<std::int64_t>();
  const bool constrained = leaf.row_policy().constraint().kind != RowConstraint::Kind::none;
  const bool others_rest =
      (leaf.row_policy().sparse() && Rule::kSparseRowsRest) || !(rule.acts_without_gradient() || constrained);
  state.others_rested = others_rest;
  WaitingRows<Rule>* waiting = nullptr;
  if (others_rest) {
    leaf.flush();
    state.waiting.reset();
  } else {
    if (state.waiting == nullptr) {
      leaf.flush();  // rows that wait for another optimiser
      state.waiting = std::make_unique<WaitingRows<Rule>>(leaf.stored().size(0), rule);
    }
    waiting = static_cast<WaitingRows<Rule>*>(state.waiting.get());
    if (waiting->is_full()) waiting->flush(state);
    waiting->flush_rows(state, ids);
  }
  const ParameterSlice<T> numbers = slice_of<T>(state, leaf.writable_stored().mutable_data<T>());
  const TrainableRanges table(leaf);
  const std::int64_t width = table.width();
  if (waiting != nullptr) {
    waiting->record(rule);
    leaf.row_policy().set_pending_rows(state, true);
  }
  const T* g = gradient.rows.data<T>();
  if constexpr (requires { rule.apply_to_rows(numbers, ids, g, width); }) {
    const bool plain = waiting == nullptr && !leaf.row_policy().has_held_rows() && leaf.row_policy().frozen_columns().empty();
    if (plain && rule.apply_to_rows(numbers, ids, g, width)) return;
  }
  for (std::size_t i = 0; i < ids.size(); ++i, g += width) {
    if (waiting != nullptr) {
      waiting->take(ids[i]);
    } else if (i + kRowsAhead < ids.size()) {
      prefetch_row(numbers, ids[i + kRowsAhead], width);
    }
    if (table.is_held(ids[i])) continue;
    const ParameterSlice<T> row = numbers.from(ids[i] * width);
    table.in_row([&](std::int64_t begin, std::int64_t count) {
      rule.apply(row.from(begin), g + begin, static_cast<std::size_t>(count));
    });
    if (constrained) constrain_and_note(state, table, ids[i], row.p);
  }
}

template <class Rule>
MovedBy explain_number(const Optimizer::State& state, double p, const double* moments, double g) {
  return std::launder(reinterpret_cast<const Rule*>(state.rule.data()))->explain(p, moments, g);
}

}  // namespace detail

// Takes one step, of a parameter that has a gradient.
template <class Rule>
void take_step(Optimizer::State& state, const Rule& rule) {
  static_assert(std::is_trivially_copyable_v<Rule> && sizeof(Rule) <= sizeof(state.rule));
  state.unconstrained.clear();
  state.others_rested = false;
  visit_floating(state.leaf.stored().dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (!state.leaf.grad.is_row_sparse()) {
      detail::step_densely<Rule, T>(state, rule);
    } else {
      detail::step_rows<Rule, T>(state, rule);
    }
  });
  state.renormalized = state.leaf.row_policy().take_renormalized();
  state.grad_version = state.leaf.grad.version();
  new (state.rule.data()) Rule(rule);
  state.explain = detail::explain_number<Rule>;
}

}  // namespace tapegrad::optim
