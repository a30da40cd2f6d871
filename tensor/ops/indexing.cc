// Views of parts of a tensor, and NumPy's basic indexing, which is composed of them. Read next:
// tensor/ops/gather_scatter.cc.
#include <algorithm>
#include <string>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/compositions.h>
#include <tapegrad/tensor/ops/fused.h>
#include <tapegrad/tensor/ops/view_layout.h>

namespace tapegrad {

using detail::existing_dim;
using detail::ViewLayout;

namespace {

std::int64_t wrapped_position(std::int64_t index, std::int64_t size, const char* operation) {
  const std::int64_t wrapped = index < 0 ? index + size : index;
  if (wrapped >= 0 && wrapped < size) [[likely]]
    return wrapped;
  return wrap_index(index, size, operation);
}

[[noreturn, gnu::cold, gnu::noinline]] void throw_bad_narrow(std::int64_t start,
                                                             std::int64_t length, std::int64_t size,
                                                             std::size_t dim) {
  throw IndexError("narrow: start " + std::to_string(start) + " and length " +
                   std::to_string(length) + " out of range for size " + std::to_string(size) +
                   " of dimension " + std::to_string(dim));
}

void check_step(std::int64_t step, const char* operation) {
  if (step > 0) [[likely]]
    return;
  throw ValueError(std::string(operation) + ": step " + std::to_string(step) +
                   ", needed a positive one; flip reverses");
}

}  // namespace

Tensor select(const Tensor& x, std::int64_t dim, std::int64_t index) {
  const std::size_t position = existing_dim(dim, x, "select");
  ViewLayout layout(x);
  const std::int64_t at = wrapped_position(index, layout.sizes[position], "select");
  const std::int64_t offset = at * layout.strides[position];
  layout.erase(position);
  return layout.of(x, offset);
}

Tensor narrow(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t length) {
  const std::size_t position = existing_dim(dim, x, "narrow");
  ViewLayout layout(x);
  const std::int64_t size = layout.sizes[position];
  const std::int64_t from = start < 0 ? start + size : start;
  if (from < 0 || from > size || length < 0 || length > size - from) [[unlikely]] {
    throw_bad_narrow(start, length, size, position);
  }
  layout.sizes[position] = length;
  return layout.of(x, length == 0 ? 0 : from * layout.strides[position]);
}

Tensor slice(const Tensor& x, std::int64_t dim, std::int64_t start, std::int64_t end,
             std::int64_t step) {
  const std::size_t position = existing_dim(dim, x, "slice");
  ViewLayout layout(x);
  check_step(step, "slice");
  const std::int64_t size = layout.sizes[position];
  const std::int64_t stride = layout.strides[position];
  const auto clamped = [size](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  start = clamped(start);
  end = std::max(clamped(end), start);
  const std::int64_t length = (end - start) / step + ((end - start) % step != 0 ? 1 : 0);
  layout.sizes[position] = length;
  if (length > 1) layout.strides[position] = stride * step;
  return layout.of(x, length == 0 ? 0 : start * stride);
}

Tensor part_at(const Tensor& whole, const Tensor& piece, std::int64_t dim, std::int64_t start,
               std::int64_t step) {
  if (piece.dim() < whole.dim()) return select(whole, dim, start);
  // max, because the end of an empty piece would lie before its start, or be negative and count
  // from the end.
  const std::int64_t end = start + (piece.size(dim) - 1) * step + 1;
  return slice(whole, dim, start, std::max(start, end), step);
}

Tensor as_strided(const Tensor& x, const Shape& sizes, const Strides& strides,
                  std::int64_t offset) {
  if (sizes.dim() != strides.dim()) {
    throw ShapeError("as_strided: got sizes " + to_string(sizes) + " and strides " +
                     to_string(strides) + ", needed the same number of both");
  }
  // The offset of the last element from the first; -1 if it overflows.
  const auto reach = [](std::span<const std::int64_t> size, std::span<const std::int64_t> stride) {
    std::int64_t last = 0;
    for (std::size_t i = 0; i < size.size(); ++i) {
      std::int64_t step = 0;
      if (stride[i] < 0 || __builtin_mul_overflow(size[i] - 1, stride[i], &step) ||
          __builtin_add_overflow(last, step, &last)) {
        return std::int64_t{-1};
      }
    }
    return last;
  };
  if (checked_numel(sizes, "as_strided") > 0) {
    const std::int64_t last = reach(sizes, strides);
    const std::int64_t available = x.numel() == 0 ? -1 : reach(x.sizes(), x.strides());
    if (last < 0 || offset < 0 || offset > available || last > available - offset) {
      throw IndexError("as_strided: sizes " + to_string(sizes) + ", strides " + to_string(strides) +
                       " and offset " + std::to_string(offset) + " reach outside of the " +
                       std::to_string(available + 1) + " elements from x's first to its last");
    }
  } else {
    offset = 0;
  }
  return Tensor::view_of(x, sizes, strides, offset);
}

std::int64_t composition::check_indices(std::span<const std::int64_t> sizes,
                                        std::span<const Index> indices) {
  std::int64_t used = 0;
  std::int64_t ellipses = 0;
  auto dims = static_cast<std::int64_t>(sizes.size());  // of the result
  for (const Index& part : indices) {
    used += part.kind == Index::Kind::kInteger || part.kind == Index::Kind::kSlice ? 1 : 0;
    ellipses += part.kind == Index::Kind::kEllipsis ? 1 : 0;
    dims += part.kind == Index::Kind::kNewAxis ? 1 : part.kind == Index::Kind::kInteger ? -1 : 0;
  }
  if (used > static_cast<std::int64_t>(sizes.size())) {
    throw IndexError("index: got " + std::to_string(used) + " indices for shape " +
                     to_string(sizes));
  }
  if (ellipses > 1) throw IndexError("index: more than one ellipsis");
  if (dims > Shape::kMaxDims) {
    throw ShapeError("index: the result has " + std::to_string(dims) + " dimensions, at most " +
                     std::to_string(Shape::kMaxDims) + " are possible");
  }
  std::size_t dim = 0;
  for (const Index& part : indices) {
    if (part.kind == Index::Kind::kInteger) wrapped_position(part.integer, sizes[dim++], "index");
    if (part.kind == Index::Kind::kSlice) {
      check_step(part.range.step, "index");
      ++dim;
    }
    if (part.kind == Index::Kind::kEllipsis) dim += sizes.size() - static_cast<std::size_t>(used);
  }
  return used;
}

Tensor index(const Tensor& x, std::span<const Index> indices) {
  return composition::index(x, indices);
}
Tensor index(const Tensor& x, std::initializer_list<Index> indices) {
  return composition::index(x, std::span<const Index>(indices.begin(), indices.size()));
}

}  // namespace tapegrad
