// max, min, argmax and argmin. If there is a NaN, it is the result; among equal elements the first
// one is chosen. Read next: tensor/ops/softmax.cc.
#include <algorithm>
#include <string>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/reduce_shape.h>

namespace tapegrad {
namespace {

enum class Which { kMax, kMin };

// Whether a replaces b, an earlier element, as the largest or smallest.
template <Which kWhich, class T>
bool beats(T a, T b) {
  const bool more = kWhich == Which::kMax ? a > b : a < b;
  if constexpr (std::is_floating_point_v<T>) {
    return more | ((a != a) & (b == b));
  } else {
    return more;
  }
}

// The position of the largest or smallest of size > 0 consecutive elements.
template <Which kWhich, class T>
std::int64_t position_in_row(const T* row, std::int64_t size) {
  if constexpr (std::is_floating_point_v<T>) {
    const kernel::Kernels<T>& kernels = kernel::kernels<T>();
    const T value =
        (kWhich == Which::kMax ? kernels.max : kernels.min)(row, static_cast<std::size_t>(size));
    const auto* end = row + size;
    return (value == value ? std::find(row, end, value)
                           : std::find_if(row, end, [](T x) { return x != x; })) -
           row;
  } else {
    std::int64_t best = 0;
    for (std::int64_t i = 1; i < size; ++i) {
      if (beats<kWhich>(row[i], row[best])) best = i;
    }
    return best;
  }
}

// The largest or smallest element of each column of (rows, columns), and its row. Position is as
// wide as T, so that values and positions use vectors of the same length.
template <Which kWhich, class Position, class T>
void extremes_of_columns(const T* x, std::int64_t rows, std::int64_t columns, T* value,
                         std::int64_t* position) {
  constexpr std::int64_t kBlock = 64;
  T best[kBlock];
  Position at[kBlock];
  for (std::int64_t begin = 0; begin < columns; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, columns - begin);
    std::copy_n(x + begin, n, best);
    std::fill_n(at, n, Position{0});
    for (std::int64_t r = 1; r < rows; ++r) {
      const T* row = x + r * columns + begin;
      for (std::int64_t j = 0; j < n; ++j) {
        const bool better = beats<kWhich>(row[j], best[j]);
        best[j] = better ? row[j] : best[j];
        at[j] = better ? static_cast<Position>(r) : at[j];
      }
    }
    std::copy_n(best, n, value + begin);
    std::copy_n(at, n, position + begin);
  }
}

void require_elements(const char* operation, const Tensor& x) {
  if (x.numel() > 0) return;
  throw ValueError(std::string(operation) + ": tensor of shape " + to_string(x.sizes()) +
                   " has no elements, needed at least one");
}

template <Which kWhich>
Tensor position_of_all(const char* operation, const Tensor& x) {
  require_elements(operation, x);
  const Tensor in = x.contiguous();
  return visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return full({}, position_in_row<kWhich>(in.data<T>(), in.numel()), int64);
  });
}

template <Which kWhich>
Tensor value_of_all(const char* operation, const Tensor& x) {
  require_elements(operation, x);
  const Tensor in = x.contiguous();
  Tensor out = Tensor::uninitialized({}, x.dtype());
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* row = in.data<T>();
    *out.mutable_data<T>() = row[position_in_row<kWhich>(row, in.numel())];
  });
  return out;
}

// If several dims are reduced, the indices count their elements in row-major order.
template <Which kWhich>
ValuesAndIndices along(const char* operation, const Tensor& x, const Dims& dims, bool keepdim) {
  const detail::DimSet set = detail::dim_set(dims, x.dim(), operation);
  const detail::ReduceShape in(x, set);
  if (in.reduced == 0) {
    const std::string which = dims.empty()      ? "a dimension"
                              : dims.dim() == 1 ? "dimension " + std::to_string(dims[0])
                                                : "one of the dimensions " + to_string(dims);
    throw IndexError(std::string(operation) + ": " + which + " of shape " + to_string(x.sizes()) +
                     " has no elements, needed at least one");
  }
  const Shape shape = detail::reduced_shape(x, set, keepdim);
  Tensor values = Tensor::uninitialized(shape, x.dtype());
  Tensor indices = Tensor::uninitialized(shape, int64);
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = in.x.data<T>();
    T* value = values.mutable_data<T>();
    auto* position = indices.mutable_data<std::int64_t>();
    using Narrow = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    const auto columns = in.reduced <= INT32_MAX ? extremes_of_columns<kWhich, Narrow, T>
                                                 : extremes_of_columns<kWhich, std::int64_t, T>;
    for (std::int64_t i = 0; i < in.outer; ++i) {
      if (in.inner == 1) {
        *position = position_in_row<kWhich>(from, in.reduced);
        *value = from[*position];
      } else {
        columns(from, in.reduced, in.inner, value, position);
      }
      from += in.reduced * in.inner;
      value += in.inner;
      position += in.inner;
    }
  });
  return {values, indices};
}

}  // namespace

Tensor max(const Tensor& x) { return value_of_all<Which::kMax>("max", x); }
Tensor min(const Tensor& x) { return value_of_all<Which::kMin>("min", x); }
Tensor argmax(const Tensor& x) { return position_of_all<Which::kMax>("argmax", x); }
Tensor argmin(const Tensor& x) { return position_of_all<Which::kMin>("argmin", x); }

ValuesAndIndices max(const Tensor& x, std::int64_t dim, bool keepdim) {
  return along<Which::kMax>("max", x, dim, keepdim);
}
ValuesAndIndices min(const Tensor& x, std::int64_t dim, bool keepdim) {
  return along<Which::kMin>("min", x, dim, keepdim);
}
Tensor amax(const Tensor& x, const Dims& dims, bool keepdim) {
  return along<Which::kMax>("amax", x, dims, keepdim).values;
}
Tensor amin(const Tensor& x, const Dims& dims, bool keepdim) {
  return along<Which::kMin>("amin", x, dims, keepdim).values;
}
Tensor argmax(const Tensor& x, std::int64_t dim, bool keepdim) {
  return along<Which::kMax>("argmax", x, dim, keepdim).indices;
}
Tensor argmin(const Tensor& x, std::int64_t dim, bool keepdim) {
  return along<Which::kMin>("argmin", x, dim, keepdim).indices;
}

}  // namespace tapegrad
