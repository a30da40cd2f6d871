#include <tapegrad/autograd/leaf.h>

#include <bit>

#include <tapegrad/tensor/kernels/kernels.h>

namespace tapegrad {

Leaf::Leaf(Tensor value, bool wants_grad)
    : Node(true),
      requires_grad(wants_grad),
      value_(std::move(value)),
      changes_(0 - value_.version()) {}  // version() is 0, as that of the first handle

Tensor& Leaf::writable_value() {
  if (!value_.is_exclusive()) set_value(value_.clone());
  return value_;
}

void Leaf::set_value(Tensor value) {
  changes_ = version() + 1 - value.version();  // so that version() grows; wraps around
  value_ = std::move(value);
}

Tensor Leaf::dense_grad() const {
  if (grad.rows.empty()) return grad.dense.value();
  Tensor total = zeros_like(value_);
  for (const RowPieces& pieces : grad.rows) add_rows(total, pieces);
  return total;
}

const RowPieces& Leaf::coalesced_grad() {
  RowPieces distinct = coalesce(grad.rows);
  grad.rows.clear();
  grad.rows.push_back(std::move(distinct));
  return grad.rows.front();
}

namespace {

// Rows that count, as a list of (id, row) to be added.
template <class Function>
void for_each_row(const RowPieces& pieces, const Function& function) {
  const std::int64_t* ids = pieces.ids.data<std::int64_t>();
  for (std::int64_t i = 0; i < pieces.ids.numel(); ++i) {
    if (ids[i] != pieces.skip) function(ids[i], i);
  }
}

}  // namespace

void add_rows(Tensor& into, const RowPieces& pieces) {
  const std::int64_t width = into.size(1);
  visit_floating(into.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* table = into.mutable_data<T>();
    const T* rows = pieces.rows.data<T>();
    const auto n = static_cast<std::size_t>(width);
    if (pieces.skip < 0) {
      kernel::table<T>().scatter_add_rows(table, pieces.ids.data<std::int64_t>(), rows,
                                          static_cast<std::size_t>(pieces.ids.numel()), n);
      return;
    }
    for_each_row(pieces, [&](std::int64_t id, std::int64_t i) {
      kernel::table<T>().axpy(table + id * width, T{1}, rows + i * width, n);
    });
  });
}

RowPieces coalesce(const std::vector<RowPieces>& pieces) {
  std::size_t total = 0;
  for (const RowPieces& part : pieces) total += static_cast<std::size_t>(part.ids.numel());

  // Which distinct row each looked-up row goes to: an open-addressed table, at most half full.
  const std::size_t capacity = std::bit_ceil(2 * total + 2);
  struct Slot {
    std::int64_t id = -1;
    std::int64_t row = 0;
  };
  std::vector<Slot> slots(capacity);
  std::vector<std::int64_t> distinct;
  std::vector<std::int64_t> targets;
  targets.reserve(total);
  for (const RowPieces& part : pieces) {
    for_each_row(part, [&](std::int64_t id, std::int64_t) {
      std::size_t at =
          (static_cast<std::uint64_t>(id) * 0x9E3779B97F4A7C15U) >> 20 & (capacity - 1);
      while (slots[at].id != id && slots[at].id != -1) at = (at + 1) & (capacity - 1);
      if (slots[at].id == -1) {
        slots[at] = {id, static_cast<std::int64_t>(distinct.size())};
        distinct.push_back(id);
      }
      targets.push_back(slots[at].row);
    });
  }

  const Tensor& first = pieces.front().rows;
  const std::int64_t width = first.size(1);
  RowPieces result{tensor(distinct), zeros({distinct.size(), width}, first.dtype()), -1};
  std::size_t next = 0;
  visit_floating(first.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* sums = result.rows.mutable_data<T>();
    for (const RowPieces& part : pieces) {
      const T* rows = part.rows.data<T>();
      for_each_row(part, [&](std::int64_t, std::int64_t i) {
        kernel::table<T>().axpy(sums + targets[next++] * width, T{1}, rows + i * width,
                                static_cast<std::size_t>(width));
      });
    }
  });
  return result;
}

}  // namespace tapegrad
