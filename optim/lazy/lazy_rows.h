// How a fused step updates a parameter, and how the rows of a table without a gradient take their
// steps later. With a dense gradient, all elements are updated at once. With a row-sparse one, the
// rows that it holds are updated, and for the others the step is recorded. A row takes its pending
// steps when it is next read: a lookup flushes the rows that it reads, and any other access
// (Leaf::value()) flushes all rows.
//
// Invariants of lazy rows (each has a test of its number in tests/optim/lazy/lazy_rows_test.cc):
//   1. A row has taken the first `taken[row]` of the recorded steps, and its moments have too.
//   2. A row that is read has taken all steps.
//   3. Pending steps give the elements that steps with a gradient of zeros give, up to rounding,
//      and the same bits if there are at most kReplayedSteps.
//   4. A step is recorded with its own rate and momentum; later changes of them affect later steps.
//   5. Frozen elements stay the same to the bit. Freezing, unfreezing, padding and constraints
//      affect only later steps, because a change of the policy flushes first.
//   6. A constraint is applied after every pending step.
//   7. At most kMostPending steps are pending; then all rows are flushed.
//   8. Only one state of a table has pending steps; another optimizer's step flushes first.
//   9. prepare() allocates what a step needs and changes nothing that can be read. The step itself
//      and flushes throw nothing.
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

// Consecutive elements of a parameter and of its moments; the pointer of a moment that does not
// exist is null.
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
  { rule.step } -> std::convertible_to<double>;  // number of the parameter's step: 1, 2, ...
  // Takes the step for n elements. g is null if the gradient is zero.
  rule.apply(x, g, n);
  // Splits the step into its parts, for an element p and its moments after the step.
  { rule.explain(0.0, moments, 0.0) } -> std::same_as<ElementUpdate>;
  // Many steps without a gradient at once. A ClosedForm is created when all rows have taken the
  // same steps, and append() gets every step that is recorded after that. apply(from, recorded, x,
  // n) takes all of these but the first `from`, or returns false if they must be taken one by one.
  // reserve_one() is called before append(). restart() makes it as if just created.
  requires std::constructible_from<typename Rule::ClosedForm, double, const Rule&>;
  steps.reserve_one();
  steps.append(rule);
  steps.restart(0.0, rule);
  { std::as_const(steps).apply(n, recorded, x, n) } -> std::same_as<bool>;
};

// Optional: apply() for the whole rows `ids`, whose gradients g holds. False: rows must be updated
// one by one.
template <class Rule, class T>
concept HasRowKernel = requires(const Rule& rule, ParameterSlice<T> table,
                                std::span<const std::int64_t> ids, const T* g, std::int64_t width) {
  { rule.apply_to_rows(table, ids, g, width) } -> std::same_as<bool>;
};

// The ClosedForm of rules without one.
struct NoClosedForm {
  NoClosedForm(double, const auto&) {}
  void restart(double, const auto&) noexcept {}
  void reserve_one() {}
  void append(const auto&) {}
  bool apply(auto&&...) const { return false; }
};

// Up to this many steps are taken one by one, which costs no more than the closed form.
inline constexpr std::size_t kReplayedSteps = 6;

// After this many steps all rows are flushed; per step, that costs only a few rows.
inline constexpr std::size_t kMostPending = 32'768;

// The part of a state's fused steps that does not depend on their rule.
class FusedSteps {
 public:
  virtual ~FusedSteps() = default;
  virtual void step() noexcept = 0;  // the step that was prepared
  virtual void flush() = 0;
  virtual void flush_rows(std::span<const std::int64_t> ids) = 0;
  virtual SavedPendingSteps pending_steps() const = 0;
  virtual void set_taken(std::span<const std::int64_t> taken) = 0;  // after they were recorded
  // Calls UpdateRule::explain() of the last step.
  virtual ElementUpdate explain(double p, const double* moments, double g) const = 0;

  // About the last step, for explain_update(): the version of its gradient, the rows that max_norm
  // had scaled, and the rows that the constraint changed, as they were before that.
  std::uint64_t grad_version = 0;
  std::vector<std::pair<std::int64_t, double>> renormalized;
  std::vector<std::pair<std::int64_t, std::vector<double>>> unconstrained;
};

template <UpdateRule Rule>
class LazyRows final : public FusedSteps {
 public:
  explicit LazyRows(Optimizer::State& state) : state_(state) {}

  // For a parameter that has a gradient.
  void prepare(const Rule& rule) {
    Leaf& leaf = state_.leaf;
    next_ = rule;
    if (!leaf.grad.is_row_sparse()) {
      gradient_ = leaf.grad.dense(leaf.stored()).contiguous();
    } else if (state_.other_rows != Optimizer::State::OtherRows::stay) {
      if (!pending_) {
        leaf.flush();  // pending steps of another optimizer
        pending_.emplace(leaf.stored().size(0), rule);
      }
      pending_->reserve_one();
    }
    leaf.writable_stored();  // copies the value if something else shares its memory
  }

  // A step of another run, which is loaded.
  void record_pending(const Rule& rule) {
    if (!pending_) pending_.emplace(state_.leaf.stored().size(0), rule);
    pending_->reserve_one();
    pending_->record(rule, state_.rates, state_.other_rows == Optimizer::State::OtherRows::move);
  }
  void set_taken(std::span<const std::int64_t> taken) override {
    std::ranges::transform(taken, pending_->taken.begin(),
                           [](std::int64_t count) { return static_cast<std::uint32_t>(count); });
    state_.leaf.writable_stored();
    state_.leaf.row_policy().set_pending_rows(state_, true);
  }
  SavedPendingSteps pending_steps() const override {
    if (!pending_ || pending_->steps.empty()) return {};
    return {pending_->rates, {pending_->taken.begin(), pending_->taken.end()}};
  }

  void step() noexcept override {
    last_ = next_;
    unconstrained.clear();
    visit_floating(state_.leaf.stored().dtype(), [&](auto zero) {
      using T = decltype(zero);
      if (state_.leaf.grad.is_row_sparse()) {
        step_rows<T>(last_);
      } else {
        step_all<T>(last_);
      }
    });
    renormalized = state_.leaf.row_policy().take_renormalized();
    grad_version = state_.leaf.grad.version();
  }

  ElementUpdate explain(double p, const double* moments, double g) const override {
    return last_.explain(p, moments, g);
  }

  void flush() override {
    if (pending_ && !pending_->steps.empty()) {
      const TrainableRanges table(state_.leaf);
      visit_floating(state_.leaf.stored().dtype(), [&](auto zero) {
        const auto elements = pending_elements<decltype(zero)>();
        for (std::int64_t row = 0; row < table.rows(); ++row) take_pending(table, elements, row);
      });
      pending_->steps.clear();
      pending_->rates.clear();
      std::ranges::fill(pending_->taken, 0);
    }
    state_.leaf.row_policy().set_pending_rows(state_, false);  // last: other threads may read now
  }

  void flush_rows(std::span<const std::int64_t> ids) override {
    if (!pending_ || pending_->steps.empty()) return;
    const TrainableRanges table(state_.leaf);
    visit_floating(state_.leaf.stored().dtype(), [&](auto zero) {
      const auto elements = pending_elements<decltype(zero)>();
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
  // The steps that were recorded since all rows had last taken the same steps.
  struct Pending {
    Pending(std::int64_t rows, const Rule& next)
        : taken(static_cast<std::size_t>(rows), 0), closed_form(next.step - 1, next) {
      steps.reserve(kStepsAtFirst);
      rates.reserve(kStepsAtFirst);
    }
    void reserve_one() {
      optim::reserve_one(steps);
      optim::reserve_one(rates);
      closed_form.reserve_one();
    }
    void record(const Rule& rule, const StepRates& its_rates, bool moves) {
      // It begins with the first step that is recorded, so that a state that was flushed and saved
      // continues with the same bits as one that was flushed.
      if (steps.empty()) closed_form.restart(rule.step - 1, rule);
      steps.push_back(rule);
      rates.push_back(its_rates);
      closed_form.append(rule);
      moves_rows = moves;
    }
    std::uint32_t& taken_by(std::int64_t row) { return taken[static_cast<std::size_t>(row)]; }

    std::vector<std::uint32_t> taken;  // how many of `steps` each row has taken
    std::vector<Rule> steps;
    std::vector<StepRates> rates;           // of each step
    bool moves_rows = true;                 // false: only the constraint changes rows
    typename Rule::ClosedForm closed_form;  // of `steps`
  };

  // A step with a dense gradient.
  template <class T>
  void step_all(const Rule& rule) {
    Leaf& leaf = state_.leaf;
    const Tensor gradient = std::move(gradient_);
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
      if (!table.is_held(row)) constrain_and_record(table, row, elements.p + row * table.width());
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
      if (pending_->steps.size() >= kMostPending) flush();
      flush_rows(ids);
    }
    const auto elements = elements_of(leaf.writable_stored().mutable_data<T>());
    const TrainableRanges table(leaf);
    const std::int64_t width = table.width();
    if (!others_stay) {
      pending_->record(rule, state_.rates, state_.other_rows == Optimizer::State::OtherRows::move);
      leaf.row_policy().set_pending_rows(state_, true);
    }
    const T* g = gradient.rows.data<T>();
    if constexpr (HasRowKernel<Rule, T>) {
      const RowPolicy& policy = leaf.row_policy();
      const bool whole_rows = !policy.has_held_rows() && policy.frozen_columns().empty();
      if (others_stay && whole_rows && rule.apply_to_rows(elements, ids.first(0), g, width)) {
        const auto count = static_cast<std::int64_t>(ids.size());
        const std::int64_t least =
            std::max<std::int64_t>(kElementsPerPart / std::max(width, std::int64_t{1}), 1);
        parallel_for(count, least, 1, [&](std::int64_t first, std::int64_t last) {
          rule.apply_to_rows(
              elements,
              ids.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first)),
              g + first * width, width);
        });
        return;
      }
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
      if (is_constrained()) constrain_and_record(table, ids[i], row.p);
    }
  }

  // Takes the pending steps of a row.
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

  // A constraint is applied after every step.
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
        constrain_and_record(table, row, whole.p);
      }
    }
  }

  // Calls constrain(), and records the row for explain_update() unless that would need much memory.
  template <class T>
  void constrain_and_record(const TrainableRanges& table, std::int64_t row, T* elements) {
    constexpr std::int64_t kMost = 1'000'000;
    if (static_cast<std::int64_t>(unconstrained.size() + 1) * table.width() <= kMost) {
      try {
        unconstrained.emplace_back(row, std::vector<double>(elements, elements + table.width()));
      } catch (const std::bad_alloc&) {  // explain_update() then says that it does not know
      }
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
      elements.moments[i] = const_cast<T*>(state_.moments[i].template data<T>());
    }
    return elements;
  }
  // For pending steps: neither a copy nor a write that is counted. Nothing else shares the memory,
  // because a step made sure of it, and whoever took the value since has flushed all rows. Other
  // threads may be reading the rows that have no pending steps.
  template <class T>
  ParameterSlice<T> pending_elements() {
    return elements_of(const_cast<T*>(state_.leaf.stored().template data<T>()));
  }

  // Rows are read in random order from tables that fit into no cache, so the next rows are
  // prefetched.
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
  Rule next_{};      // prepared
  Tensor gradient_;  // for the prepared step, unless it is row-sparse
  Rule last_{};
  std::optional<Pending> pending_;
};

// Prepares a step for Optimizer::fused_update(). All rules of an optimizer have the same class.
template <UpdateRule Rule>
void fused_step(Optimizer::State& state, const Rule& rule) {
  if (state.fused == nullptr) state.fused = std::make_unique<LazyRows<Rule>>(state);
  auto& rows = static_cast<LazyRows<Rule>&>(*state.fused);
  state.records_only ? rows.record_pending(rule) : rows.prepare(rule);
}

}  // namespace tapegrad::optim
