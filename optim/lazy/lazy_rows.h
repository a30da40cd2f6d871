// How a fused step goes over a parameter, and how the rows of a table without a gradient take their
// steps later. A dense gradient moves all elements now. A row-sparse one moves the rows that it
// holds; for the others the step is recorded, and each takes its pending steps when it is next
// read: by a lookup, which flushes the rows that it reads, or by anything else (Leaf::value()),
// which flushes all.
//
// Invariants of lazy rows (each has a test of its number in tests/optim/lazy/lazy_rows_test.cc):
//   1. A row has taken the first `taken[row]` of the recorded steps, and its moments have too.
//   2. Whoever reads a row finds that it has taken all.
//   3. Pending steps lead where steps with a gradient of zeros lead, within rounding, and to the
//      same bits if they are at most kReplayedSteps.
//   4. A step is recorded with its own rate and momentum; changes of them count from the next on.
//   5. What is frozen stays as it is, to the bit. Freezing, unfreezing, padding and constraints
//      count from the next step on, since a change of the policy flushes.
//   6. A constraint acts after every pending step.
//   7. At most kMostPending steps are pending; then all rows take theirs.
//   8. One state of a table has pending steps; another optimizer's step flushes first.
//
// Internal. Read next: optim/lazy/trainable_ranges.h.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/optim/lazy/closed_form_steps.h>
#include <tapegrad/optim/lazy/trainable_ranges.h>
#include <tapegrad/optim/optimizer.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad::optim {

// Consecutive elements of a parameter, and of its moments; null where there is no such moment.
template <class T>
struct ParameterSlice {
  static constexpr std::size_t kMoments = 3;
  T* p;
  std::array<T*, kMoments> moments;

  [[gnu::always_inline]] ParameterSlice from(std::int64_t begin) const {
    ParameterSlice part{p + begin, {}};
    for (std::size_t i = 0; i < kMoments; ++i) {
      part.moments[i] = moments[i] != nullptr ? moments[i] + begin : nullptr;
    }
    return part;
  }
};

// How far a step has moved an element, by cause.
struct ElementUpdate {
  double gradient, momentum, weight_decay;
};

// One step of an optimizer, with all its factors.
template <class Rule>
concept UpdateRule = std::is_trivially_copyable_v<Rule> &&
    requires(const Rule& rule, typename Rule::ClosedForm& steps, ParameterSlice<float> x,
             const float* g, std::size_t n, std::span<const Rule> recorded, const double* moments) {
  { rule.step } -> std::convertible_to<double>;  // its number in the parameter's life: 1, 2, ...
  // Takes the step, for n elements. g is null where the gradient is zero.
  rule.apply(x, g, n);
  // Takes the step apart, for an element p and its moments as they were after it.
  { rule.explain(0.0, moments, 0.0) } -> std::same_as<ElementUpdate>;
  // Many steps without a gradient at once. It is made when all rows have taken the steps up to a
  // number, and told every step that is recorded from then on. apply(from, recorded, x, n) takes
  // all but the first `from` of them, or returns false where they are to be taken one by one.
  requires std::constructible_from<typename Rule::ClosedForm, double, const Rule&>;
  steps.append(rule);
  { std::as_const(steps).apply(n, recorded, x, n) } -> std::same_as<bool>;
};

// Optional: apply() to whole rows, those of `ids`, whose gradients g holds. False: one by one.
template <class Rule, class T>
concept HasRowKernel = requires(const Rule& rule, ParameterSlice<T> table,
                                std::span<const std::int64_t> ids, const T* g, std::int64_t width) {
  { rule.apply_to_rows(table, ids, g, width) } -> std::same_as<bool>;
};

// A ClosedForm of rules that have none.
struct NoClosedForm {
  NoClosedForm(double, const auto&) {}
  void append(const auto&) {}
  bool apply(auto&&...) const { return false; }
};

// So few steps are taken one by one: that costs no more than the closed form.
inline constexpr std::size_t kReplayedSteps = 6;

// So many steps are recorded; then all rows take them, which costs few rows a step.
inline constexpr std::size_t kMostPending = 32'768;

// What a state keeps of its fused steps, whatever their rule.
class FusedSteps {
 public:
  virtual ~FusedSteps() = default;
  virtual void flush() = 0;
  virtual void flush_rows(std::span<const std::int64_t> ids) = 0;
  // UpdateRule::explain() of the last step.
  virtual ElementUpdate explain(double p, const double* moments, double g) const = 0;

  // Of the last step, for explain_update(): the version of the gradient that it used; which rows
  // max_norm had scaled; rows that the constraint has changed, as they were before.
  std::uint64_t grad_version = 0;
  std::vector<std::pair<std::int64_t, double>> renormalized;
  std::vector<std::pair<std::int64_t, std::vector<double>>> unconstrained;
};

template <UpdateRule Rule>
class LazyRows final : public FusedSteps {
 public:
  explicit LazyRows(Optimizer::State& state) : state_(state) {}

  // The step of a parameter that has a gradient.
  void step(const Rule& rule) {
    last_ = rule;
    unconstrained.clear();
    visit_floating(state_.leaf.stored().dtype(), [&](auto zero) {
      using T = decltype(zero);
      if (state_.leaf.grad.is_row_sparse()) {
        step_rows<T>(rule);
      } else {
        step_all<T>(rule);
      }
    });
    renormalized = state_.leaf.row_policy().take_renormalized();
    grad_version = state_.leaf.grad.version();
  }

  ElementUpdate explain(double p, const double* moments, double g) const override {
    return last_.explain(p, moments, g);
  }

  void flush() override {
    state_.leaf.row_policy().set_pending_rows(state_, false);
    if (!pending_ || pending_->steps.empty()) return;
    const TrainableRanges table(state_.leaf);
    visit_floating(state_.leaf.stored().dtype(), [&](auto zero) {
      const auto elements = stored_elements<decltype(zero)>();
      for (std::int64_t row = 0; row < table.rows(); ++row) take_pending(table, elements, row);
    });
    const Rule last = pending_->steps.back();
    pending_->steps.clear();
    pending_->closed_form = typename Rule::ClosedForm(last.step, last);
    std::ranges::fill(pending_->taken, 0);
  }

  void flush_rows(std::span<const std::int64_t> ids) override {
    if (!pending_ || pending_->steps.empty()) return;
    const TrainableRanges table(state_.leaf);
    visit_floating(state_.leaf.stored().dtype(), [&](auto zero) {
      const auto elements = stored_elements<decltype(zero)>();
      constexpr std::size_t kFar = 3 * kRowsAhead;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i + kFar < ids.size()) __builtin_prefetch(&pending_->taken_by(ids[i + kFar]), 1);
        if (i + kRowsAhead < ids.size()) {
          const std::int64_t next = ids[i + kRowsAhead];
          if (pending_->taken_by(next) != pending_->steps.size()) {
            prefetch_row(elements, next, table.width());
          }
        }
        take_pending(table, elements, ids[i]);
      }
    });
  }

 private:
  // Steps that were recorded since all rows had taken the same.
  struct Pending {
    Pending(std::int64_t rows, const Rule& next)
        : taken(static_cast<std::size_t>(rows), 0), closed_form(next.step - 1, next) {
      steps.reserve(kStepsAtFirst);
    }
    void record(const Rule& rule, bool moves) {
      steps.push_back(rule);
      closed_form.append(rule);
      moves_rows = moves;
    }
    std::uint32_t& taken_by(std::int64_t row) { return taken[static_cast<std::size_t>(row)]; }

    std::vector<std::uint32_t> taken;  // how many of `steps` each row has taken
    std::vector<Rule> steps;
    bool moves_rows = true;  // not just the constraint acts
    typename Rule::ClosedForm closed_form;
  };

  // A step with a dense gradient.
  template <class T>
  void step_all(const Rule& rule) {
    Leaf& leaf = state_.leaf;
    const Tensor gradient = leaf.grad.dense(leaf.stored()).contiguous();
    const T* const g = gradient.data<T>();
    const auto elements = elements_of(leaf.writable_value().mutable_data<T>());  // flushes
    pending_.reset();
    const TrainableRanges table(leaf);
    table.in_table([&](std::int64_t begin, std::int64_t count) {
      parallel_for(count, kElementsPerPart, 64, [&](std::int64_t first, std::int64_t last) {
        rule.apply(elements.from(begin + first), g + begin + first,
                   static_cast<std::size_t>(last - first));
      });
    });
    if (!is_constrained()) return;
    for (std::int64_t row = 0; row < table.rows(); ++row) {
      if (!table.is_held(row)) constrain_and_note(table, row, elements.p + row * table.width());
    }
  }

  // A step with a row-sparse gradient: its rows take the pending steps and then this one.
  template <class T>
  void step_rows(const Rule& rule) {
    Leaf& leaf = state_.leaf;
    const RowSparse& gradient = leaf.grad.rows();
    const auto ids = gradient.ids.span<std::int64_t>();
    const bool others_stay = state_.other_rows == Optimizer::State::OtherRows::stay;
    if (others_stay) {
      leaf.flush();
      pending_.reset();
    } else {
      if (!pending_) {
        leaf.flush();  // steps that are pending for another optimizer
        pending_.emplace(leaf.stored().size(0), rule);
      }
      if (pending_->steps.size() >= kMostPending) flush();
      flush_rows(ids);
    }
    const auto elements = stored_elements<T>();
    const TrainableRanges table(leaf);
    const std::int64_t width = table.width();
    if (!others_stay) {
      pending_->record(rule, state_.other_rows == Optimizer::State::OtherRows::move);
      leaf.row_policy().set_pending_rows(state_, true);
    }
    const T* g = gradient.rows.data<T>();
    if constexpr (HasRowKernel<Rule, T>) {
      const RowPolicy& policy = leaf.row_policy();
      const bool whole_rows = !policy.has_held_rows() && policy.frozen_columns().empty();
      if (others_stay && whole_rows && rule.apply_to_rows(elements, ids, g, width)) return;
    }
    for (std::size_t i = 0; i < ids.size(); ++i, g += width) {
      if (!others_stay) {
        pending_->taken_by(ids[i]) = static_cast<std::uint32_t>(pending_->steps.size());
      } else if (i + kRowsAhead < ids.size()) {
        prefetch_row(elements, ids[i + kRowsAhead], width);
      }
      if (table.is_held(ids[i])) continue;
      const ParameterSlice<T> row = elements.from(ids[i] * width);
      table.in_row([&](std::int64_t begin, std::int64_t count) {
        rule.apply(row.from(begin), g + begin, static_cast<std::size_t>(count));
      });
      if (is_constrained()) constrain_and_note(table, ids[i], row.p);
    }
  }

  // Takes the steps that are pending for a row.
  template <class T>
  void take_pending(const TrainableRanges& table, const ParameterSlice<T>& elements,
                    std::int64_t row) {
    const std::span<const Rule> steps(pending_->steps);
    const std::size_t from =
        std::exchange(pending_->taken_by(row), static_cast<std::uint32_t>(steps.size()));
    if (from == steps.size() || table.is_held(row)) return;
    const ParameterSlice<T> whole = elements.from(row * table.width());
    if (is_constrained()) return replay_constrained(table, whole, row, from);
    table.in_row([&](std::int64_t begin, std::int64_t count) {
      const auto n = static_cast<std::size_t>(count);
      const ParameterSlice<T> part = whole.from(begin);
      if (pending_->closed_form.apply(from, steps, part, n)) return;
      for (const Rule& rule : steps.subspan(from)) rule.apply(part, static_cast<T*>(nullptr), n);
    });
  }

  // A constraint acts after every step.
  template <class T>
  void replay_constrained(const TrainableRanges& table, const ParameterSlice<T>& whole,
                          std::int64_t row, std::size_t from) {
    const std::vector<Rule>& steps = pending_->steps;
    const RowConstraint& constraint = state_.leaf.row_policy().constraint();
    if (!pending_->moves_rows && constraint.kind == RowConstraint::Kind::non_negative) {
      from = steps.size() - 1;  // once is enough
    }
    for (; from < steps.size(); ++from) {
      if (pending_->moves_rows) {
        table.in_row([&](std::int64_t begin, std::int64_t count) {
          steps[from].apply(whole.from(begin), static_cast<T*>(nullptr),
                            static_cast<std::size_t>(count));
        });
      }
      if (from + 1 < steps.size()) {
        constrain(constraint, table, whole.p);
      } else {
        constrain_and_note(table, row, whole.p);
      }
    }
  }

  // As constrain(), and keeps the row for explain_update(), unless that would take much memory.
  template <class T>
  void constrain_and_note(const TrainableRanges& table, std::int64_t row, T* elements) {
    constexpr std::int64_t kMost = 1'000'000;
    if (static_cast<std::int64_t>(unconstrained.size() + 1) * table.width() <= kMost) {
      unconstrained.emplace_back(row, std::vector<double>(elements, elements + table.width()));
    }
    constrain(state_.leaf.row_policy().constraint(), table, elements);
  }

  bool is_constrained() const {
    return state_.leaf.row_policy().constraint().kind != RowConstraint::Kind::none;
  }

  template <class T>
  ParameterSlice<T> elements_of(T* p) {
    ParameterSlice<T> elements{p, {}};
    for (std::size_t i = 0; i < state_.moments.size(); ++i) {
      elements.moments[i] = state_.moments[i].template mutable_data<T>();
    }
    return elements;
  }
  template <class T>
  ParameterSlice<T> stored_elements() {
    return elements_of(state_.leaf.writable_stored().template mutable_data<T>());
  }

  // Rows are read in no order, from tables that no cache holds: the next ones are asked for early.
  static constexpr std::size_t kRowsAhead = 6;
  template <class T>
  static void prefetch_row(const ParameterSlice<T>& table, std::int64_t row, std::int64_t width) {
    constexpr std::int64_t kLine = 64 / sizeof(T);
    const std::int64_t lines = std::min<std::int64_t>(width, 8 * kLine);
    for (std::int64_t j = 0; j < lines; j += kLine) {
      __builtin_prefetch(table.p + row * width + j, 1);
      for (const T* moment : table.moments) {
        if (moment != nullptr) __builtin_prefetch(moment + row * width + j, 1);
      }
    }
  }

  Optimizer::State& state_;
  Rule last_{};
  std::optional<Pending> pending_;
};

// Takes a step, for Optimizer::fused_update(). An optimizer's rule is always of one class.
template <UpdateRule Rule>
void fused_step(Optimizer::State& state, const Rule& rule) {
  if (state.fused == nullptr) state.fused = std::make_unique<LazyRows<Rule>>(state);
  static_cast<LazyRows<Rule>&>(*state.fused).step(rule);
}

}  // namespace tapegrad::optim
