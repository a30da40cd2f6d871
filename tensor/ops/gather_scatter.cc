// Operations that copy elements by index or by mask: table lookups, gather, scatter. All indices
// are checked before anything is written. Read next: tensor/ops/embedding_bag.h.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/embedding_bag.h>
#include <tapegrad/tensor/ops/strided_loop.h>
#include <tapegrad/tensor/ops/view_layout.h>

namespace tapegrad {

using composition::require_dtype;
using detail::StridedLoop;
using detail::ViewLayout;

// Checks ------------------------------------------------------------------------------------------

void composition::require_dtype(const char* operation, const char* argument, const Tensor& x,
                                DType dtype) {
  if (x.dtype() != dtype) [[unlikely]] {
    throw DTypeError(std::string(operation) + ": " + argument + " is " + name(x.dtype()) +
                     ", needed " + name(dtype) + "; convert with to(" + name(dtype) + ")");
  }
}

namespace {

[[noreturn, gnu::cold, gnu::noinline]] void throw_bad_index(const char* operation,
                                                            std::span<const std::int64_t> ids,
                                                            std::int64_t limit, const char* what) {
  const auto bad = std::find_if(ids.begin(), ids.end(),
                                [limit](std::int64_t id) { return id < 0 || id >= limit; });
  throw IndexError(std::string(operation) + ": index " + std::to_string(*bad) +
                   " out of range for " + std::to_string(limit) + " " + what + " (position " +
                   std::to_string(bad - ids.begin()) + ")");
}

// Checks that all indices lie in [0, limit) and returns them as a contiguous tensor.
Tensor checked_indices(const char* operation, const Tensor& index, std::int64_t limit,
                       const char* what = "positions") {
  require_dtype(operation, "index", index, int64);
  Tensor ids = index.contiguous();
  const auto values = ids.span<std::int64_t>();
  bool bad = false;
  for (const std::int64_t id : values) {
    bad |= static_cast<std::uint64_t>(id) >= static_cast<std::uint64_t>(limit);
  }
  if (bad) [[unlikely]]
    throw_bad_index(operation, values, limit, what);
  return ids;
}

// Rows --------------------------------------------------------------------------------------------

template <class T>
void gather_rows(T* y, const T* table, const std::int64_t* ids, std::int64_t n,
                 std::int64_t columns) {
  if constexpr (std::is_floating_point_v<T>) {
    kernel::kernels<T>().gather_rows(y, table, ids, static_cast<std::size_t>(n),
                                     static_cast<std::size_t>(columns));
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      std::copy_n(table + ids[i] * columns, columns, y + i * columns);
    }
  }
}

template <class T>
T plus(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    return a || b;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  } else {
    return a + b;
  }
}

template <class T>
void scatter_add_rows(T* table, const std::int64_t* ids, const T* rows, std::int64_t n,
                      std::int64_t columns) {
  if constexpr (std::is_floating_point_v<T>) {
    kernel::kernels<T>().scatter_add_rows(table, ids, rows, nullptr, nullptr,
                                          static_cast<std::size_t>(n),
                                          static_cast<std::size_t>(columns), -1);
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      T* to = table + ids[i] * columns;
      for (std::int64_t j = 0; j < columns; ++j) to[j] = plus(to[j], rows[i * columns + j]);
    }
  }
}

// The shape of a contiguous tensor as (outer, size, inner) around one of its dimensions; (1, 1, 1)
// for a 0-d tensor.
struct AroundDim {
  std::int64_t outer = 1;
  std::int64_t size = 1;
  std::int64_t inner = 1;

  AroundDim(std::span<const std::int64_t> sizes, std::size_t dim) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      (i < dim ? outer : i == dim ? size : inner) *= sizes[i];
    }
  }
};

// Elements at (..., index, ...) -------------------------------------------------------------------

// Calls f(offset in a, offset in b, index) for every element of `index`, in row-major order. The
// offsets are those of the same position in a and b, except that position 0 is used in dimension
// `dim` of a: the caller adds the index.
template <class Function>
void for_each_index(const Tensor& index, const Tensor& a, std::size_t dim, const Tensor& b,
                    const Function& function) {
  if (index.numel() == 0) return;
  ViewLayout layout(a);
  ViewLayout other(b);
  for (std::size_t i = 0; i < layout.dim; ++i) {
    layout.sizes[i] = other.sizes[i] = index.sizes()[i];
    if (i == dim) layout.strides[i] = 0;
  }
  const Tensor a_there = layout.of(a);
  const Tensor b_there = other.of(b);
  const StridedLoop<3> loop(index.sizes(), {&a_there, &b_there, &index});
  const auto* ids = index.data<std::int64_t>();
  loop.for_each_row([&](const auto& offset) {
    for (std::int64_t i = 0; i < loop.row_size(); ++i) {
      function(offset[0] + i * loop.row_stride(0), offset[1] + i * loop.row_stride(1),
               ids[offset[2] + i * loop.row_stride(2)]);
    }
  });
}

std::int64_t size_along(const Tensor& x, std::size_t dim) {
  return x.dim() == 0 ? 1 : x.sizes()[dim];
}
std::int64_t stride_along(const Tensor& x, std::size_t dim) {
  return x.dim() == 0 ? 1 : x.strides()[dim];
}

// Checks that index has as many dimensions as x, and that none is larger than x's except dim.
void check_index_shape(const char* operation, const char* argument, const Tensor& x,
                       const Tensor& index, std::size_t dim) {
  bool fits = index.dim() == x.dim();
  for (std::size_t i = 0; fits && i < x.sizes().size(); ++i) {
    fits = i == dim || index.sizes()[i] <= x.sizes()[i];
  }
  if (!fits && index.numel() > 0) {
    throw ShapeError(std::string(operation) + ": index of shape " + to_string(index.sizes()) +
                     " does not fit into " + argument + " of shape " + to_string(x.sizes()) +
                     (dim < x.sizes().size()
                          ? ", needed no larger size except in dimension " + std::to_string(dim)
                          : std::string(", needed no larger size")));
  }
}

// As in PyTorch, a 0-d tensor stands for a vector of one element if another argument is a vector.
template <class... Others>
bool is_vector_of_one(const Tensor& x, const Others&... others) {
  return x.dim() == 0 && ((others.dim() == 1) || ...);
}
Tensor vector_of_one(const Tensor& x) { return x.dim() == 0 ? reshape(x, {1}) : x; }

// Shared by scatter and scatter_add: copies x, then replaces each indexed element by
// function(element, element of source).
template <class Function>
Tensor scattered(const char* operation, const Tensor& x, std::int64_t dim, const Tensor& index,
                 const Tensor& source, const Function& function) {
  const std::size_t position = detail::fast_wrap_dim(dim, x.sizes().size(), operation);
  require_dtype(operation, "source", source, x.dtype());
  if (x.dim() < 2 && index.dim() < 2 && source.dim() < 2 &&
      (is_vector_of_one(x, index, source) || is_vector_of_one(index, x, source) ||
       is_vector_of_one(source, x, index))) {
    return reshape(scattered(operation, vector_of_one(x), 0, vector_of_one(index),
                             vector_of_one(source), function),
                   x.shape());
  }
  check_index_shape(operation, "x", x, index, position);
  check_index_shape(operation, "source", source, index, source.sizes().size());
  const Tensor ids = checked_indices(operation, index, size_along(x, position));
  Tensor out = x.clone();
  const std::int64_t step = stride_along(out, position);
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.mutable_data<T>();
    const T* from = source.data<T>();
    for_each_index(ids, out, position, source,
                   [&](std::int64_t at, std::int64_t source_at, std::int64_t id) {
                     T& element = to[at + id * step];
                     element = function(element, from[source_at]);
                   });
  });
  return out;
}

}  // namespace

// By rows -----------------------------------------------------------------------------------------

Tensor checked_ids(const char* operation, const Tensor& table, const Tensor& ids) {
  if (table.dim() != 2) {
    throw ShapeError(std::string(operation) + ": weight has shape " + to_string(table.sizes()) +
                     ", needed (rows, width)");
  }
  return checked_indices(operation, ids, table.sizes()[0], "rows");
}

Tensor rows_at(const Tensor& table, const Tensor& ids) {
  const Tensor rows = table.contiguous();
  const std::int64_t width = rows.sizes()[1];
  Shape shape = ids.shape();
  shape.push_back(width);
  Tensor out = Tensor::uninitialized(shape, rows.dtype());
  visit(rows.dtype(), [&](auto zero) {
    using T = decltype(zero);
    gather_rows(out.mutable_data<T>(), rows.data<T>(), ids.data<std::int64_t>(), ids.numel(),
                width);
  });
  return out;
}

Tensor index_select(const Tensor& x, std::int64_t dim, const Tensor& index) {
  const std::size_t position = detail::fast_wrap_dim(dim, x.sizes().size(), "index_select");
  if (index.dim() > 1) {
    throw ShapeError("index_select: index has shape " + to_string(index.sizes()) +
                     ", needed one dimension; use gather for more");
  }
  if (x.dim() == 0 && index.numel() != 1) {
    throw ShapeError("index_select: index has shape " + to_string(index.sizes()) +
                     " for a 0-d x, needed one element");
  }
  const AroundDim around(x.sizes(), position);
  const Tensor ids = checked_indices("index_select", index, around.size);
  const Tensor in = x.contiguous();
  Shape shape = x.shape();
  if (shape.empty()) shape = Shape(1);
  shape[static_cast<std::int64_t>(position)] = ids.numel();
  Tensor out = Tensor::uninitialized(shape, x.dtype());
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.mutable_data<T>();
    const T* from = in.data<T>();
    for (std::int64_t i = 0; i < around.outer; ++i) {
      gather_rows(to + i * ids.numel() * around.inner, from + i * around.size * around.inner,
                  ids.data<std::int64_t>(), ids.numel(), around.inner);
    }
  });
  return x.dim() == 0 ? reshape(out, {}) : out;
}

Tensor index_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  const std::size_t position = detail::fast_wrap_dim(dim, x.sizes().size(), "index_add");
  require_dtype("index_add", "source", source, x.dtype());
  if (is_vector_of_one(x, source) || is_vector_of_one(source, x)) {
    return reshape(index_add(vector_of_one(x), 0, index, vector_of_one(source)), x.shape());
  }
  Shape expected = x.shape();
  if (!expected.empty()) expected[static_cast<std::int64_t>(position)] = index.numel();
  if (index.dim() > 1 || source.shape() != expected || (x.dim() == 0 && index.numel() != 1)) {
    throw ShapeError("index_add: got index " + to_string(index.sizes()) + " and source " +
                     to_string(source.sizes()) + " for x " + to_string(x.sizes()) +
                     ", needed a 1-d index and a source " + to_string(expected));
  }
  const AroundDim around(x.sizes(), position);
  const Tensor ids = checked_indices("index_add", index, around.size);
  const Tensor rows = source.contiguous();
  Tensor out = x.clone();
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.mutable_data<T>();
    const T* from = rows.data<T>();
    for (std::int64_t i = 0; i < around.outer; ++i) {
      scatter_add_rows(to + i * around.size * around.inner, ids.data<std::int64_t>(),
                       from + i * ids.numel() * around.inner, ids.numel(), around.inner);
    }
  });
  return out;
}

// By elements -------------------------------------------------------------------------------------

Tensor gather(const Tensor& x, std::int64_t dim, const Tensor& index) {
  const std::size_t position = detail::fast_wrap_dim(dim, x.sizes().size(), "gather");
  if (is_vector_of_one(x, index)) return gather(vector_of_one(x), 0, index);
  if (is_vector_of_one(index, x)) return reshape(gather(x, 0, vector_of_one(index)), {});
  check_index_shape("gather", "x", x, index, position);
  const Tensor ids = checked_indices("gather", index, size_along(x, position));
  Tensor out = Tensor::uninitialized(index.sizes(), x.dtype());
  const std::int64_t step = stride_along(x, position);
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.mutable_data<T>();
    const T* from = x.data<T>();
    for_each_index(ids, x, position, out, [&](std::int64_t x_at, std::int64_t at, std::int64_t id) {
      to[at] = from[x_at + id * step];
    });
  });
  return out;
}

Tensor take_along_dim(const Tensor& x, const Tensor& index, std::int64_t dim) {
  return composition::take_along_dim(x, index, dim);
}

Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  return scattered("scatter", x, dim, index, source, [](auto, auto value) { return value; });
}

Tensor scatter(const Tensor& x, std::int64_t dim, const Tensor& index, Scalar value) {
  return scatter(x, dim, index, full(index.shape(), value, x.dtype()));
}

Tensor scatter_add(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source) {
  return scattered("scatter_add", x, dim, index, source,
                   [](auto element, auto value) { return plus(element, value); });
}

namespace {

template <class T>
T times(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    return a && b;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  } else {
    return a * b;
  }
}

// NaN if one of them is.
template <class T>
T larger(T a, T b) {
  return a != a || b <= a ? a : b;
}
template <class T>
T smaller(T a, T b) {
  return a != a || b >= a ? a : b;
}

// The element that changes no other one by `reduce`, in x's type.
Tensor neutral(const std::string& reduce, const Tensor& x) {
  Tensor out = zeros({}, x.dtype());
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using Limits = std::numeric_limits<T>;
    T& element = *out.mutable_data<T>();
    if (reduce == "prod") element = T{1};
    if (reduce == "amax") element = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    if (reduce == "amin") element = Limits::has_infinity ? Limits::infinity() : Limits::max();
  });
  return out;
}

// How many elements the mean of each position is taken of.
Tensor counts(const Tensor& x, std::int64_t dim, const Tensor& index, bool include_self) {
  const auto written = [](auto, auto value) { return value; };
  const Tensor nothing = zeros(index.shape(), x.dtype());
  Tensor own = ones_like(x);
  if (!include_self) own = scattered("scatter_reduce", own, dim, index, nothing, written);
  return scattered("scatter_reduce", own, dim, index, ones_like(nothing),
                   [](auto element, auto value) { return plus(element, value); });
}

Tensor mean_of(const Tensor& total, const Tensor& count) {
  if (total.dtype() != int64) return total / count;
  Tensor out = (total - remainder(total, count)).contiguous();  // rounds down
  const auto divisors = count.span<std::int64_t>();
  auto* to = out.mutable_data<std::int64_t>();
  for (std::size_t i = 0; i < divisors.size(); ++i) to[i] /= divisors[i];
  return out;
}

}  // namespace

Tensor scatter_reduce(const Tensor& x, std::int64_t dim, const Tensor& index, const Tensor& source,
                      const std::string& reduce, bool include_self) {
  const auto into = [&](const Tensor& start, const Tensor& from, const auto& function) {
    return scattered("scatter_reduce", start, dim, index, from, function);
  };
  const auto reduced = [&](const auto& function) {
    Tensor start = x;
    if (!include_self) {
      start = into(x, expand(neutral(reduce, x), index.shape()),
                   [](auto, auto value) { return value; });
    }
    return into(start, source, function);
  };
  if (reduce == "sum" || reduce == "mean") {
    if (reduce == "mean" && x.dtype() == boolean) {
      throw DTypeError(
          "scatter_reduce: x is boolean, needed numbers for a mean; convert with to(float32)");
    }
    const Tensor total = reduced([](auto a, auto b) { return plus(a, b); });
    return reduce == "sum" ? total : mean_of(total, counts(x, dim, index, include_self));
  }
  if (reduce == "prod") return reduced([](auto a, auto b) { return times(a, b); });
  if (reduce == "amax") return reduced([](auto a, auto b) { return larger(a, b); });
  if (reduce == "amin") return reduced([](auto a, auto b) { return smaller(a, b); });
  throw ValueError("scatter_reduce: got reduce \"" + reduce +
                   "\", needed \"sum\", \"prod\", \"mean\", \"amax\" or \"amin\"");
}

// By mask -----------------------------------------------------------------------------------------

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  require_dtype("masked_select", "mask", mask, boolean);
  const Shape shape = broadcast_shapes(x.sizes(), mask.sizes(), "masked_select");
  const Tensor in = expand(x, shape).contiguous();
  const Tensor chosen = expand(mask, shape).contiguous();
  const auto choice = chosen.span<bool>();
  const auto count = std::count(choice.begin(), choice.end(), true);
  Tensor out = Tensor::uninitialized(Shape(count), x.dtype());
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.mutable_data<T>();
    const T* from = in.data<T>();
    for (std::size_t i = 0; i < choice.size(); ++i) {
      if (choice[i]) *to++ = from[i];
    }
  });
  return out;
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, Scalar value) {
  require_dtype("masked_fill", "mask", mask, boolean);
  const Shape shape = broadcast_shapes(x.sizes(), mask.sizes(), "masked_fill");
  const auto number = value.to<double>();
  if (x.dtype() == int64 && value.dtype() == float32 &&
      !(number == std::trunc(number) && std::abs(number) < 9.2e18)) {
    throw ValueError("masked_fill: int64 cannot hold " + std::to_string(number) +
                     "; convert x with to(float32) first");
  }
  Tensor out = expand(x, shape).clone();
  const StridedLoop<2> loop(shape, {&out, &mask});
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.mutable_data<T>();
    const bool* choice = mask.data<bool>();
    loop.for_each_row([&](const auto& offset) {
      for (std::int64_t i = 0; i < loop.row_size(); ++i) {
        if (choice[offset[1] + i * loop.row_stride(1)]) {
          to[offset[0] + i * loop.row_stride(0)] = value.to<T>();
        }
      }
    });
  });
  return out;
}

// Positions ---------------------------------------------------------------------------------------

Tensor nonzero(const Tensor& x) {
  const Tensor flags = x.to(boolean).contiguous();
  const auto values = flags.span<bool>();
  const auto count = std::count(values.begin(), values.end(), true);
  Tensor out = Tensor::uninitialized(Shape{count, x.dim()}, int64);
  auto* to = out.mutable_data<std::int64_t>();
  const Strides strides = contiguous_strides(x.sizes());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) continue;
    auto rest = static_cast<std::int64_t>(i);
    for (const std::int64_t stride : strides) {
      *to++ = rest / stride;
      rest %= stride;
    }
  }
  return out;
}

std::vector<Tensor> nonzero(const Tensor& x, AsTuple /*tag*/) {
  std::vector<Tensor> positions = unbind(nonzero(x.dim() == 0 ? reshape(x, {1}) : x), 1);
  for (Tensor& each : positions) each = each.contiguous();
  return positions;
}

Tensor one_hot(const Tensor& ids, std::int64_t classes) {
  if (classes < 1) {
    throw ValueError("one_hot: got " + std::to_string(classes) + " classes, needed at least 1");
  }
  const Tensor indices = checked_indices("one_hot", ids, classes, "classes");
  Shape shape = ids.shape();
  shape.push_back(classes);
  Tensor out = zeros(shape, int64);
  auto* row = out.mutable_data<std::int64_t>();
  for (const std::int64_t id : indices.span<std::int64_t>()) {
    row[id] = 1;
    row += classes;
  }
  return out;
}

Tensor one_hot(const Tensor& ids) {
  if (ids.numel() == 0) {
    throw ValueError("one_hot: got no ids, needed the number of classes: one_hot(ids, classes)");
  }
  return one_hot(ids, max(ids).item<std::int64_t>() + 1);
}

}  // namespace tapegrad
