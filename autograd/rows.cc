// Row-sparse gradients: many contributions to few rows, made one row each. Read next:
// autograd/backward.cc.
#include <algorithm>

#include <tapegrad/autograd/leaf.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/tables.h>

namespace tapegrad {
namespace {

std::size_t count_of(const Tensor& ids) { return static_cast<std::size_t>(ids.numel()); }

// Calls f(i) for every contribution that counts.
template <class Function>
void for_each_row(const RowPieces& pieces, const Function& function) {
  const std::int64_t* ids = pieces.ids.data<std::int64_t>();
  for (std::int64_t i = 0; i < pieces.ids.numel(); ++i) {
    if (ids[i] != pieces.skip) function(i);
  }
}

// table[targets[i]] += rows[i]
template <class T>
void add_to(T* table, const std::int64_t* targets, const RowPieces& pieces, bool skips) {
  const auto& kernels = kernel::table<T>();
  const T* const rows = pieces.rows.data<T>();
  const std::int64_t width = pieces.rows.size(1);
  if (!skips) {
    kernels.scatter_add_rows(table, targets, rows, count_of(pieces.ids),
                             static_cast<std::size_t>(width));
    return;
  }
  for_each_row(pieces, [&](std::int64_t i) {
    kernels.axpy(table + targets[i] * width, T{1}, rows + i * width,
                 static_cast<std::size_t>(width));
  });
}

// The contributions i to each distinct row, side by side and in their order: a bag for each row.
// Summing bags of rows is what the kernel is made for, forward and here.
struct ByRow {
  Bags bags;
  Tensor scale;

  ByRow(const Numbering& numbering, const Tensor& numbers, const Tensor& pick,
        const Tensor& factors) {
    const auto n = numbers.numel();
    bags.ids = Tensor::uninitialized(Shape(n), int64);
    bags.bounds = Tensor::uninitialized(Shape(numbering.count() + 1), int64);
    Tensor next = Tensor::uninitialized(Shape(numbering.count()), int64);
    auto* const order = bags.ids.mutable_data<std::int64_t>();
    auto* const bounds = bags.bounds.mutable_data<std::int64_t>();
    auto* const places = next.mutable_data<std::int64_t>();
    bounds[0] = 0;
    for (std::int64_t row = 0; row < numbering.count(); ++row) {
      places[row] = bounds[row];
      bounds[row + 1] = bounds[row] + numbering.occurrences()[row];
    }
    const auto* const number = numbers.data<std::int64_t>();
    const auto* const picked = pick.defined() ? pick.data<std::int64_t>() : nullptr;
    const auto fill = [&](const auto& take) {
      for (std::int64_t i = 0; i < n; ++i) {
        if (number[i] < 0) continue;
        const std::int64_t place = places[number[i]]++;
        order[place] = picked != nullptr ? picked[i] : i;
        take(place, i);
      }
    };
    if (!factors.defined()) {
      fill([](std::int64_t, std::int64_t) {});
      return;
    }
    scale = Tensor::uninitialized(Shape(n), factors.dtype());
    visit_floating(factors.dtype(), [&](auto zero) {
      using T = decltype(zero);
      T* const to = scale.mutable_data<T>();
      const T* const from = factors.data<T>();
      fill([&](std::int64_t place, std::int64_t i) { to[place] = from[i]; });
    });
  }
};

}  // namespace

void add_rows(Tensor& into, const RowPieces& pieces) {
  visit_floating(into.dtype(), [&](auto zero) {
    using T = decltype(zero);
    add_to(into.mutable_data<T>(), pieces.ids.data<std::int64_t>(), pieces, pieces.skip >= 0);
  });
}

RowPieces coalesce(const RowPieces& pieces, const Tensor& pick, const Tensor& scale) {
  if (pieces.distinct) return pieces;
  Numbering numbering(count_of(pieces.ids));
  Tensor numbers = Tensor::uninitialized(Shape(pieces.ids.numel()), int64);
  numbering.add(pieces.ids.data<std::int64_t>(), count_of(pieces.ids), pieces.skip,
                numbers.mutable_data<std::int64_t>());
  if (numbering.count() == pieces.ids.numel() && !pick.defined() && !scale.defined()) {
    return {.ids = pieces.ids, .rows = pieces.rows, .distinct = true};
  }
  const ByRow by_row(numbering, numbers, pick, scale);
  return {.ids = numbering.distinct(),
          .rows = bag_sum(pieces.rows, by_row.bags, by_row.scale),
          .distinct = true};
}

RowPieces coalesce(const std::vector<RowPieces>& pieces) {
  if (pieces.size() == 1) return coalesce(pieces.front());
  std::size_t total = 0;
  for (const RowPieces& part : pieces) total += count_of(part.ids);
  Numbering numbering(total);
  Tensor numbers = Tensor::uninitialized(Shape(static_cast<std::int64_t>(total)), int64);
  std::int64_t* next = numbers.mutable_data<std::int64_t>();
  for (const RowPieces& part : pieces) {
    numbering.add(part.ids.data<std::int64_t>(), count_of(part.ids), part.skip, next);
    next += part.ids.numel();
  }
  const Tensor& first = pieces.front().rows;
  RowPieces result{.ids = numbering.distinct(),
                   .rows = zeros({numbering.count(), first.size(1)}, first.dtype()),
                   .distinct = true};
  visit_floating(first.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* const sums = result.rows.mutable_data<T>();
    const std::int64_t* targets = numbers.data<std::int64_t>();
    for (const RowPieces& part : pieces) {
      add_to(sums, targets, part, part.skip >= 0);
      targets += part.ids.numel();
    }
  });
  return result;
}

}  // namespace tapegrad
