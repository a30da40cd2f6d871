// Which numbers of a parameter an optimiser may move, and where their gradient is: consecutive
// stretches between frozen rows and columns, and between the rows of a row-sparse gradient.
//
// Internal. Read next: optim/sgd.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include <tapegrad/autograd/leaf.h>

namespace tapegrad::optim {

// A parameter as a table of rows (dimension 0; one row for a 0-d parameter), and what of it is not
// frozen.
class MovableNumbers {
 public:
  explicit MovableNumbers(const Leaf& leaf)
      : frozen_(leaf.frozen_rows()), rows_(leaf.stored().dim() > 0 ? leaf.stored().size(0) : 1) {
    const Tensor& value = leaf.stored();
    width_ = rows_ > 0 ? value.numel() / rows_ : 0;
    if (value.dim() < 2 || leaf.frozen_columns().empty()) return;
    whole_rows_ = false;
    const std::int64_t column = value.size(1) > 0 ? width_ / value.size(1) : 0;
    std::int64_t begin = 0;
    for (const std::int64_t frozen : leaf.frozen_columns()) {
      if (begin < frozen) parts_.push_back({begin * column, (frozen - begin) * column});
      begin = frozen + 1;
    }
    if (begin < value.size(1)) parts_.push_back({begin * column, (value.size(1) - begin) * column});
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t width() const { return width_; }

  // Calls visit(begin, count) for the stretches in rows [first, last). Rows are asked for in
  // ascending order.
  template <class Visit>
  void in_rows(std::int64_t first, std::int64_t last, const Visit& visit) {
    while (first < last) {
      while (next_ < frozen_.size() && frozen_[next_] < first) ++next_;
      const std::int64_t stop = next_ < frozen_.size() ? std::min(frozen_[next_], last) : last;
      if (whole_rows_) {
        if (first < stop) visit(first * width_, (stop - first) * width_);
      } else {
        for (std::int64_t row = first; row < stop; ++row) {
          for (const Part& part : parts_) visit(row * width_ + part.begin, part.count);
        }
      }
      first = stop + 1;
    }
  }

 private:
  struct Part {
    std::int64_t begin, count;
  };
  const std::vector<std::int64_t>& frozen_;
  std::size_t next_ = 0;  // the first frozen row that was not passed yet
  std::int64_t rows_;
  std::int64_t width_;
  bool whole_rows_ = true;
  std::vector<Part> parts_;  // of a row, between frozen columns
};

// Whether to visit the rows that a row-sparse gradient does not mention.
enum class OtherRows { visit, skip };

// Calls update(begin, count, gradient) for all stretches in ascending order; gradient is null where
// it is zero. The leaf has a gradient.
template <class T, class Update>
void for_each_stretch(Leaf& leaf, OtherRows others, const Update& update) {
  MovableNumbers numbers(leaf);
  const auto in_rows = [&](std::int64_t first, std::int64_t last, const T* gradient) {
    numbers.in_rows(first, last, [&](std::int64_t begin, std::int64_t count) {
      update(static_cast<std::size_t>(begin), static_cast<std::size_t>(count),
             gradient == nullptr ? nullptr : gradient + (begin - first * numbers.width()));
    });
  };
  if (leaf.grad.rows.empty()) {
    const Tensor gradient = leaf.grad.dense.value().contiguous();
    in_rows(0, numbers.rows(), gradient.data<T>());
    return;
  }
  const RowPieces& gradient = leaf.coalesced_grad();
  const std::int64_t* const ids = gradient.ids.data<std::int64_t>();
  const T* const rows = gradient.rows.data<T>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(gradient.ids.numel()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::ranges::sort(order, {}, [ids](std::int64_t i) { return ids[i]; });
  std::int64_t next = 0;
  for (const std::int64_t i : order) {
    if (others == OtherRows::visit) in_rows(next, ids[i], nullptr);
    in_rows(ids[i], ids[i] + 1, rows + i * numbers.width());
    next = ids[i] + 1;
  }
  if (others == OtherRows::visit) in_rows(next, numbers.rows(), nullptr);
}

}  // namespace tapegrad::optim
