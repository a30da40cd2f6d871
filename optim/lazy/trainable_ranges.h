// Which numbers of a parameter an optimiser may move: consecutive stretches between frozen rows and
// columns.
//
// Internal. Read next: optim/state.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tapegrad/autograd/node.h>

namespace tapegrad::optim {

// A parameter as a table of rows (dimension 0; one row for a 0-d parameter), and what of it is
// neither frozen nor padding.
class TrainableRanges {
 public:
  explicit TrainableRanges(const Leaf& leaf)
      : policy_(leaf.row_policy()), rows_(leaf.stored().dim() > 0 ? leaf.stored().size(0) : 1) {
    const Tensor& value = leaf.stored();
    width_ = rows_ > 0 ? value.numel() / rows_ : 0;
    if (value.dim() < 2 || policy_.frozen_columns().empty()) return;
    whole_rows_ = false;
    const std::int64_t column = value.size(1) > 0 ? width_ / value.size(1) : 0;
    std::int64_t begin = 0;
    for (const std::int64_t frozen : policy_.frozen_columns()) {
      if (begin < frozen) parts_.push_back({begin * column, (frozen - begin) * column});
      begin = frozen + 1;
    }
    if (begin < value.size(1)) parts_.push_back({begin * column, (value.size(1) - begin) * column});
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t width() const { return width_; }
  bool is_held(std::int64_t row) const { return policy_.has_held_rows() && policy_.is_held(row); }

  // Calls visit(begin, count), counted from the row's first number, for the stretches of a row that
  // is not held.
  template <class Visit>
  void in_row(const Visit& visit) const {
    if (whole_rows_) {
      visit(std::int64_t{0}, width_);
    } else {
      for (const Part& part : parts_) visit(part.begin, part.count);
    }
  }

  // Calls visit(begin, count) for the stretches of the whole table, in ascending order.
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
  struct Part {
    std::int64_t begin, count;
  };
  const RowPolicy& policy_;
  std::int64_t rows_;
  std::int64_t width_;
  bool whole_rows_ = true;
  std::vector<Part> parts_;  // of a row, between frozen columns
};

// Calls visit(gradient, count) for the stretches of a leaf's gradient that an optimiser may use;
// the leaf has one. Rows of a row-sparse gradient come in the order of their first lookup.
template <class T, class Visit>
void for_each_gradient(Leaf& leaf, const Visit& visit) {
  const TrainableRanges numbers(leaf);
  if (!leaf.grad.is_row_sparse()) {
    const Tensor gradient = leaf.grad.dense(leaf.stored()).contiguous();
    numbers.in_table([&](std::int64_t begin, std::int64_t count) {
      visit(gradient.data<T>() + begin, static_cast<std::size_t>(count));
    });
    return;
  }
  const RowSparse& gradient = leaf.grad.rows();
  const std::int64_t* const ids = gradient.ids.data<std::int64_t>();
  const T* rows = gradient.rows.data<T>();
  for (std::int64_t i = 0; i < gradient.ids.numel(); ++i, rows += numbers.width()) {
    if (numbers.is_held(ids[i])) continue;
    numbers.in_row([&](std::int64_t begin, std::int64_t count) {
      visit(rows + begin, static_cast<std::size_t>(count));
    });
  }
}

}  // namespace tapegrad::optim
