// Which elements of a parameter an optimizer may change (the ranges between frozen rows and
// columns), and how a constraint changes a row after a step.
//
// Internal. Read next: optim/lazy/closed_form_steps.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <tapegrad/autograd/node.h>

namespace tapegrad::optim {

// A parameter as a table of rows (dimension 0; one row for a 0-d parameter), and the elements of it
// that are neither frozen nor padding. It allocates nothing.
class TrainableRanges {
 public:
  explicit TrainableRanges(const Leaf& leaf)
      : policy_(leaf.row_policy()), rows_(leaf.stored().dim() > 0 ? leaf.stored().size(0) : 1) {
    const Tensor& value = leaf.stored();
    width_ = rows_ > 0 ? value.numel() / rows_ : 0;
    if (value.dim() < 2 || policy_.frozen_columns().empty()) return;
    whole_rows_ = false;
    columns_ = value.size(1);
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t width() const { return width_; }
  bool is_held(std::int64_t row) const { return policy_.has_held_rows() && policy_.is_held(row); }

  // Calls visit(begin, count), counted from the row's first element, for the ranges of a row that
  // is not held.
  template <class Visit>
  void in_row(const Visit& visit) const {
    if (whole_rows_) return visit(std::int64_t{0}, width_);
    const std::int64_t column = columns_ > 0 ? width_ / columns_ : 0;
    for (const auto& [begin, count] : policy_.trainable_columns()) {
      visit(begin * column, count * column);
    }
  }

  // Calls visit(begin, count) for the ranges of the whole table, in ascending order.
  template <class Visit>
  void in_table(const Visit& visit) const {
    std::int64_t first = 0;
    while (first < rows_) {
      std::int64_t stop = first;
      if (whole_rows_ && !policy_.has_held_rows()) {
        stop = rows_;
      } else {
        while (stop < rows_ && !is_held(stop) && (whole_rows_ || stop == first)) ++stop;
      }
      if (whole_rows_) {
        if (first < stop) visit(first * width_, (stop - first) * width_);
      } else if (first < stop) {
        in_row(
            [&](std::int64_t begin, std::int64_t count) { visit(first * width_ + begin, count); });
      }
      first = stop < rows_ && is_held(stop) ? stop + 1 : stop;
    }
  }

 private:
  const RowPolicy& policy_;
  std::int64_t rows_;
  std::int64_t width_;
  std::int64_t columns_ = 0;  // the size of dimension 1, where columns are frozen
  bool whole_rows_ = true;
};

// Applies the constraint to a row, except for its frozen columns.
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

// Calls visit(gradient, count) for the ranges of a leaf's gradient that an optimizer may use; the
// leaf has one. Rows of a row-sparse gradient come in the order of their first lookup.
template <class T, class Visit>
void for_each_gradient(Leaf& leaf, const Visit& visit) {
  const TrainableRanges ranges(leaf);
  if (!leaf.grad.is_row_sparse()) {
    const Tensor gradient = leaf.grad.dense(leaf.stored()).contiguous();
    ranges.in_table([&](std::int64_t begin, std::int64_t count) {
      visit(gradient.data<T>() + begin, static_cast<std::size_t>(count));
    });
    return;
  }
  const RowSparse& gradient = leaf.grad.rows();
  const std::int64_t* const ids = gradient.ids.data<std::int64_t>();
  const T* rows = gradient.rows.data<T>();
  for (std::int64_t i = 0; i < gradient.ids.numel(); ++i, rows += ranges.width()) {
    if (ranges.is_held(ids[i])) continue;
    ranges.in_row([&](std::int64_t begin, std::int64_t count) {
      visit(rows + begin, static_cast<std::size_t>(count));
    });
  }
}

}  // namespace tapegrad::optim
