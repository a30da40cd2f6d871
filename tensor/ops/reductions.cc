// Reductions: sum, mean, var, norm and others that are sums, prod, any, all, and cumsum. Read next:
// tensor/ops/minmax.cc.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/reduce_shape.h>
#include <tapegrad/tensor/ops/xt.h>

namespace tapegrad {

using detail::contains;
using detail::dim_set;
using detail::DimSet;
using detail::reduced_shape;
using detail::ReduceShape;
using detail::require_floating;
using detail::Rows;
using detail::ViewLayout;

namespace detail {
namespace {

// Moves the reduced dimensions after all others, also in memory.
Tensor moved_to_end(const Tensor& x, DimSet dims) {
  ViewLayout layout;
  for (const bool reduced : {false, true}) {
    for (std::size_t i = 0; i < x.sizes().size(); ++i) {
      if (contains(dims, i) == reduced) layout.append(x.sizes()[i], x.strides()[i]);
    }
  }
  return layout.of(x).contiguous();
}

}  // namespace

ReduceShape::ReduceShape(const Tensor& from, DimSet dims) {
  bool adjacent = true;
  bool after = false;  // whether a kept dimension has come after a reduced one
  const auto sizes = from.sizes();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 1) continue;
    if (contains(dims, i)) {
      adjacent = adjacent && !after;
      reduced *= sizes[i];
    } else if (reduced != 1) {
      after = true;
      inner *= sizes[i];
    } else {
      outer *= sizes[i];
    }
  }
  if (adjacent) {
    x = from.contiguous();
  } else {
    x = moved_to_end(from, dims);
    outer *= inner;
    inner = 1;
  }
  if (reduced == 1) std::swap(outer, inner);  // one long row instead of many rows of one element
}

Rows::Rows(const Tensor& from, DimSet dims) {
  const auto sizes = from.sizes();
  bool at_end = true;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 1) continue;
    if (contains(dims, i)) {
      size *= sizes[i];
    } else {
      at_end = at_end && size == 1;
      count *= sizes[i];
    }
  }
  x = at_end ? from.contiguous() : moved_to_end(from, dims);
}

Shape reduced_shape(const Tensor& x, DimSet dims, bool keepdim) {
  Shape shape;
  for (std::size_t i = 0; i < x.sizes().size(); ++i) {
    if (!contains(dims, i)) {
      shape.push_back(x.sizes()[i]);
    } else if (keepdim) {
      shape.push_back(1);
    }
  }
  return shape;
}

void require_floating(const char* operation, DType dtype) {
  if (is_floating_point(dtype)) [[likely]]
    return;
  throw DTypeError(std::string(operation) + ": not defined for " + name(dtype) +
                   "; convert with to(float32)");
}

void require_same_dtype(const char* operation, DType x, const char* which, DType given) {
  if (given == x) [[likely]]
    return;
  throw DTypeError(std::string(operation) + ": got x " + name(x) + " and " + which + " " +
                   name(given) + ", needed one type; convert x with to(" + name(given) + ")");
}

}  // namespace detail

namespace {

constexpr DimSet kAll = ~DimSet{0};

std::size_t unsigned_size(std::int64_t n) { return static_cast<std::size_t>(n); }

// Calls f(row, size) for each row and writes what it returns.
template <class Out, class In, class Function>
Tensor reduce_rows(const Rows& rows, const Shape& shape, const Function& function) {
  Tensor out = Tensor::uninitialized(shape, dtype_of<Out>::value);
  Out* y = out.mutable_data<Out>();
  const In* x = rows.x.data<In>();
  for (std::int64_t i = 0; i < rows.count; ++i) y[i] = function(x + i * rows.size, rows.size);
  return out;
}

Tensor sum_of_integers(const Tensor& x, DimSet dims, const Shape& shape) {
  return reduce_rows<std::int64_t, std::int64_t>(
      Rows(x.to(int64), dims), shape, [](const std::int64_t* row, std::int64_t n) {
        std::uint64_t total = 0;  // wraps around on overflow, as in PyTorch
        for (std::int64_t i = 0; i < n; ++i) total += static_cast<std::uint64_t>(row[i]);
        return static_cast<std::int64_t>(total);
      });
}

Tensor sum_over(const Tensor& x, DimSet dims, const Shape& shape) {
  if (!is_floating_point(x.dtype())) return sum_of_integers(x, dims, shape);
  const ReduceShape in(x, dims);
  Tensor out = Tensor::uninitialized(shape, x.dtype());
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const kernel::Kernels<T>& kernels = kernel::kernels<T>();
    T* y = out.mutable_data<T>();
    const T* from = in.x.data<T>();
    const std::size_t reduced = unsigned_size(in.reduced);
    const std::size_t inner = unsigned_size(in.inner);
    for (std::int64_t i = 0; i < in.outer; ++i, y += inner, from += reduced * inner) {
      if (inner == 1) {
        *y = kernels.sum(from, reduced);
      } else {
        kernels.sum_columns(y, from, reduced, inner, false);
      }
    }
  });
  return out;
}

std::int64_t count_of(const Tensor& x, DimSet dims) {
  std::int64_t count = 1;
  for (std::size_t i = 0; i < x.sizes().size(); ++i) count *= contains(dims, i) ? x.sizes()[i] : 1;
  return count;
}

Tensor mean_over(const Tensor& x, DimSet dims, bool keepdim) {
  require_floating("mean", x.dtype());
  Tensor out = sum_over(x, dims, reduced_shape(x, dims, keepdim));
  visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T count = static_cast<T>(count_of(x, dims));
    T* y = out.mutable_data<T>();
    for (std::int64_t i = 0; i < out.numel(); ++i) y[i] /= count;  // 0 / 0 if there are no elements
  });
  return out;
}

// Whether a sum of n squares is as precise as its type: nothing overflowed, and what vanished was
// less than a rounding error.
template <class T>
bool is_precise(T squares, std::size_t n) {
  using Limits = std::numeric_limits<T>;
  return squares >= static_cast<T>(n) * (Limits::min() / Limits::epsilon()) &&
         squares <= Limits::max();
}

double squares_in_double(const float* x, std::size_t n, double center) {
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double distance = static_cast<double>(x[i]) - center;
    total += distance * distance;
  }
  return total;
}

// Variance and standard deviation where float32 is not precise enough for the squares.
double var_in_double(const float* x, std::size_t n, std::int64_t divisor, bool root) {
  double mean = 0;
  for (std::size_t i = 0; i < n; ++i) mean += static_cast<double>(x[i]);
  mean /= static_cast<double>(n);
  const double value = squares_in_double(x, n, mean) / static_cast<double>(divisor);
  return root ? std::sqrt(value) : value;
}

// Computes the mean first and then the sum of (x - mean)^2, because sum(x^2) - n mean^2 loses
// precision by cancellation.
Tensor var_over(const char* operation, const Tensor& x, const Dims& dims, bool unbiased,
                bool keepdim, bool root) {
  require_floating(operation, x.dtype());
  const DimSet set = dim_set(dims, x.dim(), operation);
  const Rows rows(x, set);
  const std::size_t size = unsigned_size(rows.size);
  const std::int64_t divisor = std::max<std::int64_t>(rows.size - (unbiased ? 1 : 0), 0);
  return visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const kernel::Kernels<T>& kernels = kernel::kernels<T>();
    const auto subtract = kernels.binary[static_cast<std::size_t>(kernel::Binary::kSub)]
                                        [static_cast<std::size_t>(kernel::Operands::kVectorScalar)];
    Tensor buffer = Tensor::uninitialized(Shape(rows.size), x.dtype());
    T* distance = buffer.mutable_data<T>();
    return reduce_rows<T, T>(rows, reduced_shape(x, set, keepdim), [&](const T* row, std::int64_t) {
      const T mean = kernels.sum(row, size) / static_cast<T>(size);
      subtract(distance, row, &mean, size);
      const T squares = kernels.sum_of_squares(distance, size);
      if constexpr (std::is_same_v<T, float>) {
        if (!is_precise(squares, size)) [[unlikely]] {
          return static_cast<T>(var_in_double(row, size, divisor, root));
        }
      }
      const T value = squares / static_cast<T>(divisor);
      return root ? std::sqrt(value) : value;
    });
  });
}

// Through xtensor. Since the number of dimensions and their order are known at compile time, it
// reduces in plain loops.
Tensor prod_over(const Tensor& x, DimSet dims, const Shape& shape) {
  const Tensor in = is_floating_point(x.dtype()) ? x : x.to(int64);
  if (x.numel() == 0) return ones(shape, in.dtype());
  if (x.dim() == 0) return in.clone();
  const ReduceShape bands(in, dims);
  const std::size_t outer = unsigned_size(bands.outer);
  const std::size_t reduced = unsigned_size(bands.reduced);
  const std::size_t inner = unsigned_size(bands.inner);
  Tensor out = Tensor::uninitialized(shape, in.dtype());
  visit(in.dtype(), [&](auto zero) {
    using T = decltype(zero);
    // Unsigned, so that integers wrap around as PyTorch's do.
    using Factor = std::conditional_t<std::is_floating_point_v<T>, T, std::uint64_t>;
    const auto from = detail::xtensor_of(bands.x.data<T>(), std::array{outer, reduced, inner});
    auto to = detail::xtensor_of(out.mutable_data<T>(), std::array{outer, inner});
    xt::noalias(to) = xt::cast<T>(xt::prod<Factor>(from, {1}, xt::evaluation_strategy::immediate));
  });
  return out;
}

Tensor any_over(const Tensor& x, DimSet dims, const Shape& shape) {
  return reduce_rows<bool, bool>(
      Rows(x.to(boolean), dims), shape,
      [](const bool* row, std::int64_t n) { return std::find(row, row + n, true) != row + n; });
}

Tensor all_over(const Tensor& x, DimSet dims, const Shape& shape) {
  return reduce_rows<bool, bool>(
      Rows(x.to(boolean), dims), shape,
      [](const bool* row, std::int64_t n) { return std::find(row, row + n, false) == row + n; });
}

using Reduction = Tensor (*)(const Tensor& x, DimSet dims, const Shape& shape);

Tensor over_one(Reduction reduction, const char* operation, const Tensor& x, std::int64_t dim,
                bool keepdim) {
  const DimSet set = dim_set(dim, x.dim(), operation);
  return reduction(x, set, reduced_shape(x, set, keepdim));
}

}  // namespace

double detail::sum_of_squares(const float* x, std::size_t n) {
  const float squares = kernel::kernels<float>().sum_of_squares(x, n);
  if (is_precise(squares, n)) [[likely]]
    return static_cast<double>(squares);
  return squares_in_double(x, n, 0);
}
double detail::sum_of_squares(const double* x, std::size_t n) {
  return kernel::kernels<double>().sum_of_squares(x, n);
}

Tensor sum(const Tensor& x) { return sum_over(x, kAll, {}); }
Tensor sum(const Tensor& x, const Dims& dims, bool keepdim) {
  const DimSet set = dim_set(dims, x.dim(), "sum");
  return sum_over(x, set, reduced_shape(x, set, keepdim));
}

Tensor mean(const Tensor& x) { return mean_over(x, kAll, false); }
Tensor mean(const Tensor& x, const Dims& dims, bool keepdim) {
  return mean_over(x, dim_set(dims, x.dim(), "mean"), keepdim);
}

Tensor var(const Tensor& x, const Dims& dims, bool unbiased, bool keepdim) {
  return var_over("var", x, dims, unbiased, keepdim, false);
}
Tensor std(const Tensor& x, const Dims& dims, bool unbiased, bool keepdim) {
  return var_over("std", x, dims, unbiased, keepdim, true);
}

Tensor stddev(const Tensor& x, const Dims& dims, bool unbiased, bool keepdim) {
  return std(x, dims, unbiased, keepdim);
}

Tensor prod(const Tensor& x) {
  if (x.dim() == 0) return prod_over(x, kAll, {});
  Tensor out = x;  // one dimension after another, from the last one: this order gives the rounding
  while (out.dim() > 0) out = prod(out, -1);
  return out;
}
Tensor prod(const Tensor& x, std::int64_t dim, bool keepdim) {
  return over_one(prod_over, "prod", x, dim, keepdim);
}
Tensor any(const Tensor& x) { return any_over(x, kAll, {}); }
Tensor any(const Tensor& x, std::int64_t dim, bool keepdim) {
  return over_one(any_over, "any", x, dim, keepdim);
}
Tensor all(const Tensor& x) { return all_over(x, kAll, {}); }
Tensor all(const Tensor& x, std::int64_t dim, bool keepdim) {
  return over_one(all_over, "all", x, dim, keepdim);
}

Tensor norm(const Tensor& x, double p) { return norm(x, p, {}); }
Tensor norm(const Tensor& x, double p, const Dims& dims, bool keepdim) {
  require_floating("norm", x.dtype());
  const DimSet set = dim_set(dims, x.dim(), "norm");
  const Shape shape = reduced_shape(x, set, keepdim);
  if (p == 0) return sum_over(ne(x, 0).to(x.dtype()), set, shape);
  if (p == 1) return sum_over(abs(x), set, shape);
  if (p != 2 && !std::isinf(p)) return pow(sum_over(pow(abs(x), p), set, shape), 1 / p);
  const Rows rows(p == 2 ? x : abs(x), set);
  return visit_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const kernel::Kernels<T>& kernels = kernel::kernels<T>();
    return reduce_rows<T, T>(rows, shape, [&](const T* row, std::int64_t n) {
      const std::size_t size = unsigned_size(n);
      if (p == 2) return static_cast<T>(std::sqrt(detail::sum_of_squares(row, size)));
      if (n == 0) return T{0};
      return p > 0 ? kernels.max(row, size) : kernels.min(row, size);
    });
  });
}

Tensor cumsum(const Tensor& x, std::int64_t dim) {
  const auto position =
      static_cast<std::int64_t>(detail::fast_wrap_dim(dim, x.sizes().size(), "cumsum"));
  const Tensor in = is_floating_point(x.dtype()) ? x : x.to(int64);
  if (x.dim() == 0) return in.clone();
  const Tensor rows = transpose(in, position, -1).contiguous();
  Tensor out = Tensor::uninitialized_like(rows, rows.dtype());
  const std::int64_t size = rows.sizes().back();
  visit(rows.dtype(), [&](auto zero) {
    using T = decltype(zero);
    // PyTorch adds float32 in double precision here.
    using Total = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    const T* from = rows.data<T>();
    T* to = out.mutable_data<T>();
    for (const T* end = from + out.numel(); from != end;) {
      Total total{};
      for (std::int64_t i = 0; i < size; ++i) {
        total += static_cast<Total>(*from++);
        *to++ = static_cast<T>(total);
      }
    }
  });
  return transpose(out, position, -1).contiguous();
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  const auto sizes = x.sizes();
  if (std::ranges::equal(sizes, shape)) return x;
  if (!broadcastable_to(shape, sizes)) {
    throw ShapeError("sum_to: shape " + to_string(shape) + " does not broadcast to " +
                     to_string(sizes) + ", so x cannot be summed to it");
  }
  const std::size_t added = sizes.size() - static_cast<std::size_t>(shape.dim());
  DimSet dims = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (i < added || (shape.begin()[i - added] == 1 && sizes[i] != 1)) dims |= DimSet{1} << i;
  }
  return sum_over(x, dims, shape);
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && all(eq(a, b)).item<bool>();
}

bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  // Numbers of one floating type are compared in that type, as in PyTorch: 0.1 is at most 0.1 away
  // from 0 in float32, too. Integers are compared in float64, which holds more of them.
  const bool floating = a.dtype() == b.dtype() && is_floating_point(a.dtype());
  const Tensor x = floating ? a : a.to(float64);
  const Tensor y = floating ? b : b.to(float64);
  const Tensor distance = abs(x - y);
  Tensor close = logical_or(eq(x, y), le(distance, atol + abs(rtol * y)) && isfinite(distance));
  if (equal_nan) close = close || (isnan(x) && isnan(y));
  return all(close).item<bool>();
}

// Compositions ------------------------------------------------------------------------------------

Tensor var(const Tensor& x, const Dims& dims, const VarOptions& options) {
  return composition::var(x, dims, options);
}
Tensor std(const Tensor& x, const Dims& dims, const VarOptions& options) {
  return composition::std(x, dims, options);
}
Tensor cumprod(const Tensor& x, std::int64_t dim) { return composition::cumprod(x, dim); }

}  // namespace tapegrad
