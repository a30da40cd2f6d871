// Parts of a tensor as views, and NumPy's indexing put together from them. Read next:
// tensor/ops/gather_scatter.cc.
#include <algorithm>
#include <string>

#include <tapegrad/tensor/ops.h>
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

[[noreturn, gnu::cold, gnu::noinline]] void throw_bad_step(const char* operation,
                                                           std::int64_t step) {
  throw ValueError(std::string(operation) + ": step " + std::to_string(step) +
                   ", needed a positive one; flip reverses");
}

// Cuts dimension `dim` of the layout to start:end:step by Python's rules, and says how many
// elements further the first one lies.
std::int64_t cut(ViewLayout& layout, std::size_t dim, std::int64_t start, std::int64_t end,
                 std::int64_t step, const char* operation) {
  if (step <= 0) throw_bad_step(operation, step);
  const std::int64_t size = layout.sizes[dim];
  const std::int64_t stride = layout.strides[dim];
  const auto clamped = [size](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  start = clamped(start);
  end = std::max(clamped(end), start);
  const std::int64_t length = (end - start) / step + ((end - start) % step != 0 ? 1 : 0);
  layout.sizes[dim] = length;
  if (length > 1) layout.strides[dim] = stride * step;
  return length == 0 ? 0 : start * stride;
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
  const std::int64_t offset = cut(layout, position, start, end, step, "slice");
  return layout.of(x, offset);
}

Tensor part_at(const Tensor& whole, const Tensor& piece, std::int64_t dim, std::int64_t start,
               std::int64_t step) {
  if (piece.dim() < whole.dim()) return select(whole, dim, start);
  // Nothing of an empty piece: its end would lie before its start, or count from the back.
  const std::int64_t end = start + (piece.size(dim) - 1) * step + 1;
  return slice(whole, dim, start, std::max(start, end), step);
}

Tensor as_strided(const Tensor& x, const Shape& sizes, const Strides& strides,
                  std::int64_t offset) {
  if (sizes.dim() != strides.dim()) {
    throw ShapeError("as_strided: got sizes " + to_string(sizes) + " and strides " +
                     to_string(strides) + ", needed as many of one as of the other");
  }
  // How far behind its first element a tensor reaches; -1 where that overflows.
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
  return Tensor::view(x, sizes, strides, offset);
}

Tensor index(const Tensor& x, std::initializer_list<Index> indices) {
  return index(x, std::span<const Index>(indices.begin(), indices.size()));
}

Tensor index(const Tensor& x, std::span<const Index> indices) {
  std::int64_t used = 0;  // dimensions of x that the indices name
  std::int64_t ellipses = 0;
  std::int64_t dims = x.dim();  // of the result
  for (const Index& part : indices) {
    used += part.kind == Index::Kind::kInteger || part.kind == Index::Kind::kSlice ? 1 : 0;
    ellipses += part.kind == Index::Kind::kEllipsis ? 1 : 0;
    dims += part.kind == Index::Kind::kNewAxis ? 1 : part.kind == Index::Kind::kInteger ? -1 : 0;
  }
  if (used > x.dim()) {
    throw IndexError("index: got " + std::to_string(used) + " indices for shape " +
                     to_string(x.sizes()));
  }
  if (ellipses > 1) throw IndexError("index: more than one ellipsis");
  if (dims > Shape::kMaxDims) {
    throw ShapeError("index: the result has " + std::to_string(dims) + " dimensions, at most " +
                     std::to_string(Shape::kMaxDims) + " are possible");
  }
  const ViewLayout from(x);
  ViewLayout layout;
  std::int64_t offset = 0;
  std::size_t dim = 0;  // the next one of x
  for (const Index& part : indices) {
    switch (part.kind) {
      case Index::Kind::kInteger:
        offset += wrapped_position(part.integer, from.sizes[dim], "index") * from.strides[dim];
        ++dim;
        break;
      case Index::Kind::kSlice:
        layout.append(from.sizes[dim], from.strides[dim]);
        offset += cut(layout, layout.dim - 1, part.range.start.value_or(0),
                      part.range.end.value_or(from.sizes[dim]), part.range.step, "index");
        ++dim;
        break;
      case Index::Kind::kNewAxis:
        layout.append(1, 1);
        break;
      case Index::Kind::kEllipsis:
        for (std::int64_t i = used; i < x.dim(); ++i, ++dim) {
          layout.append(from.sizes[dim], from.strides[dim]);
        }
        break;
    }
  }
  for (; dim < from.dim; ++dim) layout.append(from.sizes[dim], from.strides[dim]);
  return layout.of(x, offset);
}

}  // namespace tapegrad
