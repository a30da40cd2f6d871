// Pooling of sequences and images: the largest element or the mean of each window. Read next:
// autograd/ops/views.cc.
#include <algorithm>
#include <string>
#include <vector>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/ops/windows.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/tensor/ops/pooling.h>

namespace tapegrad {

using detail::kColumns;
using detail::kRows;

namespace {

void check_pooled(const char* operation, const Variable& x, bool is_sequence) {
  if (!is_floating_point(x.dtype())) {
    throw DTypeError(std::string(operation) + ": x is " + name(x.dtype()) +
                     ", needed float32 or float64");
  }
  if (x.dim() == (is_sequence ? 2 : 3) || x.dim() == (is_sequence ? 3 : 4)) return;
  throw ShapeError(std::string(operation) + ": x is " + to_string(x.sizes()) + ", needed " +
                   (is_sequence ? "(batch, channels, length) or (channels, length)"
                                : "(batch, channels, height, width) or (channels, height, width)"));
}

// The windows along one dimension.
Windows pool_windows(const char* operation, Windows windows, bool ceil_mode,
                     const Windows::Words& words) {
  if (ceil_mode) windows.round_up();
  if (windows.before > windows.kernel / 2) {
    throw ValueError(std::string(operation) + ": got padding " + std::to_string(windows.before) +
                     " for a kernel of size " + std::to_string(windows.kernel) +
                     ", needed at most half of it: otherwise some windows would hold only padding");
  }
  windows.check(operation, words);
  return windows;
}

constexpr Windows kOneRow{.length = 1, .kernel = 1};

Attributes pool_attributes(const Pooling& pooling) {
  const Windows &rows = pooling.rows, &columns = pooling.columns;
  if (pooling.is_sequence) {
    return {{"kernel_size", Shape{columns.kernel}},
            {"stride", Shape{columns.stride}},
            {"padding", Shape{columns.before}},
            {"dilation", Shape{columns.dilation}}};
  }
  return {{"kernel_size", Shape{rows.kernel, columns.kernel}},
          {"stride", Shape{rows.stride, columns.stride}},
          {"padding", Shape{rows.before, columns.before}},
          {"dilation", Shape{rows.dilation, columns.dilation}}};
}

// dy, added at the indices, from primitives: (images, pixels) from (images, windows).
Variable at_indices(const Variable& dy, const Tensor& indices, const Pooling& pooling) {
  const Shape shape = pooling.image_shape(dy.shape());
  if (dy.numel() == 0) return Variable(zeros(shape, dy.dtype()));
  const std::int64_t images = dy.numel() / pooling.windows();
  const Tensor missing = indices < 0;
  const Variable counted = any(missing).item<bool>() ? masked_fill(dy, missing, 0) : dy;
  // Where there is no index, a 0 is added at index 0.
  const Tensor at = reshape(masked_fill(indices, missing, 0), {images, pooling.windows()});
  if (pooling.pixels() == 0) return Variable(zeros(shape, dy.dtype()));
  return reshape(scatter_add(Variable(zeros({images, pooling.pixels()}, dy.dtype())), 1, at,
                             reshape(counted, {images, pooling.windows()})),
                 shape);
}

// y = the largest of each window            dx = dy there, else 0
VariableAndIndices max_pool(const char* operation, const Variable& x, const Pooling& pooling) {
  MaxPooled result = max_pool_forward(x.value(), pooling);
  describe(
      operation, [&] { return pool_attributes(pooling); }, x);
  const Tensor indices = result.indices;
  const auto fused = [indices, pooling](const Tensor& dy) {
    return max_pool_backward(dy, indices, pooling);
  };
  const auto composed = [indices, pooling](const Variable& dy) {
    return at_indices(dy, indices, pooling);
  };
  return {record_fused(operation, std::move(result.values), x, fused, composed), indices};
}

// How many elements each window is divided by, along one dimension. Positions beyond the padding,
// which ceil_mode adds, do not count.
std::vector<std::int64_t> counted(const Windows& windows, bool count_include_pad) {
  std::vector<std::int64_t> counts;
  for (std::int64_t t = 0; t < windows.count(); ++t) {
    const std::int64_t begin = t * windows.stride - windows.before;
    const std::int64_t padding = count_include_pad ? windows.before : 0;
    const std::int64_t end = std::min(begin + windows.kernel, windows.length + padding);
    counts.push_back(std::max<std::int64_t>(end - std::max(begin, -padding), 1));
  }
  return counts;
}

// (rows, columns) of windows.
Tensor divisors_of(const Pooling& pooling, bool count_include_pad,
                   const std::optional<std::int64_t>& divisor_override, DType dtype) {
  if (divisor_override.has_value()) {
    return full({pooling.rows.count(), pooling.columns.count()},
                static_cast<double>(*divisor_override), dtype);
  }
  const Tensor rows = tensor(counted(pooling.rows, count_include_pad));
  const Tensor columns = tensor(counted(pooling.columns, count_include_pad));
  return (unsqueeze(rows, 1) * columns).to(dtype);
}

// y = the sum of each window / divisor      dx = dy / divisor, summed where windows overlap
Variable avg_pool(const char* operation, const Variable& x, const Pooling& pooling,
                  const Tensor& divisors) {
  describe(
      operation,
      [&] {
        Attributes attributes = pool_attributes(pooling);
        attributes.push_back({"divisors", divisors});
        return attributes;
      },
      x);
  const auto fused = [divisors, pooling](const Tensor& dy) {
    return avg_pool_backward(dy, divisors, pooling);
  };
  const auto composed = [divisors, pooling](const Variable& dy) {
    const Windows &rows = pooling.rows, &columns = pooling.columns;
    const Shape shape = pooling.image_shape(dy.shape());
    if (dy.numel() == 0) return Variable(zeros(shape, dy.dtype()));
    const std::int64_t images = dy.numel() / pooling.windows();
    const Variable parts = reshape(dy, {images, rows.count(), columns.count()}) / divisors;
    const Variable windows =
        expand(reshape(parts, {images, rows.count(), columns.count(), 1, 1, 1}),
               {images, rows.count(), columns.count(), 1, rows.kernel, columns.kernel});
    return reshape(detail::fold2d(windows, rows, columns), shape);
  };
  return record_fused(operation, avg_pool_forward(x.value(), divisors, pooling), x, fused,
                      composed);
}

}  // namespace

// Sequences ---------------------------------------------------------------------------------------

VariableAndIndices max_pool1d_with_indices(const Variable& x, std::int64_t kernel_size,
                                           const MaxPoolOptions& options) {
  check_pooled("max_pool1d", x, true);
  const Windows steps{x.size(-1),      kernel_size,     options.stride.value_or(kernel_size),
                      options.padding, options.padding, options.dilation};
  return max_pool("max_pool1d", x,
                  {kOneRow, pool_windows("max_pool1d", steps, options.ceil_mode, {}), true});
}

Variable max_pool1d(const Variable& x, std::int64_t kernel_size, const MaxPoolOptions& options) {
  return max_pool1d_with_indices(x, kernel_size, options).values;
}

Variable avg_pool1d(const Variable& x, std::int64_t kernel_size, const AvgPoolOptions& options) {
  check_pooled("avg_pool1d", x, true);
  const Windows steps{x.size(-1), kernel_size, options.stride.value_or(kernel_size),
                      options.padding, options.padding};
  const Pooling pooling{kOneRow, pool_windows("avg_pool1d", steps, options.ceil_mode, {}), true};
  return avg_pool("avg_pool1d", x, pooling,
                  divisors_of(pooling, options.count_include_pad, std::nullopt, x.dtype()));
}

// Images ------------------------------------------------------------------------------------------

VariableAndIndices max_pool2d_with_indices(const Variable& x, const Size2d& kernel_size,
                                           const MaxPoolOptions2d& options) {
  check_pooled("max_pool2d", x, false);
  const Size2d stride = options.stride.value_or(kernel_size);
  const Windows rows{x.size(-2),
                     kernel_size.height,
                     stride.height,
                     options.padding.height,
                     options.padding.height,
                     options.dilation.height};
  const Windows columns{x.size(-1),
                        kernel_size.width,
                        stride.width,
                        options.padding.width,
                        options.padding.width,
                        options.dilation.width};
  return max_pool("max_pool2d", x,
                  {pool_windows("max_pool2d", rows, options.ceil_mode, kRows),
                   pool_windows("max_pool2d", columns, options.ceil_mode, kColumns)});
}

Variable max_pool2d(const Variable& x, const Size2d& kernel_size, const MaxPoolOptions2d& options) {
  return max_pool2d_with_indices(x, kernel_size, options).values;
}

Variable avg_pool2d(const Variable& x, const Size2d& kernel_size, const AvgPoolOptions2d& options) {
  check_pooled("avg_pool2d", x, false);
  if (options.divisor_override == std::int64_t{0}) {
    throw ValueError("avg_pool2d: divisor_override is 0, needed another number");
  }
  const Size2d stride = options.stride.value_or(kernel_size);
  const Windows rows{x.size(-2), kernel_size.height, stride.height, options.padding.height,
                     options.padding.height};
  const Windows columns{x.size(-1), kernel_size.width, stride.width, options.padding.width,
                        options.padding.width};
  const Pooling pooling{pool_windows("avg_pool2d", rows, options.ceil_mode, kRows),
                        pool_windows("avg_pool2d", columns, options.ceil_mode, kColumns)};
  return avg_pool(
      "avg_pool2d", x, pooling,
      divisors_of(pooling, options.count_include_pad, options.divisor_override, x.dtype()));
}

namespace {

// The means of `count` parts of dimension `dim`.
Variable means_of_parts(const Variable& x, std::int64_t dim, std::int64_t count) {
  const std::int64_t length = x.size(dim);
  std::vector<Variable> parts;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t start = i * length / count;
    const std::int64_t end = ((i + 1) * length + count - 1) / count;
    parts.push_back(mean(narrow(x, dim, start, end - start), Dims{dim}, true));
  }
  return cat(parts, dim);
}

}  // namespace

// A part of the image is a part of its rows and a part of its columns.
Variable adaptive_avg_pool2d(const Variable& x, const Size2d& output_size) {
  check_pooled("adaptive_avg_pool2d", x, false);
  if (output_size.height < 1 || output_size.width < 1 || x.size(-2) == 0 || x.size(-1) == 0) {
    throw ShapeError("adaptive_avg_pool2d: x is " + to_string(x.sizes()) + " and output_size (" +
                     std::to_string(output_size.height) + ", " + std::to_string(output_size.width) +
                     "), needed sizes of 1 or more");
  }
  if (x.size(-2) % output_size.height == 0 && x.size(-1) % output_size.width == 0) {
    return avg_pool2d(x, {x.size(-2) / output_size.height, x.size(-1) / output_size.width});
  }
  return means_of_parts(means_of_parts(x, -1, output_size.width), -2, output_size.height);
}

}  // namespace tapegrad
