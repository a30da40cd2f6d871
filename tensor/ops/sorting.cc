// Sorting along a dimension, and what follows from an order: median, unique, bincount. The order is
// stable, and NaN is the largest value. Read next: tensor/ops/normalization.cc.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/view_layout.h>

namespace tapegrad {
namespace {

// Whether a comes before b. NaN is the largest value, which makes this an order for all values.
template <class T>
bool before(T a, T b, bool descending) {
  if constexpr (std::is_floating_point_v<T>) {
    return descending ? a > b || (std::isnan(a) && !std::isnan(b))
                      : a < b || (!std::isnan(a) && std::isnan(b));
  } else {
    return descending ? a > b : a < b;
  }
}

// The first `count` elements along dim in sorted order; equal elements keep their order. Uses a
// merge sort for all elements; for fewer, a heap of `count` elements, which is faster because most
// elements never enter it.
ValuesAndIndices ordered(const Tensor& x, std::size_t dim, std::int64_t count, bool descending) {
  if (x.dim() == 0) {
    const ValuesAndIndices row = ordered(reshape(x, 1), 0, count, descending);
    const Shape shape = count == 1 ? Shape() : Shape(0);
    return {reshape(row.values, shape), reshape(row.indices, shape)};
  }
  const auto position = static_cast<std::int64_t>(dim);
  const Tensor rows = transpose(x, position, -1).contiguous();
  const std::int64_t size = rows.sizes().back();
  Shape shape = rows.shape();
  shape[shape.dim() - 1] = count;
  Tensor values = Tensor::uninitialized(shape, x.dtype());
  Tensor indices = Tensor::uninitialized(shape, int64);
  const std::int64_t row_count = count == 0 ? 0 : values.numel() / count;
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = rows.data<T>();
    T* value = values.mutable_data<T>();
    auto* index = indices.mutable_data<std::int64_t>();
    for (std::int64_t r = 0; r < row_count; ++r, from += size) {
      std::iota(order.begin(), order.end(), std::int64_t{0});
      if (count == size) {
        std::stable_sort(order.begin(), order.end(), [=](std::int64_t a, std::int64_t b) {
          return before(from[a], from[b], descending);
        });
      } else {
        std::partial_sort(order.begin(), order.begin() + count, order.end(),
                          [=](std::int64_t a, std::int64_t b) {
                            return before(from[a], from[b], descending) ||
                                   (a < b && !before(from[b], from[a], descending));
                          });
      }
      for (std::int64_t i = 0; i < count; ++i) {
        *index = order[static_cast<std::size_t>(i)];
        *value++ = from[*index++];
      }
    }
  });
  return {transpose(values, position, -1).contiguous(),
          transpose(indices, position, -1).contiguous()};
}

}  // namespace

ValuesAndIndices sort(const Tensor& x, std::int64_t dim, bool descending) {
  const std::size_t position = detail::fast_wrap_dim(dim, x.sizes().size(), "sort");
  return ordered(x, position, x.dim() == 0 ? 1 : x.sizes()[position], descending);
}

Tensor argsort(const Tensor& x, std::int64_t dim, bool descending) {
  return sort(x, dim, descending).indices;
}

ValuesAndIndices topk(const Tensor& x, std::int64_t k, std::int64_t dim, bool largest) {
  const std::size_t position = detail::fast_wrap_dim(dim, x.sizes().size(), "topk");
  const std::int64_t size = x.dim() == 0 ? 1 : x.sizes()[position];
  if (k < 0 || k > size) {
    throw ValueError("topk: got k " + std::to_string(k) + ", needed 0 to " + std::to_string(size) +
                     ", the size of dimension " + std::to_string(position));
  }
  return ordered(x, position, k, largest);
}

ValuesAndIndices median(const Tensor& x, std::int64_t dim, bool keepdim) {
  if (x.dim() == 0) return sort(x, dim);
  const auto position = static_cast<std::int64_t>(detail::existing_dim(dim, x, "median"));
  const Tensor indices = composition::median_positions(x, position);
  const Tensor values = gather(x, position, indices);
  if (keepdim) return {values, indices};
  return {squeeze(values, position), squeeze(indices, position)};
}
Tensor median(const Tensor& x) { return median(flatten(x), 0).values; }

UniqueElements unique(const Tensor& x) {
  const ValuesAndIndices sorted = sort(flatten(x), 0);
  const std::int64_t count = x.numel();
  if (count == 0) return {sorted.values, zeros(x.shape(), int64), sorted.indices};
  const Tensor differs =
      narrow(sorted.values, 0, 1, count - 1) != narrow(sorted.values, 0, 0, count - 1);
  const Tensor first = cat({full({1}, true), differs});
  const Tensor position = cumsum(first, 0) - 1;  // of each element's value
  const Tensor inverse = scatter(zeros({count}, int64), 0, sorted.indices, position);
  return {masked_select(sorted.values, first), reshape(inverse, x.shape()), bincount(position)};
}

Tensor bincount(const Tensor& ids, const Tensor& weights, std::int64_t minlength) {
  if (ids.dtype() != int64 || ids.dim() != 1) {
    throw ShapeError("bincount: ids are " + to_string(ids.sizes()) + " of type " +
                     std::string(name(ids.dtype())) + ", needed one dimension of int64");
  }
  if (weights.defined() && weights.shape() != ids.shape()) {
    throw ShapeError("bincount: weights are " + to_string(weights.sizes()) + " and ids " +
                     to_string(ids.sizes()) + ", needed the same shape");
  }
  if (minlength < 0) {
    throw ValueError("bincount: minlength is " + std::to_string(minlength) + ", needed 0 or more");
  }
  std::int64_t length = minlength;
  if (ids.numel() > 0) {
    const std::int64_t smallest = min(ids).item<std::int64_t>();
    const std::int64_t largest = max(ids).item<std::int64_t>();
    if (smallest < 0 || largest == std::numeric_limits<std::int64_t>::max()) {
      throw ValueError("bincount: an id is " + std::to_string(smallest < 0 ? smallest : largest) +
                       ", needed small numbers from 0 on");
    }
    length = std::max(length, largest + 1);
  }
  if (!weights.defined()) return index_add(zeros({length}, int64), 0, ids, ones_like(ids));
  // As in PyTorch, sums are in double precision, except for float32 weights.
  const Tensor summands = weights.dtype() == float32 ? weights : weights.to(float64);
  return index_add(zeros({length}, summands.dtype()), 0, ids, summands);
}

}  // namespace tapegrad
